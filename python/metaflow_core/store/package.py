"""Code packages: the files of a flow's folder as one blob, an uncompressed or gzipped tar.

Deterministic: the same files give the same bytes, hence the same blob, on every machine. Only
regular files are packed and unpacked, and nothing ever lands outside of the chosen folder.
"""
from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any

from ..errors import Corrupted, NotFound, StoreError
from ..nearest import did_you_mean
from .blobs import digest_of

__all__ = ["digest_package", "extract_package", "list_package", "pack_files", "read_package_file"]

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def pack_files(files: Iterable[tuple[str, str]]) -> bytes:
    """A tar of (name inside, path on disk) pairs. Times, owners and order leave no trace; "x" permission is kept."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(files):
            with open(path, "rb") as file:
                info = tarfile.TarInfo(_safe_name(name))
                info.size = os.fstat(file.fileno()).st_size
                info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                tar.addfile(info, file)
    return buffer.getvalue()


def list_package(path: str) -> list[dict[str, Any]]:
    """[{"name", "size_bytes"}] of the package in the file at `path`, by name."""
    with _opened(path) as tar:
        return sorted(({"name": member.name, "size_bytes": member.size} for member in _files(tar)), key=_by_name)


def digest_package(path: str) -> dict[str, str]:
    """{name: sha256} of the files of a package: what differs between two is known without unpacking either."""
    with _opened(path) as tar:
        return {member.name: digest_of(tar.extractfile(member).read()) for member in _files(tar)}  # type: ignore[union-attr]


def read_package_file(path: str, name: str) -> bytes:
    """The content of one file of a package; NotFound with a near name."""
    with _opened(path) as tar:
        members = {member.name: member for member in _files(tar)}
        if name not in members:
            hint = did_you_mean(name, members)
            raise NotFound(f"the code package has no file {name!r}", hint=hint, data={"name": name})
        return tar.extractfile(members[name]).read()  # type: ignore[union-attr]


def extract_package(path: str, folder: str) -> list[str]:
    """Write all files of a package below `folder`; the paths written. Existing files are not replaced: StoreError."""
    with _opened(path) as tar:
        members = sorted(_files(tar), key=lambda member: member.name)
        targets = [os.path.join(folder, *member.name.split("/")) for member in members]
        for target in targets:
            if os.path.lexists(target):
                raise StoreError(f"{target} exists already", hint="Extract into a new or an empty folder.")
        for member, target in zip(members, targets):
            _write(tar.extractfile(member).read(), target, executable=bool(member.mode & 0o100))  # type: ignore[union-attr]
    return targets


def _write(data: bytes, target: str, executable: bool) -> None:
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        handle = os.open(target, _NEW_FILE, 0o777 if executable else 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as err:
        raise StoreError(f"{target} cannot be written: {err.strerror}", data={"path": target}) from err


def _opened(path: str) -> Any:
    import tarfile

    try:
        return tarfile.open(path, mode="r:*")
    except tarfile.TarError as err:
        raise Corrupted(f"{path} is not a code package: {err}", data={"path": path}) from err


def _files(tar: Any) -> list[Any]:
    members = [member for member in tar.getmembers() if member.isfile()]
    for member in members:
        _safe_name(member.name)
    return members


def _safe_name(name: str) -> str:
    parts = name.split("/")
    if not name or "\\" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise StoreError(f"{name!r} cannot be in a code package: it would leave its folder")
    return name


def _by_name(row: dict[str, Any]) -> str:
    return row["name"]
