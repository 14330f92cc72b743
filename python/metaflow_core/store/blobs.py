"""Blobs: bytes named by their sha256, written once and never changed.

The same bytes are kept once, whoever writes them. Only this file knows that names are hashes.
"""
from __future__ import annotations

import hashlib
import os
import re

from ..contracts.storage import Storage
from ..errors import Corrupted, NotFound, StoreError
from .layout import blob_key

__all__ = ["BlobStore", "digest_of", "digest_of_file"]

_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: str, offset: int = 0, size: int | None = None) -> str:
    """sha256 of a file, or of `size` bytes of it from `offset`, in one pass and little memory."""
    hasher = hashlib.sha256()
    left = float("inf") if size is None else size
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        while left > 0:
            got = file.readinto(buffer[: int(min(left, _CHUNK_BYTES))])
            if not got:
                break
            hasher.update(buffer[:got])
            left -= got
    return hasher.hexdigest()


class BlobStore:
    """Blobs on a storage. `cache` is a local folder for storages whose bytes are elsewhere."""

    def __init__(self, storage: Storage, cache: str | None = None):
        self._storage = storage
        self._cache = cache

    def put_bytes(self, data: bytes) -> str:
        """Keep these bytes; returns their digest. Bytes that are there already are not written again."""
        digest = digest_of(data)
        key = blob_key(digest)
        if self._storage.size(key) != len(data):
            self._storage.write(key, data)
        return digest

    def put_file(self, path: str, digest: str | None = None, move: bool = True) -> str:
        """Keep the content of a file; `move` gives the file away. Returns its digest.

        A `digest` that the caller computed is trusted, which saves a pass over the bytes.
        """
        digest = digest_of_file(path) if digest is None else _checked(digest)
        key = blob_key(digest)
        # A blob of the wrong size is what a power cut left of it: replacing it heals the store.
        if self._storage.size(key) == _size(path):
            if move:
                os.unlink(path)
        else:
            self._storage.put_file(path, key, move=move)
        return digest

    def has(self, digest: str) -> bool:
        return self._storage.exists(blob_key(_checked(digest)))

    def size(self, digest: str) -> int | None:
        """Bytes of a blob, None when it is missing."""
        return self._storage.size(blob_key(_checked(digest)))

    def path(self, digest: str) -> str:
        """A local file with the blob's bytes; NotFound when there is no such blob. Not verified: see `verify`."""
        key = blob_key(_checked(digest))
        local = self._storage.local_path(key)
        if local is None:
            return self._cached(key, digest)
        if not os.path.isfile(local):
            raise _missing(key)
        return local

    def read(self, digest: str, offset: int = 0, size: int | None = None, expect: str | None = None) -> bytes:
        """Bytes of a blob, verified.

        The whole blob is checked against its name. A part of it (`offset`, `size`) is checked
        against `expect`, the digest of that part, or else by reading the whole blob.
        """
        key = blob_key(_checked(digest))
        try:
            if expect is not None and size is not None:
                return _verified(self._storage.read_range(key, offset, size), expect, key, offset)
            data = _verified(self._storage.read(key), digest, key, 0)
        except NotFound:
            raise _missing(key) from None
        end = len(data) if size is None else offset + size
        return data[offset:end] if (offset or end != len(data)) else data

    def verify(self, digest: str, offset: int = 0, size: int | None = None, expect: str | None = None) -> str:
        """Like `read`, without holding the bytes; returns the local path that was checked."""
        path = self.path(digest)
        whole = expect is None or size is None
        found = digest_of_file(path) if whole else digest_of_file(path, offset, size)
        if found != (digest if whole else expect):
            raise _damaged(blob_key(digest), offset)
        return path

    def _cached(self, key: str, digest: str) -> str:
        folder = os.path.join(self._cache_root(), digest[:2])
        path = os.path.join(folder, digest)
        if not os.path.isfile(path):
            os.makedirs(folder, exist_ok=True)
            try:
                self._storage.fetch_file(key, path)
            except NotFound:
                raise _missing(key) from None
        return path

    def _cache_root(self) -> str:
        if self._cache is None:
            import tempfile

            # Lives as long as this object, so that a session without a cache leaves nothing behind.
            self._temporary = tempfile.TemporaryDirectory(prefix="metaflow-blobs-")
            self._cache = self._temporary.name
        return self._cache


def _checked(digest: str) -> str:
    if not isinstance(digest, str) or _DIGEST.match(digest) is None:
        raise StoreError(f"{digest!r} is not the name of a blob", hint="A blob is named by its sha256.")
    return digest


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        raise StoreError(f"{path} cannot be stored: there is no such file") from None


def _verified(data: bytes, digest: str, key: str, offset: int) -> bytes:
    if digest_of(data) != digest:
        raise _damaged(key, offset)
    return data


def _missing(key: str) -> NotFound:
    return NotFound(
        f"blob {key} is not in the datastore",
        hint="It was deleted, or the datastore was copied only in part. Run the step that made it again.",
        data={"key": key},
    )


def _damaged(key: str, offset: int) -> Corrupted:
    where = f" (from byte {offset})" if offset else ""
    return Corrupted(
        f"blob {key}{where} does not have the content that its digest promises",
        hint="The file was damaged after it was written. Delete it and run the step that made it again, "
        "or restore it from a backup.",
        data={"key": key, "offset": offset},
    )
