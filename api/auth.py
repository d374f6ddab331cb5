"""Which paired phone a request comes from, and whether its role is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from starlette.requests import HTTPConnection

from api.boundary import SECURE, is_loopback
from api.devices import Device
from api.problems import ApiRefused
from api.roles import Role
from api.service import Service

COOKIE_TLS: Final = "__Host-device"
COOKIE_PLAIN: Final = "device_plain"
"""Another name, so that a secret that ever went over plain HTTP is never taken over TLS."""


def service_of(connection: HTTPConnection) -> Service:
    """The service of the application that was asked."""
    service = connection.app.state.service
    assert isinstance(service, Service)
    return service


def device_of(connection: HTTPConnection) -> Device:
    """The paired phone. Raises ApiRefused ``not_paired``, ``device_revoked`` or ``device_expired``."""
    service = service_of(connection)
    secret = connection.cookies.get(COOKIE_TLS if connection.scope["scheme"] in SECURE else COOKIE_PLAIN)
    device = service.devices.find(secret) if secret else None
    if device is None:
        raise ApiRefused("pair this phone at the device first", code="not_paired")
    if device.revoked:
        raise ApiRefused("the pairing of this phone was ended", code="device_revoked")
    if not service.devices.usable(device):
        raise ApiRefused("pair this phone anew", code="device_expired")
    return device


def require(connection: HTTPConnection, role: Role) -> Device:
    """The paired phone, of this role at least. Raises ApiRefused, also ``role_too_low``."""
    device = device_of(connection)
    if not device.role.includes(role):
        raise ApiRefused(f"needs the role {role}; this phone is paired as {device.role}", code="role_too_low")
    return device


def _needs(role: Role) -> Callable[[Request], Device]:
    def needed(request: Request) -> Device:
        return require(request, role)

    return needed


def _service(request: Request) -> Service:
    return service_of(request)


def _clinician_or_here(request: Request) -> None:
    if not is_loopback(request.scope):
        require(request, Role.CLINICIAN)


AViewer = Annotated[Device, Depends(_needs(Role.VIEWER))]
APatient = Annotated[Device, Depends(_needs(Role.PATIENT))]
AClinician = Annotated[Device, Depends(_needs(Role.CLINICIAN))]
AtHomeOrClinician = Annotated[None, Depends(_clinician_or_here)]
TheService = Annotated[Service, Depends(_service)]


def give_cookie(request: Request, response: Response, secret: str, max_age_s: int) -> None:
    """Hands the phone its secret, out of reach of scripts and other sites."""
    secure = request.scope["scheme"] in SECURE
    name = COOKIE_TLS if secure else COOKIE_PLAIN
    response.set_cookie(name, secret, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="strict")


def take_cookie(request: Request, response: Response) -> None:
    """Takes it back."""
    secure = request.scope["scheme"] in SECURE
    name = COOKIE_TLS if secure else COOKIE_PLAIN
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
