"""A storage in the memory of this process: for tests, and for looking at the contract without a disk."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator

from ..contracts.storage import Entry, OneByOne, StorageCapabilities, check_key
from ..errors import NotFound, StoreConflict, StoreError

__all__ = ["MemoryStorage"]


class MemoryStorage(OneByOne):
    """Keys in a dict. `root` is only a name."""

    name = "memory"
    capabilities = StorageCapabilities(local_paths=False, persistent=False, cheap_listing=True)

    def __init__(self, root: str = "memory"):
        self.root = root
        self._content: dict[str, tuple[bytes, str]] = {}
        self._modified: dict[str, float] = {}
        self._guard = threading.Lock()
        self._writes = 0

    def __repr__(self) -> str:
        return f"MemoryStorage({self.root!r})"

    def read(self, key: str) -> bytes:
        return self.read_versioned(key)[0]

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        return self.read_versioned(key)[0][offset : offset + size]

    def read_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: self.read(key) for key in keys if self.exists(key)}

    def exists(self, key: str) -> bool:
        return check_key(key) in self._content

    def size(self, key: str) -> int | None:
        return len(self.read(key)) if self.exists(key) else None

    def size_many(self, keys: Iterable[str]) -> dict[str, int]:
        sizes = ((key, self.size(key)) for key in keys)
        return {key: size for key, size in sizes if size is not None}

    def stat(self, key: str) -> Entry | None:
        try:
            return Entry(check_key(key), len(self._content[key][0]), self._modified[key])
        except KeyError:
            return None

    def touch(self, key: str) -> bool:
        with self._guard:
            if not self.exists(key):
                return False
            self._modified[key] = time.time()
            return True

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        try:
            return self._content[check_key(key)]
        except KeyError:
            raise NotFound(f"{key} is not in the datastore at {self.root}", data={"key": key}) from None

    def write_if(self, key: str, data: bytes, version: str | None) -> str:
        with self._guard:
            now = self._content.get(check_key(key), (b"", None))[1]
            if now != version:
                raise StoreConflict(
                    f"{key} was changed by another writer",
                    hint="Read it again and repeat the change.",
                    data={"key": key},
                )
            return self._put(key, data)

    def create(self, key: str, data: bytes) -> bool:
        with self._guard:
            if self.exists(key):
                return False
            self._put(key, data)
            return True

    def write(self, key: str, data: bytes) -> None:
        with self._guard:
            self._put(key, data)

    def put_file(self, path: str, key: str, move: bool = True) -> None:
        check_key(key)
        try:
            with open(path, "rb") as file:
                self.write(key, file.read())
            if move:
                os.unlink(path)
        except OSError as err:
            raise StoreError(f"{path} cannot be stored: {err.strerror}", data={"path": path}) from err

    def local_path(self, key: str) -> str | None:
        check_key(key)
        return None

    def fetch_file(self, key: str, path: str) -> None:
        data = self.read(key)
        staged = f"{path}.{os.getpid()}-{threading.get_ident()}.part"
        try:
            with open(staged, "wb") as file:
                file.write(data)
            os.replace(staged, path)
        except OSError as err:
            raise StoreError(f"{path} cannot be written: {err.strerror}", data={"path": path}) from err

    def list_dirs(self, prefix: str = "") -> list[str]:
        return sorted({rest.split("/")[0] for rest in self._below(prefix) if "/" in rest})

    def list_files(self, prefix: str = "") -> list[str]:
        start = _folder(prefix)
        return sorted(start + rest for rest in self._below(prefix) if "/" not in rest)

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        start = _folder(prefix)
        entries = (self.stat(start + rest) for rest in self._below(prefix))
        return (entry for entry in entries if entry is not None)

    def delete(self, keys: Iterable[str]) -> None:
        with self._guard:
            for key in keys:
                self._content.pop(check_key(key), None)
                self._modified.pop(key, None)

    def delete_tree(self, prefix: str) -> None:
        self.delete([f"{check_key(prefix.rstrip('/'))}/{rest}" for rest in self._below(prefix)])

    def sweep(self, older_than_seconds: float) -> int:
        return 0

    def sync(self) -> None:
        pass

    def _put(self, key: str, data: bytes) -> str:
        self._writes += 1
        self._modified[check_key(key)] = time.time()
        self._content[key] = (bytes(data), str(self._writes))
        return str(self._writes)

    def _below(self, prefix: str) -> list[str]:
        start = _folder(prefix)
        return [key[len(start) :] for key in list(self._content) if key.startswith(start)]


def _folder(prefix: str) -> str:
    return check_key(prefix.rstrip("/")) + "/" if prefix else ""


PLUGIN = MemoryStorage
