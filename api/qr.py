"""A pairing as something to scan: links with the token in the fragment, which no server or log ever sees."""

from __future__ import annotations

import io
from collections.abc import Sequence

import segno


def pairing_links(bases: Sequence[str], token: str) -> list[str]:
    """One link for each address under which the device may be reached, as ``https://192.0.2.7:8443``."""
    return [f"{base}/#pair={token}" for base in bases]


def qr_terminal(link: str) -> str:
    """The link as a QR code of block characters."""
    out = io.StringIO()
    segno.make_qr(link, error="m").terminal(out, compact=True)
    return out.getvalue()


def qr_svg(link: str) -> str:
    """The link as an SVG picture, black on white, without a reference to anything else."""
    out = io.BytesIO()
    segno.make_qr(link, error="m").save(out, kind="svg", xmldecl=False, scale=4, light="white")
    return out.getvalue().decode()
