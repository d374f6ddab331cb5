"""The guard never collects garbage (``safety/__main__.py``): what each session makes it do leaves none to collect.

Things that refer to each other in a ring are not freed by reference counts. ``json.dumps`` with an indent makes one a
call, for instance: with the record written a few times a session, the guard grew by 0.3 MB an hour of sessions.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest

from safety import ledger, link, prescribed, seal
from safety.ledger import Record
from safety.session import Session
from tests.support.chunks import LINES
from tests.unit.test_prescribed import ASKED, FULL, GOOD, PROGRAMME, PROGRAMME_SHA256

SIGNED = prescribed.canonical(GOOD)
HEAD = seal.JournalHead(1, "0" * 64)


def load() -> None:
    session = Session(LINES, FULL, Record(), 0)
    assert session.load(PROGRAMME.decode(), replace(ASKED, programme_sha256=PROGRAMME_SHA256), 0) is None


def nonsense() -> None:
    with pytest.raises(link.LinkError):
        link.decode(b"{")


WHAT: dict[str, Callable[[], object]] = {
    "the record is written": lambda: ledger.dump(replace(Record(), week=(("2026-03-01", 2),))),
    "a record is read": lambda: ledger.load(ledger.dump(Record())),
    "a record is spoilt": lambda: ledger.load("{"),
    "a message goes": lambda: link.encode({"type": "status", "channels": {"A": [1, 2]}}),
    "a message comes": lambda: link.decode(b'{"type": "status"}'),
    "a message is none": nonsense,
    "a prescription comes": lambda: prescribed.read_prescribed(SIGNED, FULL),
    "a prescription is spoilt": lambda: prescribed.read_prescribed(SIGNED[:-1], FULL),
    "a programme is loaded": load,
    "a seal is made": lambda: seal.make(None, None, HEAD, HEAD, seal.ChunkHash(), seal.NO_PLAN, 0).text(),
}


@pytest.mark.req("SR-149")
@pytest.mark.parametrize("what", WHAT)
def test_what_a_session_asks_leaves_no_ring(what: str) -> None:
    WHAT[what]()
    gc.collect()
    for _ in range(10):
        WHAT[what]()
    assert gc.collect() == 0
