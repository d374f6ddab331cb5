"""Backup and restore of everything that is kept, with the chain: one zip file.

The journal is copied by SQLite itself, so that it may be written meanwhile. The guard's private key goes along only
when that is asked for: with it a restored device goes on with its chain, and whoever has the file can sign in its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from controller import journal, journal_check, recording
from controller.kept import Kept, KeptError, alone
from safety.link import GUARD_LOCK
from safety.signer import KEY, PUBLIC, SEALS, read_seals

FORMAT: Final = "pelvistim-backup"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
TIME: Final = (1980, 1, 1, 0, 0, 0)
LEFT_OUT: Final = (f"app/{journal.LOCK}", f"guard/{GUARD_LOCK}", f"guard/{KEY}")
"""Locks; and the key, unless it is asked for."""
SECRET: Final = 0o600
OPEN: Final = 0o644
PUBLIC_PARTS: Final = (f"guard/{PUBLIC}", f"guard/{SEALS}/")
FILE_MAX_BYTES: Final = 4 * 1024**3


def backup(one: Kept, out: Path, *, with_key: bool) -> dict[str, Any]:
    """Writes everything into ``out``, whole or not at all, mode 0600. Gives the manifest.

    Raises KeptError, JournalError, OSError.
    """
    if out.exists():
        raise KeptError(f"{out}: is there already", code="backup_over")
    fresh = out.with_name(out.name + ".new")
    fresh.unlink(missing_ok=True)
    files: dict[str, str] = {}
    with (
        os.fdopen(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, SECRET), "w+b") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        head = _journal(one, packed, files)
        for name, path in _listed(one, with_key=with_key):
            _put(packed, files, name, path.read_bytes())
        manifest = {"format": FORMAT, "version": VERSION, **head, "key": with_key, "files": files}
        packed.writestr(zipfile.ZipInfo(MANIFEST, TIME), json.dumps(manifest, indent=1))
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(out)
    return manifest


def restore(packed_path: Path, one: Kept) -> dict[str, Any]:
    """Puts a backup back where nothing is kept yet, or where the guard's own folder is left. Gives the manifest.

    Nothing is written unless the backup is whole, its chain holds, and the guard that is there (if any) made no seal
    that the backup does not know. Raises KeptError, OSError.
    """
    with alone(one), tempfile.TemporaryDirectory() as folder:
        if one.journal.exists():
            raise KeptError(f"{one.journal}: is there already; nothing is written over", code="restore_over")
        staged = Kept(Path(folder) / "app", Path(folder) / "guard")
        manifest = _unpacked(packed_path, Path(folder))
        _check(staged, one)
        for name in sorted(manifest["files"], key=f"app/{journal.NAME}".__eq__):  # the journal last
            kind, _, rest = name.partition("/")
            if kind == "guard" and (one.guard / rest).exists():
                continue
            target = (one.app if kind == "app" else one.guard) / rest
            mode = OPEN if name.startswith(PUBLIC_PARTS) else SECRET
            _write(target, (Path(folder) / name).read_bytes(), mode)
    return manifest


def _journal(one: Kept, packed: zipfile.ZipFile, files: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / journal.NAME
        with (
            contextlib.closing(journal.connect_to_read(one.journal)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        rows = list(journal.read(copy))
        _put(packed, files, f"app/{journal.NAME}", copy.read_bytes())
    return {"rows": len(rows), "head": rows[-1].hash if rows else ""}


def _listed(one: Kept, *, with_key: bool) -> list[tuple[str, Path]]:
    """Every other file of both folders."""
    found = []
    for kind, folder in (("app", one.app), ("guard", one.guard)):
        for path in sorted(folder.rglob("*")):
            name = f"{kind}/{path.relative_to(folder).as_posix()}"
            wanted = path.is_file() and not path.is_symlink() and path.suffix != ".new"
            mine = not name.startswith(f"app/{journal.NAME}") and name not in LEFT_OUT
            if wanted and (mine or (with_key and name == f"guard/{KEY}")):
                found.append((name, path))
    return found


def _put(packed: zipfile.ZipFile, files: dict[str, str], name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    packed.writestr(info, data)
    files[name] = hashlib.sha256(data).hexdigest()


def _unpacked(path: Path, folder: Path) -> dict[str, Any]:
    """The files of a backup that is whole, and its manifest."""
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
            manifest: dict[str, Any] = json.loads(packed.read(MANIFEST))
            if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
                raise ValueError("not a backup of this version")
            if sorted(packed.namelist()) != sorted([MANIFEST, *manifest["files"]]):
                raise ValueError("its files are not those it names")
            for name, digest in manifest["files"].items():
                _stage(packed, folder, name, digest)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise KeptError(f"{path}: not a whole backup: {error}", code="backup_damaged") from None
    return manifest


def _stage(packed: zipfile.ZipFile, folder: Path, name: str, digest: str) -> None:
    parts = Path(name).parts
    if parts[0] not in ("app", "guard") or ".." in parts or packed.getinfo(name).file_size > FILE_MAX_BYTES:
        raise ValueError(f"{name!r} does not belong in a backup")
    data = packed.read(name)
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{name} is not what was written")
    _write(folder / name, data, SECRET)


def _check(staged: Kept, one: Kept) -> None:
    """The chain holds, and a guard that is there already is the same one, with no more seals than the backup has."""
    verdict = journal_check.verify(staged.journal, staged.guard)
    if verdict.findings:
        words = "; ".join(f"{finding.code}: {finding.detail}" for finding in verdict.findings)
        raise KeptError(f"the backup's journal is not what was written: {words}", code="backup_damaged")
    if (one.guard / PUBLIC).exists():
        if (one.guard / PUBLIC).read_bytes() != (staged.guard / PUBLIC).read_bytes():
            raise KeptError("the guard here is another device's", code="journal_foreign")
        more = len(read_seals(one.guard)) - len(read_seals(staged.guard))
        if more > 0:
            raise KeptError(
                f"the guard has signed {more} seals since: an older backup is not put back", code="restore_old"
            )


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def recordings(one: Kept) -> list[Path]:
    """The recordings of sessions, by name."""
    return sorted((one.app / recording.FOLDER).glob("*.chunks"))
