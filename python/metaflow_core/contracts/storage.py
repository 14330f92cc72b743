"""What a storage is: bytes under keys. It knows files, never hashes.

A key is a relative path with "/" between its parts (``flows/F/12/run.json``). A storage
promises three things the store builds on:

* a reader sees a key's whole content or no key at all, whoever is killed when;
* ``create`` and ``write_if`` decide between processes: exactly one of several wins;
* a missing key is ``NotFound``, a stale version is ``StoreConflict``, anything else that
  goes wrong is ``StoreError``; no error of the operating system or of a client library leaks.

A storage that needs more than its root to be opened has a class method ``open(settings)``.

A new storage is one file in ``storages/`` and is tested by one line: subclass
``StorageSuite`` from ``tests/python/suites/storage.py``.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from ..errors import NotFound, StoreError

__all__ = ["Entry", "OneByOne", "PutItem", "Storage", "StorageCapabilities", "check_key"]

# A part may hold anything but separators and control characters, and is not "." or "..".
_PART = r"(?!\.{1,2}(?:/|\Z))[^/\\\x00-\x1f\x7f]+"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*\Z")


def check_key(key: str) -> str:
    """Return `key` unchanged, or raise StoreError: no "..", nothing absolute, no empty part."""
    if not isinstance(key, str) or _KEY.match(key) is None:
        raise StoreError(
            f"{key!r} is not a storage key",
            hint='A key is a relative path: parts joined by "/", none of them empty, "." or "..".',
        )
    return key


@dataclass(frozen=True)
class StorageCapabilities:
    """Facts a storage states about itself; the machine reads facts, never asks which storage it is.

    local_paths: ``local_path`` gives a file that any process of this machine may open.
    persistent: another process that opens the same root sees the same keys.
    cheap_listing: listing a folder of 10,000 entries costs milliseconds, not requests.
    """

    local_paths: bool
    persistent: bool = True
    cheap_listing: bool = True


class Entry(NamedTuple):
    """A key that has content. `size`: bytes of the content; a storage that compresses says in ``walk``, which must not
    cost a request per key, how many it keeps. `modified_at`: seconds since 1970 by the clock of the storage, not
    of this machine."""

    key: str
    size: int
    modified_at: float


class PutItem(NamedTuple):
    """A local file to take in. `sha256` of its content, where the caller knows it, spares a pass over it."""

    path: str
    key: str
    sha256: str | None = None


@runtime_checkable
class Storage(Protocol):
    """Bytes under keys. Sizes and offsets are in bytes."""

    name: str
    root: str
    capabilities: StorageCapabilities

    def read(self, key: str) -> bytes:
        """The whole content; NotFound when the key is missing."""

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; shorter (or empty) past the end."""

    def read_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The content of every key that exists; missing ones are absent."""

    def exists(self, key: str) -> bool:
        """Whether the key has content (a folder of keys does not count)."""

    def size(self, key: str) -> int | None:
        """Bytes under the key, or None when it is missing."""

    def size_many(self, keys: Iterable[str]) -> dict[str, int]:
        """``size`` of every key that exists; missing ones are absent."""

    def stat(self, key: str) -> Entry | None:
        """What `walk` would say about the key, or None when it is missing."""

    def touch(self, key: str) -> bool:
        """Make `modified_at` of the key now, its content stays; False when it is missing."""

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The content and a version to hand to ``write_if``; NotFound when missing."""

    def write_if(self, key: str, data: bytes, version: str | None) -> str:
        """Replace the content if it still has `version` (None: if the key is missing).

        Returns the new version; StoreConflict when somebody else was faster.
        """

    def create(self, key: str, data: bytes) -> bool:
        """Write a key that must not exist yet; False, and no change, when it does."""

    def write(self, key: str, data: bytes) -> None:
        """Replace the content in one step."""

    def put_file(self, path: str, key: str, move: bool = True) -> None:
        """Take a local file in as the content of `key`; `move` lets go of the file.

        A file below the storage's own root (staged by a worker) must not be written again after
        this, moved or not: it may be linked instead of copied.
        """

    def put_many(self, items: Iterable[PutItem], move: bool = False) -> None:
        """``put_file`` for each, side by side where that is quicker. After an error some may be there."""

    def local_path(self, key: str) -> str | None:
        """A path that may be opened now, or None: then use ``fetch_file``. Does not check existence."""

    def fetch_file(self, key: str, path: str) -> None:
        """Copy the content to a local file, which appears whole or not at all."""

    def fetch_many(self, items: Iterable[tuple[str, str]]) -> list[str]:
        """``fetch_file`` for each (key, path); the keys that were there. A missing one is left out."""

    def list_dirs(self, prefix: str = "") -> list[str]:
        """Names (not keys) of the folders directly below `prefix`, sorted; [] when there is none."""

    def list_files(self, prefix: str = "") -> list[str]:
        """Keys directly below `prefix`, sorted; [] when there is none."""

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        """Every key below `prefix`, at any depth, in no order; what the storage keeps for itself is left out.

        Keys that appear or go meanwhile may be there or not.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; missing ones are fine."""

    def delete_tree(self, prefix: str) -> None:
        """Remove every key below `prefix`; a missing one is fine."""

    def sweep(self, older_than_seconds: float) -> int:
        """Remove what killed writers left half-written; how many were removed."""

    def sync(self) -> None:
        """Make everything written so far survive a power cut."""


class OneByOne:
    """``put_many`` and ``fetch_many`` of a storage that gains nothing from doing several at once."""

    def put_many(self, items: Iterable[PutItem], move: bool = False) -> None:
        for item in items:
            self.put_file(item.path, item.key, move=move)

    def fetch_many(self, items: Iterable[tuple[str, str]]) -> list[str]:
        found = []
        for key, path in items:
            with suppress(NotFound):
                self.fetch_file(key, path)
                found.append(key)
        return found
