"""A long chunk is decoded in slices, between which the guard can do a check; what is found is the same."""

from __future__ import annotations

import pytest

from safety import gate, limits
from safety.decode import ENTRY_BYTES, SLICE_ENTRIES, Chunk, Refusal, decode, decode_in_slices
from safety.gate import read_ahead
from tests.support.chunks import LINES, longest, pack, train


def slices(data: bytes) -> tuple[int, Chunk | Refusal]:
    """In how many pieces it was decoded, and what it is."""
    steps, count = decode_in_slices(data, LINES), 1
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return count, done.value
        count += 1


def test_no_slice_is_longer_than_a_fifth_of_the_largest_chunk() -> None:
    assert limits.CHUNK_MAX_ENTRIES // SLICE_ENTRIES == 5
    entries = longest()
    assert len(entries) > 4 * SLICE_ENTRIES
    count, chunk = slices(pack(entries))
    assert isinstance(chunk, Chunk)
    assert (chunk.entries, len(chunk.pulses)) == (len(entries), 14)
    assert count == -(-len(entries) // SLICE_ENTRIES)


@pytest.mark.parametrize("number", [0, 1, 399, 400, 401, 799, 800, 1_200, 1_300])
def test_a_fault_is_found_in_whatever_slice_it_is(number: int) -> None:
    entries = longest()
    on, off, delay = entries[number]
    entries[number] = (on | 1 << 5, off, delay)
    count, refusal = slices(pack(entries))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "foreign_line"
    assert refusal == decode(pack(entries), LINES)
    assert count == 1 + number // SLICE_ENTRIES


def test_what_was_read_ahead_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_kept", {})
    data = pack(longest())
    first = sum(1 for _ in read_ahead(data, LINES))
    assert first == (len(data) // ENTRY_BYTES - 1) // SLICE_ENTRIES
    assert sum(1 for _ in read_ahead(bytes(bytearray(data)), LINES)) == 0


def test_only_so_many_are_remembered_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[bytes, object], object] = {}
    monkeypatch.setattr(gate, "_kept", kept)
    monkeypatch.setattr(gate, "_KEPT_MAX", 3)
    one, two, three, four = (train([100, 20_100], code) for code in (1, 2, 3, 4))
    for data in (one, two, three, one, four, two):
        list(read_ahead(data, LINES))
    assert [data for data, _ in kept] == [two, three, four]


def test_a_long_chunk_that_was_not_read_ahead_is_decoded_when_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_kept", {})
    data = pack(longest())
    assert gate._decoded(data, LINES) == decode(data, LINES)
