"""Blobs: bytes named by their sha256, written once and never changed.

The same bytes are kept once, whoever writes them. Only this file knows that names are hashes.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..contracts.storage import PutItem, Storage
from ..errors import Corrupted, NotFound, StoreError
from .layout import BLOBS, blob_key
from .sweeping import claim_present

if TYPE_CHECKING:
    from .cache import BlobCache

__all__ = ["BlobStore", "digest_of", "digest_of_file"]

_CHUNK_BYTES = 1 << 20
_LOOKS = 5  # at a copy that others want to go
_ASK_FIRST_BYTES = 1 << 20  # sending less again is quicker than asking whether it is there
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
    """Blobs on a storage. `cache` has the copies of those whose storage is elsewhere."""

    def __init__(self, storage: Storage, cache: BlobCache | None = None):
        self._storage = storage
        self._apart = not storage.capabilities.local_paths
        self._given = cache

    def put_bytes(self, data: bytes) -> str:
        """Keep these bytes; returns their digest. Bytes that are there already are not written again."""
        digest = digest_of(data)
        key = blob_key(digest)
        if not self._stays(key, len(data)):
            self._storage.write(key, data)
        return digest

    def put_file(self, path: str, digest: str | None = None, move: bool = True) -> str:
        """Keep the content of a file; `move` gives the file away. Returns its digest.

        A `digest` that the caller computed is trusted, which saves a pass over the bytes.
        """
        digest = digest_of_file(path) if digest is None else _checked(digest)
        key = blob_key(digest)
        if self._stays(key, _size(path)):
            if move:
                os.unlink(path)
        else:
            self._storage.put_file(path, key, move=move)
        return digest

    def put_files(self, items: Iterable[tuple[str, str]]) -> None:
        """Keep the content of each (path, digest), side by side where that is quicker.

        The files stay where they are, but must not be written any more: they can be linked instead of copied.
        """
        items = list(items)
        if not self._apart:
            for path, digest in items:
                self.put_file(path, digest, move=False)
            return
        large = [digest for path, digest in items if _size(path) > _ASK_FIRST_BYTES]
        there = self._storage.size_many(blob_key(digest) for digest in large) if large else {}
        kept = {digest for path, digest in items if there.get(blob_key(digest)) == _size(path) and self.keep(digest)}
        new = [(path, digest) for path, digest in items if digest not in kept]
        self._storage.put_many([PutItem(path, blob_key(_checked(digest)), digest) for path, digest in new])
        for path, digest in items:
            self._cache.adopt(path, digest)

    def keep(self, digest: str) -> bool:
        """Whether a blob is there, and stays until a record that names it is committed within the next minutes."""
        entry = self._storage.stat(blob_key(_checked(digest)))
        return entry is not None and claim_present(self._storage, entry)

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
            if self.fill([digest]):
                raise _missing(key)
            return self._cache.path(digest)
        if not os.path.isfile(local):
            raise _missing(key)
        return local

    def lasting_path(self, digest: str, folder: str) -> str:
        """The same for longer than a moment: a copy can go to make room for others, so it has a second name in
        `folder`, of whoever asks."""
        if not self._apart:
            return self.path(digest)
        target = os.path.join(folder, _checked(digest))
        os.makedirs(folder, exist_ok=True)
        for tries_left in range(_LOOKS, -1, -1):
            try:
                _second_name(self.path(digest), target)
                break
            except FileNotFoundError:
                if not tries_left:
                    raise _missing(blob_key(digest)) from None
        return target

    def read(self, digest: str, offset: int = 0, size: int | None = None, expect: str | None = None) -> bytes:
        """Bytes of a blob, verified.

        The whole blob is checked against its name. A part of it (`offset`, `size`) is checked
        against `expect`, the digest of that part, or else by reading the whole blob.
        """
        key = blob_key(_checked(digest))
        copy = self._cache.find(digest) if self._apart else None
        if copy is not None:
            with contextlib.suppress(FileNotFoundError), open(copy, "rb") as file:  # or it made room just now
                file.seek(offset)
                return file.read() if size is None else file.read(size)
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

        def is_right() -> bool:
            found = digest_of_file(path) if whole else digest_of_file(path, offset, size)
            return found == (digest if whole else expect)

        if not is_right() and self._apart:
            self._cache.drop(digest)  # damaged on this disk since it was checked
            self.path(digest)
        if not is_right():
            raise _damaged(blob_key(digest), offset)
        return path

    def _stays(self, key: str, size: int) -> bool:
        # A blob of the wrong size is what a power cut left of it: replacing it heals the store.
        entry = self._storage.stat(key)
        return entry is not None and entry.size == size and claim_present(self._storage, entry)

    @property
    def folder(self) -> str:
        """The folder of this machine where a blob is, as <aa>/<digest>, if it is on this machine."""
        return self._storage.local_path(BLOBS) or self._cache.folder

    def fill(self, digests: Iterable[str]) -> list[str]:
        """See that each is in `folder`; those that the datastore does not have. Corrupted names one that is damaged."""
        if not self._apart:
            return [digest for digest in digests if not self._storage.exists(blob_key(_checked(digest)))]
        return self._cache.fill((_checked(digest) for digest in digests), self._fetch)

    def _fetch(self, wanted: list[tuple[str, str]]) -> list[str]:
        digests = {blob_key(digest): digest for digest, _ in wanted}
        return [digests[key] for key in self._storage.fetch_many((blob_key(digest), path) for digest, path in wanted)]

    @property
    def _cache(self) -> BlobCache:
        if self._given is None:
            import tempfile

            from .cache import BlobCache

            # Lives as long as this object, so that a session without a cache leaves nothing behind.
            self._temporary = tempfile.TemporaryDirectory(prefix="metaflow-blobs-")
            self._given = BlobCache(self._temporary.name, float("inf"))
        return self._given


def _second_name(path: str, target: str) -> None:
    try:
        os.link(path, target)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without hard links
        import shutil

        part = f"{target}.{os.getpid()}.part"
        shutil.copyfile(path, part)
        os.replace(part, target)


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
