"""Prints how often "more than chance" is seen, by people who change and by people who do not.

python -m tests.effect [PEOPLE]      1 000 of each if not said
"""

from __future__ import annotations

import sys
from statistics import median

from tests.effect.experiment import experiment
from tests.effect.people import IMPROVES, NO_CHANGE, Scatter

PEOPLE = 1_000
FIRST_SEED = 10_000
AT_MOST, AT_LEAST = 0.05, 0.80
GROUPS = (
    ("do not change", NO_CHANGE, Scatter(), True),
    (
        "do not change; no day missed, no bad sensor",
        NO_CHANGE,
        WHOLE := Scatter(missed_day=0, missed_week=0, noticed=0, unnoticed=0),
        True,
    ),
    ("do not change; a day carries over 0.3 to the next", NO_CHANGE, Scatter(carried=0.3), True),
    ("do not change; a rhythm of 28 days, as large as chance", NO_CHANGE, Scatter(monthly=1.0), True),
    ("do not change; one day in five has an unnoticed bad sensor", NO_CHANGE, Scatter(unnoticed=0.2), True),
    ("improve by the stated effect", IMPROVES, Scatter(), False),
    ("improve; no day missed, no bad sensor", IMPROVES, WHOLE, False),
)


def main(people: int) -> int:
    print('| people who ... | ever told "more than chance" | median week | most often |')
    print("|---|---|---|---|")
    good = True
    for name, effect, scatter, null in GROUPS:
        seen = experiment(range(FIRST_SEED, FIRST_SEED + people), effect, scatter)
        good = good and (seen.share <= AT_MOST if null else seen.share >= AT_LEAST)
        week = f"{median(seen.weeks):.0f}" if seen.weeks else "-"
        most = ", ".join(f"{code} {count}" for code, count in seen.measures.most_common(3))
        print(f"| {name} | {seen.ever} of {people} ({100 * seen.share:.1f} %) | {week} | {most} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE))
