"""What a run's code is, piece by piece, so that two runs can be compared: the R side's memory-fingerprint.R as digests.

A piece is a step function ("steps/fit"), an object of the workspace ("globals/clean"), all S4 classes and methods
together ("classes"), or whatever else was captured ("other"). Each has the digest of its canonical bytes, or a
problem that says why it cannot be compared; `words` are names of the workspace that occur in it, `packages` those of
installed packages, and it is `dynamic` when it may look up names that nobody can know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..store.blobs import digest_of

__all__ = ["Fingerprint", "InstalledPackages", "Piece", "read_fingerprint", "short"]

_DEVELOPMENT_PARTS = 4  # a version of four parts, as 1.2.0.9000, is that of many installations

_NAME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9.]*)")


@dataclass(frozen=True)
class Piece:
    digest: str | None
    words: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    dynamic: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class Fingerprint:
    """`system` is R, its platform, locale and time zone; `attached` the packages beside the flow, in order, and `rng`
    the kinds of its random generators. `plain` are the names of the workspace that hide nothing when they are new."""

    pieces: Mapping[str, Piece]
    system: Mapping[str, Any]
    attached: tuple[str, ...] = ()
    rng: tuple[str, ...] = ()
    plain: frozenset[str] = frozenset()
    libraries: tuple[str, ...] = ()

    def piece(self, name: str) -> Piece | None:
        return self.pieces.get(name)

    def globals(self) -> list[str]:
        """Names of the captured objects of the workspace, sorted."""
        return sorted(name[len("globals/") :] for name in self.pieces if name.startswith("globals/"))


def read_fingerprint(request: Mapping[str, Any], folder: str) -> Fingerprint:
    """What R said (`fingerprint_request()` in R/memory-fingerprint.R); a file of `folder` has the canonical bytes."""
    pieces = {}
    with open(os.path.join(folder, request["file"]), "rb") as file:
        for item in request["pieces"]:
            problem = item.get("problem")
            digest = None if problem else short(file.read(int(item["size"])))
            pieces[item["name"]] = Piece(
                digest,
                frozenset(item.get("words") or ()),
                frozenset(item.get("packages") or ()),
                bool(item.get("dynamic")),
                problem,
            )
    return Fingerprint(
        pieces,
        dict(request["system"]),
        tuple(request.get("attached") or ()),
        tuple(request.get("rng") or ()),
        frozenset(request.get("plain") or ()),
        tuple(request.get("libraries") or ()),
    )


def short(data: bytes) -> str:
    """128 bits of a sha256: enough to tell everything apart that is ever compared, half as long to write."""
    return digest_of(data)[:32]


class InstalledPackages:
    """R packages, each from the first library that has it."""

    def __init__(self, libraries: Iterable[str]) -> None:
        self._libraries = tuple(libraries)
        self._fields: dict[str, dict[str, str]] = {}

    def version(self, package: str) -> str | None:
        """None when it is not installed. One version of a development package, or of one from a repository, can be many
        installations: then what tells these apart is added."""
        fields = self._described(package)
        if "Version" not in fields:
            return None
        parts = fields["Version"].replace("-", ".").split(".")
        build = fields.get("RemoteSha") or (fields.get("Built") if len(parts) >= _DEVELOPMENT_PARTS else None)
        return f"{fields['Version']} {build}" if build else fields["Version"]

    def with_needed(self, packages: Iterable[str]) -> set[str]:
        """These packages and all that they load, those that come with R left out."""
        found: set[str] = set()
        waiting = list(packages)
        while waiting:
            package = waiting.pop()
            fields = self._described(package)
            if package in found or "Version" not in fields or fields.get("Priority") == "base":
                continue
            found.add(package)
            waiting += _NAME.findall(",".join(fields.get(kind, "") for kind in ("Depends", "Imports")))
        return found

    def _described(self, package: str) -> dict[str, str]:
        if package not in self._fields:
            folders = (os.path.join(library, package, "DESCRIPTION") for library in self._libraries)
            self._fields[package] = next((found for found in map(_description, folders) if "Version" in found), {})
        return self._fields[package]


def _description(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return {}
    # A line that begins with a space goes on with the field before it.
    lines = (line.partition(":") for line in re.sub(r"\n[ \t]+", " ", text).split("\n"))
    return {name: value.strip() for name, _, value in lines}
