"""The loop in which heartbeats are taken and states are told does nothing that may take long."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from controller import journal
from tests.api.test_authorisation import TABLE
from tests.support.api import Api


def in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_no_endpoint_reads_the_journal_or_makes_the_document_in_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, outside, inside = "", set[str](), set[str]()
    connect, document = journal.connect_to_read, api.app.openapi

    def connecting(path: Path) -> sqlite3.Connection:
        (inside if in_a_loop() else outside).add(asked)
        return connect(path)

    def making() -> dict[str, Any]:
        (inside if in_a_loop() else outside).add(asked)
        return document()

    monkeypatch.setattr(journal, "connect_to_read", connecting)
    monkeypatch.setattr(api.app, "openapi", making)
    clinician, patient = api.phone("clinician"), api.phone("patient")
    for (method, path), (_, body) in TABLE.items():
        if path not in ("/live", "/emg/live", "/me"):
            asked = f"{method} {path}"
            for phone in (clinician, patient):
                phone.request(method, path.replace("{id}", "77").lstrip("/"), json=body)
    assert inside == set()
    assert {"GET /sessions", "GET /openapi.json", "GET /follow-up", "PUT /follow-up/message"} <= outside
