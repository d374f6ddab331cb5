"""What began to play while a check found the reason to stop is told and proved like all else that came out."""

from __future__ import annotations

from pathlib import Path

from tests.support.treatment import treatment

SLOW_MS = 30
CHUNK_MS = 3 * SLOW_MS
"""One of the sessions meets the end of a chunk while the guard waits for its answer."""


def test_a_chunk_that_begins_while_the_daemon_keeps_the_guard_waiting(tmp_path: Path) -> None:
    """Where the context ends, each session is proved: more pulses seen than told would be a finding."""
    with treatment(tmp_path) as person:
        for late_ms in range(0, CHUNK_MS, SLOW_MS):
            person.start()
            person.until(lambda state: state.session is not None and state.session.part == "hold")
            person.raise_to(2_000)
            person.until(lambda state: state.session is not None and state.session.part == "hold", 30_000_000)
            person.wait(200_000)
            person.rig.fault("daemon-slow", SLOW_MS, at=person.now + late_ms * 1000)
            assert person.until(lambda state: state.mode == "stopped").cause == "daemon_slow"
            person.rig.fault("clear")
            person.has(person.engine.acknowledge("patient"))
