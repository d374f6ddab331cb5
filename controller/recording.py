"""The recording of a session: every chunk that began to play, so that it can be replayed and proved later.

One file a session, ``recordings/SESSION.chunks`` beside the journal: MAGIC, then zlib over a header (one line of JSON:
the programme's text, the caps, the board's full scale) and one record a chunk. A pulse list that was recorded before is
named by its number, which makes 20 minutes some 100 KB. The session's last row in the journal has the file's hash, and
the guard's seal the hash over the pulse lists. The file is written when the session is over, in a thread of its own:
nothing that runs waits for the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safety.errors import PelviStimError

FOLDER: Final = "recordings"
CHANNELS: Final = ("A", "B")
MAGIC: Final = b"PSC1"
RECORD: Final = struct.Struct("<qqIIII")
"""Session time and guard's time of its start (us), revision, set-points of A and B (uA), number of its pulse list."""
LENGTH: Final = struct.Struct("<I")
"""Stands before a pulse list that is recorded for the first time."""
_NAME: Final = re.compile(r"[0-9a-f]{1,64}")
PLAIN_MAX_BYTES: Final = 200_000_000
"""More than any session of 45 minutes comes to, even without repetition; a file cannot fill the memory."""


class RecordingError(PelviStimError, ValueError):
    """A recording cannot be read; ``code``: ``recording_absent`` or ``recording_damaged``."""

    code = "recording_damaged"


@dataclass(frozen=True)
class Recorded:
    """One chunk as it was sent. Times in us, set-points in uA."""

    start_us: int
    began_us: int
    revision: int
    set_point_ua: Mapping[str, int]
    data: bytes


@dataclass(frozen=True)
class Recording:
    """A session as it was recorded. ``caps_ua``: as the guard was told them; ``sha256``: of the file."""

    session: str
    programme: str
    caps_ua: Mapping[str, int]
    full_scale_ua: int
    chunks: tuple[Recorded, ...]
    sha256: str


class Recorder:
    """Takes the chunks of one session as they begin, packed in memory."""

    def __init__(self, session: str, programme: str, caps_ua: Mapping[str, int], full_scale_ua: int) -> None:
        self._pack = zlib.compressobj(9)
        header: dict[str, Any] = {"session": session, "programme": programme, "caps_ua": dict(caps_ua)}
        line = json.dumps({**header, "full_scale_ua": full_scale_ua}, sort_keys=True, separators=(",", ":"))
        self._packed = bytearray(MAGIC + self._pack.compress(line.encode() + b"\n"))
        self._lists: dict[bytes, int] = {}

    def add(self, one: Recorded) -> None:
        """One more chunk began."""
        digest = hashlib.sha256(one.data).digest()  # and not the list itself: a session may have many
        known = digest in self._lists
        number = self._lists.setdefault(digest, len(self._lists))
        points = (one.set_point_ua.get(channel, 0) for channel in CHANNELS)
        self._packed += self._pack.compress(RECORD.pack(one.start_us, one.began_us, one.revision, *points, number))
        if not known:
            self._packed += self._pack.compress(LENGTH.pack(len(one.data)) + one.data)

    def done(self) -> bytes:
        """The whole file. Nothing can be added after it."""
        return bytes(self._packed + self._pack.flush())


class Recordings:
    """The recordings beside one journal; ``folder`` is the journal's. Writes in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recordings")

    def keep(self, session: str, data: bytes) -> Future[None]:
        """Writes one, whole and synced; fails with OSError when the disk does not take it."""
        return self._writer.submit(write, path_of(self._folder, session), data)

    def close(self) -> None:
        """Writes what waits."""
        self._writer.shutdown()


def path_of(folder: Path, session: str) -> Path:
    """Where a session's recording is, ``folder`` being the journal's. Raises RecordingError for what names none."""
    if not _NAME.fullmatch(session):
        raise RecordingError(f"{session!r} names no recording", code="recording_absent")
    return folder / FOLDER / f"{session}.chunks"


def write(path: Path, data: bytes) -> None:
    """Whole or not at all, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read(path: Path) -> Recording:
    """Reads a recording. Raises RecordingError."""
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}", code="recording_absent") from None
    try:
        return _parsed(packed)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error, zlib.error) as error:
        raise RecordingError(f"{path}: not a whole recording: {error}") from None


def _parsed(packed: bytes) -> Recording:
    unpack = zlib.decompressobj()
    plain = unpack.decompress(packed[len(MAGIC) :], PLAIN_MAX_BYTES)
    if not packed.startswith(MAGIC) or not unpack.eof or unpack.unused_data:
        raise ValueError("not from beginning to end what was written")
    line, _, rest = plain.partition(b"\n")
    header = json.loads(line)
    lists: list[bytes] = []
    chunks = []
    at = 0
    while at < len(rest):
        start_us, began_us, revision, a_ua, b_ua, number = RECORD.unpack_from(rest, at)
        at += RECORD.size
        if number == len(lists):
            (length,) = LENGTH.unpack_from(rest, at)
            at += LENGTH.size + length
            lists.append(rest[at - length : at])
        chunks.append(Recorded(start_us, began_us, revision, {"A": a_ua, "B": b_ua}, lists[number]))
    if at != len(rest):
        raise ValueError("it ends in a pulse list")
    return Recording(
        str(header["session"]),
        str(header["programme"]),
        {str(channel): int(cap_ua) for channel, cap_ua in header["caps_ua"].items()},
        int(header["full_scale_ua"]),
        tuple(chunks),
        hashlib.sha256(packed).hexdigest(),
    )
