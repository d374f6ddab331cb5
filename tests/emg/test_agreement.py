"""The bounds of the table in docs/training.md, at the ends of the range and on the real recording."""

from __future__ import annotations

import pytest

from hw.emg import read_edf
from tests.emg.__main__ import RECORDED, REST_S
from tests.emg.agreement import BURSTS, errors, on_record

STATED_DB = (10, 26)


@pytest.mark.parametrize("snr_db", STATED_DB)
def test_ours_agrees_with_truth_and_with_scipy(snr_db: int) -> None:
    found = errors(snr_db, 1)
    assert (found.found, found.false) == (BURSTS, 0)
    assert abs(found.onset_ms) < 30
    assert abs(found.onset_ms - found.reference_onset_ms) < 35
    assert found.onset_worst_ms < 60
    assert abs(found.release_ms) < 30
    assert abs(found.release_ms - found.reference_release_ms) < 35
    assert found.release_worst_ms < 80
    assert found.envelope_percent < 5
    assert abs(found.mvc_percent) < 5
    assert abs(found.rest_percent) < 6


def test_ours_agrees_with_scipy_on_real_emg() -> None:
    found = on_record(read_edf(RECORDED), REST_S)
    assert found.bursts == found.theirs == 11
    assert found.onset_worst_ms < 80
    assert found.release_worst_ms < 80
    assert found.envelope_percent < 12
    assert abs(found.mvc_percent) < 5
