"""Pairing, and the phones that are paired."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Path, Request, Response

from api import models
from api.auth import AClinician, AViewer, TheService, give_cookie, take_cookie
from api.devices import PASSPHRASE_LIFETIME_S, Device
from api.problems import ApiRefused, documented
from api.qr import pairing_links, qr_svg
from api.roles import Role

router = APIRouter(tags=["people and devices"])
NOT_PAIRED: Final = ("not_paired", "device_revoked", "device_expired")


def _out(device: Device, asking: Device) -> models.PairedDevice:
    return models.PairedDevice(
        id=device.id,
        name=device.name,
        role=device.role.value,
        paired_s=device.paired_s,
        expires_s=device.expires_s,
        this=device.id == asking.id,
    )


@router.post(
    "/pair",
    summary="Pair this phone",
    responses=documented(
        *("pairing_closed", "pairing_wrong", "pairing_locked"),
        *("passphrase_wrong", "passphrase_unset", "passphrase_locked", "journal_not_written"),
    ),
)
async def pair(
    request: Request,
    response: Response,
    service: TheService,
    by: models.PairByToken | models.PairByCode | models.PairByPassphrase,
) -> models.PairedDevice:
    """Exchanges the token of the link, the code or the clinician's passphrase for a cookie that is bound to the role.

    Token and code are for one phone within five minutes; five wrong codes lock the code. The cookie is out of reach of
    scripts and sent to this device alone.
    """
    lifetime_s = None
    match by:
        case models.PairByPassphrase():
            await asyncio.to_thread(service.passphrase.check, by.passphrase)
            role, lifetime_s = Role.CLINICIAN, PASSPHRASE_LIFETIME_S
        case models.PairByToken():
            role = service.pairing.use(token=by.token)
        case models.PairByCode():
            role = service.pairing.use(code=by.code)
    device, secret, row = service.devices.pair(by.name, role, lifetime_s)
    await service.settle(row)
    service.devices.enter(device)
    give_cookie(request, response, secret, device.expires_s - device.paired_s)
    return _out(device, device)


@router.get("/me", summary="This phone", responses=documented(*NOT_PAIRED))
async def me(device: AViewer) -> models.PairedDevice:
    """As what this phone is paired."""
    return _out(device, device)


@router.get("/openapi.json", summary="The OpenAPI document", responses=documented(*NOT_PAIRED))
def document(request: Request, device: AViewer) -> dict[str, Any]:
    """This document. What the device is for is nobody's business who is not paired."""
    del device
    made: dict[str, Any] = request.app.openapi()
    return made


@router.delete("/me", status_code=204, summary="Unpair this phone", responses=documented("not_paired"))
async def leave(request: Request, response: Response, service: TheService, device: AViewer) -> None:
    """Ends the pairing of the phone that asks."""
    service.unpair(device.id, by=device.id)
    take_cookie(request, response)


@router.post("/pairing", status_code=201, summary="Open a pairing", responses=documented("not_paired", "role_too_low"))
async def open_pairing(service: TheService, device: AClinician, wanted: models.OpenPairing) -> models.Invitation:
    """Opens the pairing window for five minutes, as `pelvistim pair` does at the device; one before is closed."""
    del device
    invitation = service.pairing.open(Role(wanted.role))
    links = pairing_links(service.bases, invitation.token)
    return models.Invitation(
        role=wanted.role,
        code=f"{invitation.code[:4]}-{invitation.code[4:]}",
        links=links,
        qr_svg=qr_svg(links[0]),
        fingerprint=service.fingerprint,
        expires_s=invitation.expires_s,
    )


@router.delete("/pairing", status_code=204, summary="Close it", responses=documented("not_paired", "role_too_low"))
async def close_pairing(service: TheService, device: AClinician) -> None:
    """Closes the pairing window, if one is open."""
    del device
    service.pairing.close()


@router.get("/devices", summary="The phones", responses=documented("not_paired", "role_too_low"))
async def devices(service: TheService, device: AClinician) -> list[models.PairedDevice]:
    """Every phone that is paired."""
    return [_out(one, device) for one in service.devices.listed()]


@router.delete(
    "/devices/{id}",
    status_code=204,
    summary="Revoke a phone",
    responses=documented("not_paired", "role_too_low", "not_found"),
)
async def revoke(service: TheService, device: AClinician, id: str = Path(max_length=64)) -> None:
    """Ends a pairing at once."""
    if service.unpair(id, by=device.id) is None:
        raise ApiRefused("there is no such phone", code="not_found")
