"""Processes of the product, each a fork of one that has its modules loaded: a start without the second of imports.

What a process does from ``__main__`` on is the same, and it is a child of who started it; so is what a command starts
of itself. Not the same: its modules were run before it was asked for, beside those of others. So tests of what a start
itself is about use ``cold``, as do all with ``COLD=1``.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, Final

PROGRAMS: Final = {
    "hw.mock": ("hw.mock.__main__",),
    "safety": ("safety.__main__",),
    "controller.cli": ("controller.cli", "controller.run", "controller.serve", "controller.simulate", "api.command"),
    "tests.support.killed": ("tests.support.killed",),
    "tests.support.app": ("tests.support.app",),
    "pytest": ("pytest.__main__", "_pytest.python", "_pytest.terminal", "hypothesis", "pigpio", "cryptography.hazmat"),
}
"""What is started by ``python -m``: the module that is run then, and others that it loads."""
STARTS: Final = {"controller.cli": ("hw.mock", "safety")}
"""What a program starts of itself, loaded with it."""


def _packs() -> None:
    """What each server packs when a browser first asks for it, half a second in all: the same bytes each time."""
    page = importlib.import_module("api.page")
    for file in page.files().values():
        page.smallest(file.plain)


READIES: Final = {"controller.cli": _packs}
"""What else a program has done before it is forked."""
_MOST: Final = 1 << 18
_MOST_FDS: Final = 16
_FIRST_SPARE: Final = 200
_SUBREAPER: Final = 36
_NAME: Final = 15
WAITS: Final = "waits"
"""Name of who waits, beside a program that was forked, to be forked for what that starts."""
_ORIGINAL: Final = subprocess.Popen
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _adopts(does: bool) -> None:
    """Whether this process becomes the parent of what its descendants leave behind."""
    if _libc.prctl(_SUBREAPER, int(does), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _is_called(name: str) -> None:
    """What ``ps`` calls this process."""
    _libc.prctl(_NAME, name.encode())


def _interpreter(environment: dict[str, str]) -> dict[str, str]:
    """What the interpreter itself reads when it starts."""
    return {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}


class Nursery:
    """One process for each program that waits to be forked. ``cold``: starts are ordinary ones."""

    def __init__(self) -> None:
        self.cold = bool(os.environ.get("COLD"))
        self._environment = _interpreter(dict(os.environ))
        self._lock = threading.Lock()
        self._programs = set(PROGRAMS)
        self._ends: dict[str, socket.socket] = {}
        self._mothers: list[subprocess.Popen[bytes]] = []

    def only(self, ends: dict[str, socket.socket]) -> None:
        """In a program that was forked itself: where the one waits that has loaded what it ``STARTS``."""
        self._programs, self._ends = set(ends), ends
        self._environment = _interpreter(dict(os.environ))

    def close(self) -> None:
        """Ends them."""
        for end in self._ends.values():
            end.close()
        for process in self._mothers:
            process.wait()
        self._ends.clear()
        self._mothers.clear()

    def fork(self, program: str, arguments: list[str], how: dict[str, Any], fds: list[int]) -> int | None:
        """Starts one and gives its process id; None where only an ordinary start will do."""
        if self.cold or program not in self._programs or _interpreter(how["env"]) != self._environment:
            return None
        message = json.dumps({"program": program, "arguments": arguments, **how}).encode()
        with self._lock:
            end = self._mother(program)
            _adopts(True)
            try:
                socket.send_fds(end, [message], fds)
                return int(end.recv(32))
            finally:
                _adopts(False)

    def _mother(self, program: str) -> socket.socket:
        if program not in self._ends:
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
            with there:
                root, call = Path(__file__).parents[2], f"wait({there.fileno()}, {program!r})"
                code = f"import sys; from tests.support.preloaded import wait; sys.exit({call})"
                self._mothers.append(_ORIGINAL([sys.executable, "-c", code], cwd=root, pass_fds=[there.fileno()]))
            self._ends[program] = here
        return self._ends[program]


class Popen(_ORIGINAL):  # type: ignore[misc,valid-type]
    """``subprocess.Popen``, which forks what it can."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, *rest: Any) -> None:
        (pass_fds, cwd, env, _, _, shell, p2cread, _, _, c2pwrite, _, errwrite, _, gid, gids, uid, umask) = rest[:17]
        start_new_session, process_group = rest[17:]
        plain = not (executable or preexec_fn or shell) and close_fds and (gid, gids, uid) == (None, None, None)
        pid = None
        if plain and umask < 0 and process_group < 0 and not isinstance(args, (str, bytes)):
            words = [os.fspath(word) for word in args]
            if words[:2] == [sys.executable, "-m"] and (cwd is None or os.path.isdir(cwd)):
                how = {
                    "env": dict(os.environ if env is None else env),
                    "cwd": os.fspath(cwd or Path.cwd()),
                    "session": bool(start_new_session),
                    "passed": list(pass_fds),
                }
                standard = [own if given == -1 else given for own, given in enumerate((p2cread, c2pwrite, errwrite))]
                pid = _NURSERY.fork(words[2], words[3:], how, [*standard, *pass_fds])
        if pid is None:
            super()._execute_child(args, executable, preexec_fn, close_fds, *rest)
            return
        self.pid = pid
        self._child_created = True
        self._close_pipe_fds(*rest[6:12])


_NURSERY: Final = Nursery()


@contextlib.contextmanager
def preloaded() -> Iterator[None]:
    """Programs of the product start quickly from here on."""
    before = subprocess.Popen
    subprocess.Popen = Popen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = before  # type: ignore[misc]
        if before is _ORIGINAL:
            _NURSERY.close()


@contextlib.contextmanager
def cold() -> Iterator[None]:
    """They start as they do for everybody."""
    before, _NURSERY.cold = _NURSERY.cold, True
    try:
        yield
    finally:
        _NURSERY.cold = before


# In the process that waits


def wait(fd: int, program: str) -> int:
    """Loads a program's modules, and forks whenever asked to. Returns in each fork too, with its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load(program)
    READIES.get(program, lambda: None)()
    others = _loads(*STARTS[program]) if program in STARTS else set()
    gc.collect()
    gc.freeze()
    return _forks(socket.socket(fileno=fd), others)


def _load(program: str) -> None:
    for name in PROGRAMS[program]:
        importlib.import_module(name)
    del sys.modules[PROGRAMS[program][0]]  # it is run anew each time


def _loads(*programs: str) -> set[str]:
    """Loads programs, and gives what of the product was loaded for them alone."""
    before = set(sys.modules)
    for program in programs:
        _load(program)
    return {name for name in set(sys.modules) - before if name.partition(".")[0] in ("hw", "safety")}


def _forks(end: socket.socket, others: Set[str] = frozenset()) -> int:
    """A program for each message, until there are no more. ``others``: loaded, but for what it starts."""
    while True:
        data, fds, _, _ = socket.recv_fds(end, _MOST, _MOST_FDS)
        if not data:
            return 0
        asked = json.loads(data)
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(writer, b"%d" % child)
                os._exit(0)
            end.detach()
            return _become(asked["program"], asked, fds, others)
        for fd in (writer, *fds):
            os.close(fd)
        os.waitpid(between, 0)  # from here on the child is its grandparent's
        with open(reader, "rb") as pid:
            end.send(pid.read())


def _become(program: str, asked: dict[str, Any], fds: list[int], others: Set[str]) -> int:
    """This process is the program from here on."""
    import fcntl

    _is_called(program)
    if asked["session"]:
        os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    spare = [fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_SPARE) for fd in fds]
    os.closerange(3, _FIRST_SPARE)
    if program in STARTS:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:  # it waits beside the program, and ends with it
            _is_called(WAITS)
            here.close()
            for fd in spare:
                os.close(fd)
            return _forks(there)
        there.close()
        own = socket.socket(fileno=fcntl.fcntl(here, fcntl.F_DUPFD_CLOEXEC, _FIRST_SPARE))
        here.close()
        _NURSERY.only(dict.fromkeys(STARTS[program], own))
        subprocess.Popen = Popen  # type: ignore[misc]
    for fd, number in zip(spare, (0, 1, 2, *asked["passed"]), strict=True):
        os.dup2(fd, number)
    for fd in spare:
        os.close(fd)
    for name in [name for name in sys.modules if name in others or name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # the program's own are loaded by who needs them; of tests there may be others
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["", *asked["arguments"]]
    runpy.run_module(program, run_name="__main__", alter_sys=True)
    return 0
