"""One error root and one table of codes: the same code stands in the log, the API answer and the message table."""

from __future__ import annotations

from dataclasses import dataclass


class PelviStimError(Exception):
    """Root of every error of PelviStim. ``code`` is stable; the sentence beside it is for the log and the terminal."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


@dataclass(frozen=True)
class Problem:
    """One reason to refuse bad input.

    ``place`` says where in the file (``phase[2]``), ``field`` which key, ``value`` what stood there, ``allowed`` what
    may stand there, ``advice`` what to do.
    """

    code: str
    place: str
    field: str
    value: str
    allowed: str
    advice: str

    def __str__(self) -> str:
        where = ".".join(part for part in (self.place, self.field) if part)
        return f"{where}: {self.value}: allowed: {self.allowed}. {self.advice} [{self.code}]"


class InputRefused(PelviStimError, ValueError):
    """A file, option or request was refused. ``source`` names the file; ``problems`` holds all reasons at once."""

    code = "input_refused"

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


class BoardError(PelviStimError, RuntimeError):
    """The board or the pigpio daemon did not do what was asked of it."""

    code = "board_error"


class LinkError(PelviStimError, ConnectionError):
    """The link between the app and the guard broke or carried something it may not."""

    code = "link_error"
