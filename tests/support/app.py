"""An app process for tests that kill it: ``python -m tests.support.app FOLDER PROGRAMME INTENSITY_UA``.

Prints one line of JSON, ``{"first_tick": N}``, when the first chunk began to play.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from controller.outcome import View
from controller.programme import load_programme
from controller.session import Session
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import load_board
from hw.clock import Clock, VirtualClock, WallClock
from safety.link import GuardLink
from tests.support.signed import signed


def main(folder: Path, programme: Path, intensity_ua: int, *, real_time: bool) -> None:
    clock: Clock = WallClock() if real_time else VirtualClock(str(folder / "sim.sock"), "child")
    board = load_board()
    timeline = Timeline(load_programme(programme))
    said: list[int] = []

    def show(_: View) -> None:
        if not said and session.outcome.first_tick is not None:
            said.append(session.outcome.first_tick)
            print(json.dumps({"first_tick": said[0]}), flush=True)

    link = GuardLink(folder, clock)
    told = signed(timeline.programme, link.latest)
    session = Session(link, timeline, Encoder(board), board.full_scale_ua, {"A": intensity_ua}, None, show, signed=told)
    session.run(None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), real_time="--real-time" in sys.argv)
