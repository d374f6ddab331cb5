"""What a household sees of the device without being paired tells nobody what it is for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from api.announce import Announcer
from api.auth import COOKIE_PLAIN, COOKIE_TLS
from api.certificate import prepare
from api.command import NAME

WEB = Path(__file__).parents[2] / "api" / "web"
TELLS = re.compile(
    r"pelvi|bekken|stim|strøm|current|ele[ck]tr|prob|sond|vagin|anal|incont|inkont|lekk|leak|bladder|blære|bowel|tarm|"
    r"muscle|muskel|knip|squeeze|tens|med|clinic|klinik|patient|pasient",
    re.IGNORECASE,
)


class _Recorder:
    """In place of multicast DNS: keeps what would be told."""

    def register_service(self, info: Any) -> None:
        self.told = f"{info.type} {info.name} {info.server} {info.properties}"


def _certificates(folder: Path) -> str:
    served = prepare(folder, [NAME, "192.0.2.7"], datetime(2027, 1, 1, tzinfo=UTC))
    made = [x509.load_pem_x509_certificate(path.read_bytes()) for path in (served.certificate, served.authority)]
    extensions = [str(extension.value) for one in made for extension in one.extensions]
    return " ".join([*(f"{one.subject.rfc4514_string()} {one.issuer.rfc4514_string()}" for one in made), *extensions])


@pytest.mark.req("SR-171")
def test_name_certificate_icon_and_titles_are_neutral(tmp_path: Path) -> None:
    told = _Recorder()
    Announcer(NAME, ["192.0.2.7"], 8443, lambda: told).show(True)  # type: ignore[arg-type, return-value]
    manifest = json.loads((WEB / "page.webmanifest").read_text("utf-8"))
    icon = (WEB / "icon.svg").read_text("utf-8")
    marks = re.findall(r'(?:>|id="|class="|aria-label=")([^<>"]+)[<"]', icon)
    page = (WEB / "index.html").read_text("utf-8").partition("</head>")[0]
    titles = [json.loads(path.read_text("utf-8"))["title"] for path in (WEB / "lang").glob("*.json")]
    assert len(titles) >= 2
    seen = {
        "network": told.told,
        "certificate": _certificates(tmp_path),
        "manifest": f"{manifest['name']} {manifest['short_name']} {manifest.get('description', '')}",
        "icon": " ".join(marks),
        "head": " ".join([*re.findall(r"<title>(.*?)</title>", page), *re.findall(r'<meta name="desc[^>]*>', page)]),
        "titles": " ".join(titles),
        "cookies": f"{COOKIE_TLS} {COOKIE_PLAIN}",
    }
    assert {where: TELLS.findall(text) for where, text in seen.items() if TELLS.search(text)} == {}
    assert "document.title = words.title;" in (WEB / "text.js").read_text("utf-8")
    scripts = "".join(path.read_text("utf-8") for path in WEB.glob("*.js"))
    assert scripts.count("document.title") == 1, "no view gives the tab another name"
