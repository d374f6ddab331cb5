"""TLS without anybody else: the device's own small authority, and a certificate by it for the device's names.

Names are neutral: a household sees a "device". The authority may be put on a phone; it can then vouch for the device's
own names, for private addresses and, where that is none, for the device's own address (name constraints), whoever might
get hold of its key.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS: Final = 3_650
LEAF_DAYS: Final = 397
"""What phones accept from an authority that a person installed, less a day."""
RENEW_DAYS: Final = 30
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""A machine without a clock chip may believe it is 1970; certificates begin no earlier than this."""
PRIVATE: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "::1/128",
)


@dataclass(frozen=True)
class Served:
    """The files that a TLS server needs, and the SHA-256 fingerprint that is shown beside the QR code."""

    certificate: Path
    key: Path
    authority: Path
    fingerprint: str


def prepare(folder: Path, names: Sequence[str], now: datetime) -> Served:
    """Makes what is missing, is about to end, or was made for other names. ``names``: host names and IP addresses."""
    now = max(now, EARLIEST)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    served = (folder / "device.pem", folder / "device.key", folder / "authority.pem")
    authority, key = _authority(folder, names, now)
    leaf = _load(served[0])
    if leaf is None or not served[1].exists() or not _fits(leaf, names, authority, now):
        leaf = _make_leaf(served, names, authority, key, now)
    return Served(*served, fingerprint=leaf.fingerprint(hashes.SHA256()).hex(":").upper())


def _authority(
    folder: Path, names: Sequence[str], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path, key_path = folder / "authority.pem", folder / "authority.key"
    found = _load(path)
    if found is not None and key_path.exists() and _permits(found, names) and now < found.not_valid_after_utc:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return found, key
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("device authority")
    allowed = [x509.DNSName(host) for host in names if not _is_address(host)]
    ranges = [x509.IPAddress(ipaddress.ip_network(one)) for one in (*PRIVATE, *filter(_is_public, names))]
    made = (
        _builder(subject, subject, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints([*allowed, *ranges], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key)
    _write(path, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return made, key


def _make_leaf(
    served: tuple[Path, Path, Path],
    names: Sequence[str],
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(_name("device"), authority.subject, key, now, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write_key(served[1], key)
    _write(served[0], made.public_bytes(serialization.Encoding.PEM), 0o644)
    return made


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _fits(leaf: x509.Certificate, names: Sequence[str], authority: x509.Certificate, now: datetime) -> bool:
    told = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:
        return False
    return lasts and set(told) == {_general(name) for name in names}


def _permits(authority: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether it is this device's, and may vouch for every address it has by now."""
    allowed = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    hosts = {one.value for one in allowed if isinstance(one, x509.DNSName)}
    ranges = {str(one.value) for one in allowed if isinstance(one, x509.IPAddress)}
    wanted = {str(ipaddress.ip_network(name)) for name in names if _is_public(name)}
    return hosts == {name for name in names if not _is_address(name)} and wanted <= ranges


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_public(name: str) -> bool:
    """Whether it is an address outside of the private ranges."""
    return _is_address(name) and not any(
        ipaddress.ip_address(name) in ipaddress.ip_network(private) for private in PRIVATE
    )


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, 0o600)


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
