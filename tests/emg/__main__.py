"""Prints our figures against known truth and against scipy's: simulated EMG, and a real recording.

python -m tests.emg
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean, median

from hw.emg import read_edf
from tests.emg.agreement import BURSTS, SNR_DB, Errors, errors, on_record

RECORDED = Path(__file__).parent.parent / "data" / "emg" / "emg_bursts.edf"
REST_S = (3.2, 4.2)
SEEDS = range(1, 6)


def row(found: list[Errors]) -> str:
    cells = [
        f"{found[0].snr_db}",
        f"{sum(one.found for one in found)} of {BURSTS * len(found)}, {sum(one.false for one in found)} false",
        f"{median(one.onset_ms for one in found):+.0f} ({max(one.onset_worst_ms for one in found):.0f})",
        f"{median(one.reference_onset_ms for one in found):+.0f}",
        f"{median(one.release_ms for one in found):+.0f} ({max(one.release_worst_ms for one in found):.0f})",
        f"{median(one.reference_release_ms for one in found):+.0f}",
        f"{mean(one.envelope_percent for one in found):.1f}",
        f"{mean(one.mvc_percent for one in found):+.1f}",
        f"{mean(one.rest_percent for one in found):+.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    print(
        "| dB | found | onset, ms (worst) | scipy's onset | release, ms (worst) | scipy's release "
        "| envelope, % | MVC, % | rest, % |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for snr_db in SNR_DB:
        print(row([errors(snr_db, seed) for seed in SEEDS]), flush=True)
    real = on_record(read_edf(RECORDED), REST_S)
    print(
        f"\nThe real recording: {real.bursts} contractions, scipy's {real.theirs} at the same levels; onset "
        f"{real.onset_ms:+.0f} ms (worst {real.onset_worst_ms:.0f}), release {real.release_ms:+.0f} ms (worst "
        f"{real.release_worst_ms:.0f}), envelope {real.envelope_percent:.1f} %, MVC {real.mvc_percent:+.1f} %."
    )


if __name__ == "__main__":
    main()
