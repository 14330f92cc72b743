"""The code a run was made of: its folder snapshot (the package) and its captured functions."""
from __future__ import annotations

from typing import Any

from ..errors import NotFound
from ..store.package import digest_package, extract_package, list_package, read_package_file
from .finding import Found, find

__all__ = ["captured", "digests", "extract", "list_files", "read_file"]

Row = dict[str, Any]


def list_files(session: Any, pathspec: str) -> list[Row]:
    return list_package(_package(session, pathspec))


def read_file(session: Any, pathspec: str, name: str) -> Row:
    data = read_package_file(_package(session, pathspec), name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" not in text:
        return {"name": name, "text": text, "base64": None}
    import base64

    return {"name": name, "text": None, "base64": base64.b64encode(data).decode("ascii")}


def digests(session: Any, pathspec: str) -> dict[str, str]:
    """{name: sha256} of the files; empty for a run without a package."""
    found = find(session, pathspec, "run")
    return (
        {} if found.record.get("package") is None else digest_package(_blob(session, found, "package", "code package"))
    )


def extract(session: Any, pathspec: str, folder: str) -> list[str]:
    return extract_package(_package(session, pathspec), folder)


def captured(session: Any, pathspec: str) -> Row:
    path = _blob(session, find(session, pathspec, "run"), "code", "captured code")
    digest = find(session, pathspec, "run").record["code"]
    return {"path": path, "digest": digest, "size": session.store.blobs.size(digest)}


def _package(session: Any, pathspec: str) -> str:
    return _blob(session, find(session, pathspec, "run"), "package", "code package")


def _blob(session: Any, found: Found, field: str, what: str) -> str:
    digest = found.record.get(field)
    if digest is None:
        raise NotFound(f"{found.run_pathspec} was made without a {what}", data={"pathspec": found.run_pathspec})
    # Code is small and is about to be trusted: always check all of it.
    return session.store.blobs.verify(digest)
