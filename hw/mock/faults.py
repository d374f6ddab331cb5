"""The table of all faults. ``python -m hw.mock.faults`` prints it as docs/faults.md."""

from __future__ import annotations

from typing import Final

from hw.mock.bench import Bench
from hw.mock.faults_daemon import DAEMON
from hw.mock.faults_outside import OUTSIDE
from hw.mock.faults_power import POWER

FAULTS: Final = {fault.name: fault for fault in (*OUTSIDE, *POWER, *DAEMON)}
MENDABLE: Final = tuple(name for name, fault in FAULTS.items() if fault.mend is not None)


def clear(bench: Bench, name: str | None) -> None:
    """Mends one fault, or everything that can be mended."""
    for fault in FAULTS.values():
        if fault.mend is not None and name in (None, fault.name) and (bench.wired or fault in DAEMON):
            fault.mend(bench)


def document() -> str:
    """docs/faults.md."""
    lines = [
        "# Faults of the simulated board",
        "",
        "What can be broken in a running simulation: `pelvistim fault NAME [ARGS]`, or at a time in a scenario file",
        "(`pelvistim run ... --faults FILE`). `pelvistim fault clear [NAME]` mends a fault, with whatever else is",
        "wrong with the same part, or all that can be mended; the others happen once. The same seed and the same",
        "moment give the same effect. This table is made by `python -m hw.mock.faults` from the one in the code.",
        "",
        "A scenario is a TOML file. Time 0 is when the session's first wave begins, after self-test and check:",
        "",
        "```toml",
        "[[fault]]",
        "at_s = 12.5                  # at 12.5 s, electrode A opens",
        'name = "electrode-open"',
        'args = ["A"]                 # or by name: { CHANNEL = "A" }',
        "",
        "[[fault]]",
        "at_s = 20",
        'name = "clear"',
        'args = ["electrode-open"]',
        "",
        "[[fault]]",
        "at_start = true              # before anything plays",
        'name = "estop-welded"',
        "```",
        "",
    ]
    group = ""
    for fault in FAULTS.values():
        if fault.group != group:
            group = fault.group
            lines += [
                f"## {group[0].upper()}{group[1:]}",
                "",
                "| name and arguments | what it models | how it shows |",
                "|---|---|---|",
            ]
        allowed = "; ".join(f"{arg.name}: {arg.allowed}" for arg in fault.args)
        words = f"`{fault.usage}`" + (f" ({allowed})" if allowed else "")
        lines.append(f"| {words} | {fault.models} | {fault.shows[0].upper()}{fault.shows[1:]}. |")
        following = list(FAULTS.values())[list(FAULTS).index(fault.name) + 1 :]
        if not following or following[0].group != group:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(document(), end="")
