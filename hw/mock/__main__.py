"""Starts the simulated board: ``python -m hw.mock --port 0``. Prints a line of JSON with its port when it is ready."""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from hw.board import REFERENCE_BOARD, load_board
from hw.mock import current
from hw.mock.board import BoardModel
from hw.mock.control import Control
from hw.mock.daemon import Daemon
from hw.mock.lines import Lines
from hw.mock.protocol import PI_3B_MASK
from hw.mock.server import Server, Timeline
from safety.errors import InputRefused

_USAGE = 64
_DEV = Path("/dev")
_ALL_LINES = 0xFFFF_FFFF


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a simulation until it is told to end. Returns the exit code."""
    options = _parser().parse_args(arguments)
    _allow_many_connections()
    timeline = Timeline(options.tick)
    lines = Lines(options.tick)
    board, mask, sample_us = None, PI_3B_MASK, 5
    if options.bare:
        lines.power_on()
    else:
        try:
            figures = load_board(options.board)
        except InputRefused as refused:
            print(refused, file=sys.stderr)
            return _USAGE
        board = BoardModel(figures, lines, options.load_ohm, options.seed)
        for name, _, level in (short.partition(":") for short in options.pin_short):
            board.short(name, level == "high", timeline.now)
        mask, sample_us = sum(line.mask for line in figures.lines.values()), options.sample_us or figures.sample_us
    pipes = tempfile.TemporaryDirectory(prefix="pigpio")
    folder = options.pipes or (_DEV if os.access(_DEV, os.W_OK) else Path(pipes.name))
    daemon = Daemon(timeline, lines, board, mask if options.mask is None else options.mask, sample_us, folder)
    lines.jumpers = tuple(_jumper(text) for text in options.jumper)
    daemon.notifier.jitter_us, daemon.table.stretch = options.edge_jitter_us, options.wave_stretch
    server = Server(timeline, daemon, options.realtime, options.pace, options.alone, options.elastic)
    control = Control(server, board, options.seed)
    if options.current is not None:
        if board is None:
            print("--current: a bare Pi has no electrodes; leave out --bare", file=sys.stderr)
            return _USAGE
        board.record_current(timeline.now)
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}, port {options.port}: {error.strerror}", file=sys.stderr)
        return _USAGE
    with listener:
        server.listen(listener)
        if options.control is not None:
            control.listen(options.control)
        _end_on_signals(server)
        if options.until_stdin_closes:
            _end_with_stdin(server)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        try:
            gc.freeze()  # what the imports made is never looked at again
            gc.set_threshold(100_000, 50, 100)  # the history grows, and is no garbage
            server.run()
        finally:
            control.close()
            daemon.close()
            pipes.cleanup()
    if options.edges is not None:
        control.edges(_ALL_LINES, None).write(options.edges)
    if options.current is not None:
        current.write(control.current.points(None)[1], options.current)
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hw.mock", description="The simulated board.")
    parser.add_argument("--port", type=int, default=0, help="port of the pigpio protocol; 0: any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--board", type=Path, default=REFERENCE_BOARD, metavar="FILE")
    parser.add_argument("--bare", action="store_true", help="a Pi 3B with nothing wired to it")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="the tick follows the wall clock")
    pace.add_argument("--pace", type=_positive, metavar="N", help="virtual time at most N times as fast as the wall's")
    pace.add_argument(
        "--elastic", action="store_true", help="the wall's pace, but time waits for who joined it, 1 s at most"
    )
    pace.add_argument("--alone", action="store_true", help="the tick follows the wall clock until somebody joins")
    parser.add_argument("--pipes", type=Path, metavar="DIR", help="for pipes of notifications; /dev if possible")
    parser.add_argument("--control", metavar="PATH", help="Unix socket for the clock's participants and for tests")
    parser.add_argument("--until-stdin-closes", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--load-ohm", type=_positive, help="a plain resistor on both channels instead of electrodes")
    parser.add_argument(
        "--pin-short", action="append", default=[], metavar="LINE:high|low", help="a pin that is shorted"
    )
    parser.add_argument("--jumper", action="append", default=[], metavar="GPIO:GPIO", help="a wire to a spare input")
    parser.add_argument("--edge-jitter-us", type=int, default=0, metavar="N", help="edges are seen so late at most")
    parser.add_argument("--wave-stretch", type=int, default=1, metavar="N", help="waves last so many times as long")
    parser.add_argument("--tick", type=int, default=0, help="where the tick begins")
    parser.add_argument("--mask", type=_mask, help="GPIO that clients may write; the board's if unset")
    parser.add_argument(
        "--sample-us", type=int, choices=(1, 2, 4, 5, 8, 10), help="the daemon's -s; the board's if unset"
    )
    parser.add_argument("--edges", type=Path, metavar="FILE", help="writes every level change there at the end")
    parser.add_argument("--current", type=Path, metavar="FILE", help="writes current and voltage of the electrodes")
    return parser


def _allow_many_connections() -> None:
    """As many file descriptors as the system lets this process have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _mask(text: str) -> int:
    return int(text, 0)


def _jumper(text: str) -> tuple[int, int]:
    source, end = (1 << int(part) for part in text.split(":"))
    return source, end


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _end_on_signals(server: Server) -> None:
    """SIGTERM and SIGINT end the loop, also when it is waiting."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def stop(number: int, frame: FrameType | None) -> None:
        server.stopping = True

    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.add(reader, lambda: None)


def _end_with_stdin(server: Server) -> None:
    """Ends when standard input does: whoever started this is gone."""
    fd = sys.stdin.fileno()

    def look() -> None:
        if not os.read(fd, 4096):
            server.stopping = True

    try:
        server.add(fd, look)
    except PermissionError:  # a file or /dev/null, which cannot be waited for and has ended already
        server.stopping = True


if __name__ == "__main__":
    sys.exit(main())
