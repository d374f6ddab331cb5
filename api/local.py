"""What the app does for somebody who sits at the device (``controller.local``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import ApiRefused
from api.qr import pairing_links, qr_svg, qr_terminal
from api.roles import Role
from api.service import Service
from controller.chain import Kind
from controller.prescription_form import parse_form


def answer(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    """One request. Raises PelviStimError when it is refused, KeyError or ValueError when it is none."""
    match request["op"]:
        case "pair":
            invitation = service.pairing.open(Role(request["role"]))
            links = pairing_links(service.bases, invitation.token)
            return {
                "links": links,
                "code": f"{invitation.code[:4]}-{invitation.code[4:]}",
                "qr": qr_terminal(links[0]),
                "svg": qr_svg(links[0]),
                "fingerprint": service.fingerprint,
            }
        case "devices":
            listed = service.devices.listed()
            told = [{"id": d.id, "name": d.name, "role": d.role.value, "expires_s": d.expires_s} for d in listed]
            return {"devices": told}
        case "revoke":
            row = service.unpair(request["id"], by="device")
            if row is None:
                raise ApiRefused("there is no such phone", code="not_found")
            row.result()
            return {}
        case "allow_control":
            standing = service.control.allow(None)
            service.note(Kind.COMMAND, who="device", role="device", what="control_allow", holder=standing.holder)
            return {}
        case "passphrase":
            service.passphrase.set(request["words"])
            service.note(Kind.PAIRING, event="passphrase_set", by="device")
            return {}
        case "prescribe":
            wanted = parse_form(request["form"].encode(), "form")
            if wanted.signature is None:
                raise ApiRefused("only what a clinician signed", code="prescription_unsigned")
            put = service.engine.prescribe(wanted).result()
            by = {"who": "device", "role": "device"}
            service.note(Kind.COMMAND, what="prescribe", result="done", revision=put.revision, **by)
            return {"revision": put.revision}
        case other:
            raise ApiRefused(f"the app does not know {other}", code="request_invalid")
