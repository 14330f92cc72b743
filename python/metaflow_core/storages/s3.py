"""A storage in a bucket of S3, or of anything that speaks as S3 does.

Keys are the same as in a folder, below the prefix. What a rename does there, one PUT does here; who is first is decided
by conditional writes (``If-None-Match``, ``If-Match``). Nothing is trusted to arrive: requests are repeated, and every
object carries the sha256 of its content, which is checked whenever it is read.
"""
from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..contracts.storage import Entry, PutItem, StorageCapabilities, check_key
from ..errors import InvalidRange, NotFound, StoreConflict, StoreError
from ..s3.address import parse_address
from ..s3.bucket import Bucket
from ..s3.connection import Connection
from ..s3.download import fetch_files, read_objects
from ..s3.head import PART_BYTES, Head
from ..s3.parallel import in_parallel
from ..s3.retry import Damaged
from ..s3.upload import Upload, put_all

__all__ = ["S3Storage"]

_DELETE_AT_ONCE = 1000


class S3Storage:
    """`root` is s3://bucket/prefix. Reading needs nothing to be there; a bucket is never made."""

    name = "s3"
    capabilities = StorageCapabilities(local_paths=False, persistent=True, cheap_listing=False)

    def __init__(self, root: str, endpoint_url: str | None = None):
        self._address = parse_address(root)
        self.root = str(self._address)
        self._bucket = Bucket(Connection(endpoint_url), self._address.bucket)

    @classmethod
    def open(cls, settings: Any) -> S3Storage:
        return cls(settings.datastore_root, settings.s3_endpoint_url)

    def __repr__(self) -> str:
        return f"S3Storage({self.root!r})"

    # -- reading

    def read(self, key: str) -> bytes:
        found = self._read([key])
        if key not in found:
            raise self._not_found(key)
        return found[key][0]

    def read_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: content for key, (content, _) in self._read(keys).items()}

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        found = self._read([key])
        if key not in found:
            raise self._not_found(key)
        content, head = found[key]
        return content, head.etag

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        name = self._key(key)
        if size <= 0:
            if self._head(key) is None:
                raise self._not_found(key)
            return b""
        try:
            data, head = self._bucket.get_range(name, offset, size)
        except NotFound:
            raise self._not_found(key) from None
        except InvalidRange:
            head = self._head(key)
            if head is None or not head.encoding:
                return b""
            data = b""
        if head.encoding or head.stored_size <= PART_BYTES:
            # A sum is known of the whole only, so the whole is what can be checked.
            whole = len(data) == head.stored_size and not head.encoding
            return data if whole else self.read(key)[offset : offset + size]
        if head.sums:
            return self._read_parts(name, head, offset, size)
        again, _ = self._bucket.get_range(name, offset, size, head.etag)
        if again != data:
            raise self._damaged(key)
        return data

    def _read_parts(self, name: str, head: Head, offset: int, size: int) -> bytes:
        """A range of a large object, from its parts, whose sums are known."""
        first = offset - offset % PART_BYTES
        starts = range(first, min(offset + size, head.stored_size), PART_BYTES)
        parts = dict(in_parallel(lambda start: self._bucket.get_range(name, start, PART_BYTES, head.etag)[0], starts))
        return b"".join(parts[start] for start in starts)[offset - first : offset - first + size]

    def exists(self, key: str) -> bool:
        return self._head(key) is not None

    def size(self, key: str) -> int | None:
        head = self._head(key)
        return None if head is None else head.size

    def size_many(self, keys: Iterable[str]) -> dict[str, int]:
        found = in_parallel(self.size, list(keys))
        return {key: size for key, size in found if size is not None}

    def stat(self, key: str) -> Entry | None:
        head = self._head(key)
        return None if head is None else Entry(key, head.size, head.modified_at)

    # -- writing

    def write_if(self, key: str, data: bytes, version: str | None) -> str:
        name = self._key(key)
        etag = self._bucket.put_new(name, data) if version is None else self._bucket.put_over(name, data, version)
        if etag is None:
            raise StoreConflict(
                f"{key} was changed by another process",
                hint="Read it again and repeat the change.",
                data={"key": key},
            )
        return etag

    def create(self, key: str, data: bytes) -> bool:
        return self._bucket.put_new(self._key(key), data) is not None

    def write(self, key: str, data: bytes) -> None:
        put_all(self._bucket, [Upload(self._key(key), data, compress=True)])

    def put_file(self, path: str, key: str, move: bool = True) -> None:
        self.put_many([PutItem(path, key)], move=move)

    def put_many(self, items: Iterable[PutItem], move: bool = False) -> None:
        def sent(upload: Upload) -> None:
            if move:
                os.unlink(upload.source)

        uploads = (Upload(self._key(item.key), item.path, item.sha256, compress=True) for item in items)
        put_all(self._bucket, uploads, sent)

    def touch(self, key: str) -> bool:
        return self._bucket.touch(self._key(key))

    def delete(self, keys: Iterable[str]) -> None:
        self._bucket.delete([self._key(key) for key in keys])

    def delete_tree(self, prefix: str) -> None:
        todo: list[str] = []
        for item in self._bucket.list(self._folder(prefix)):
            todo.append(item.key)
            if len(todo) == _DELETE_AT_ONCE:
                self._bucket.delete(todo)
                todo = []
        self._bucket.delete(todo)

    def sweep(self, older_than_seconds: float) -> int:
        return self._bucket.abort_uploads(self._folder(""), time.time() - older_than_seconds)

    # -- files

    def local_path(self, key: str) -> str | None:
        check_key(key)
        return None

    def fetch_file(self, key: str, path: str) -> None:
        if not self.fetch_many([(key, path)]):
            raise self._not_found(key)

    def fetch_many(self, items: Iterable[tuple[str, str]]) -> list[str]:
        names: dict[str, str] = {}

        def places() -> Iterator[tuple[str, str]]:
            for key, path in items:
                names[self._key(key)] = key
                yield self._key(key), path

        return [names[name] for name, head in fetch_files(self._bucket, places()).items() if head is not None]

    # -- listing

    def list_dirs(self, prefix: str = "") -> list[str]:
        start = self._folder(prefix)
        found = self._bucket.list(start, one_level=True)
        return sorted(item[len(start) : -1] for item in found if isinstance(item, str) and len(item) > len(start) + 1)

    def list_files(self, prefix: str = "") -> list[str]:
        found = self._bucket.list(self._folder(prefix), one_level=True)
        return sorted(self._own(item.key) for item in found if not isinstance(item, str) and not item.key.endswith("/"))

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        for item in self._bucket.list(self._folder(prefix)):
            # Some tools keep a folder as an empty object.
            if not item.key.endswith("/"):
                yield Entry(self._own(item.key), item.stored_size, item.modified_at)

    # -- durability

    def sync(self) -> None:
        """An answered PUT is durable."""

    # -- how

    def _read(self, keys: Iterable[str]) -> dict[str, tuple[bytes, Head]]:
        names = {self._key(key): key for key in keys}
        return {names[name]: found for name, found in read_objects(self._bucket, names).items()}

    def _head(self, key: str) -> Head | None:
        return self._bucket.head(self._key(key))

    def _key(self, key: str) -> str:
        return self._address.key(check_key(key))

    def _folder(self, prefix: str) -> str:
        """What the keys of a folder begin with."""
        name = self._key(prefix.rstrip("/")) if prefix else self._address.prefix
        return f"{name}/" if name else ""

    def _own(self, name: str) -> str:
        return name[len(self._address.prefix) + 1 :] if self._address.prefix else name

    def _not_found(self, key: str) -> NotFound:
        return NotFound(f"{key} is not in the datastore at {self.root}", data={"key": key})

    def _damaged(self, key: str) -> StoreError:
        from ..s3.connection import translated

        return translated(Damaged("it was read twice, differently"), self._address.url(key))


PLUGIN = S3Storage
