"""``pelvistim serve`` as a process: its document's own session, what it keeps, and what its end ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from controller.chain import Kind
from controller.history import KINDS, records
from controller.journal import NAME, read
from tests.support.cli import pelvistim
from tests.support.serve import serve

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "api.md"
PATIENCE_S = 120


@pytest.mark.needs("curl", apt="curl")
def test_the_documents_session_runs_as_it_stands(tmp_path: Path) -> None:
    """Pairs, prescribes, checks, starts, raises to 12 mA, lowers, pauses, resumes, ends, exports, stops unpaired."""
    script = "set -eu -o pipefail\n" + "\n".join(
        re.findall(r"^```bash\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
    with serve(tmp_path) as server:
        tokens = {f"{role}_token": token for role, token in server.tokens.items()}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**os.environ, **tokens, "api": f"{server.base}/api/v1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.end() == 0
    assert '{"state":"stopped","cause":"person","confirmed":true,' in done.stdout
    assert "contraction,channel,start_us,end_us,pulses,charge_pc,set_point_ua,measured_ua" in done.stdout
    journal = tmp_path / "state" / "app" / NAME
    (record,) = records(read(journal, *KINDS))
    assert max(dose["set_point_ua"] for dose in record.doses) == 12_000
    assert (record.closed or {})["cause"] is None
    told = [(row.fields["what"], row.fields["result"]) for row in read(journal, Kind.COMMAND)]
    for action in ("open_session", "check_electrodes", "start", "pause", "resume", "end", "acknowledge"):
        assert (action, "done") in told
    assert ("stop", "confirmed") in told
    verdict = pelvistim(
        tmp_path, "journal", "verify", journal.parent, "--guard-state", tmp_path / "state" / "guard", "--json"
    )
    assert verdict.returncode == 0, verdict.stdout
    assert json.loads(verdict.stdout)["seals"] == 2
