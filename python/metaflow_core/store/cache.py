"""Copies of blobs on this machine, for storages whose bytes are elsewhere: ``<folder>/<aa>/<sha256>``.

Blobs never change, so a copy is right for ever, whichever datastore it came from. What has not been used for longest
goes first when the copies take more than their limit. Any number of processes share a folder: a copy appears by a
rename, after its digest was checked, and whoever has it open keeps it. Each process checks a copy once more before it
is used the first time: a disk that lost power or bits must not change a result.
"""
from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator

from ..errors import Corrupted, DiskFull, StoreError
from .blobs import digest_of_file
from .layout import blob_key

__all__ = ["BlobCache"]

_ABANDONED_SECONDS = 24 * 3600.0
_IN_USE_SECONDS = 3.0  # who was told that a copy is there opens it within this time, or asks again
_LOOK_SHARE = 20  # the folder is looked through whenever a twentieth of its limit was added
_ROOM_SHARE = 10  # and then a tenth of the limit is made free, so that this is rare

Fetch = Callable[[list[tuple[str, str]]], Iterable[str]]


class BlobCache:
    """`max_bytes` may be passed for a moment, by what was added since the last look and by what is in use just now."""

    def __init__(self, folder: str, max_bytes: float):
        self.folder = os.path.abspath(folder)
        self._max_bytes = max_bytes
        self._incoming = os.path.join(self.folder, "incoming")
        self._numbers = itertools.count()
        self._token = os.urandom(6).hex()
        self._added: float | None = None  # bytes since the last look; None: not looked yet
        self._checked: set[str] = set()

    def find(self, digest: str) -> str | None:
        """The path of a copy, which counts as used now; None when there is none, or what is there is something else."""
        path = self.path(digest)
        try:
            if digest not in self._checked:
                if digest_of_file(path) != digest:
                    os.unlink(path)
                    return None
                self._checked.add(digest)
            os.utime(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:  # a copy of somebody else, in a folder that is shared
            return path if digest in self._checked and os.path.exists(path) else None
        return path

    def drop(self, digest: str) -> None:
        """The copy is not what it was when it was checked."""
        self._checked.discard(digest)
        with contextlib.suppress(OSError):
            os.unlink(self.path(digest))

    def path(self, digest: str) -> str:
        """Where the copy is if there is one."""
        return f"{self.folder}/{digest[:2]}/{digest}"

    def fill(self, digests: Iterable[str], fetch: Fetch) -> list[str]:
        """See that there is a copy of each; those that could not be had. `fetch([(digest, path)])` writes the files it
        can and says which; Corrupted when what it wrote is something else."""
        missing = [digest for digest in dict.fromkeys(digests) if self.find(digest) is None]
        if not missing:
            return []
        with _edge():
            os.makedirs(self._incoming, exist_ok=True)
        staged = {digest: self._staging_path() for digest in missing}
        try:
            came = set(fetch(list(staged.items())))
            for digest in came:
                self._keep(digest, staged[digest])
        finally:
            for path in staged.values():
                with contextlib.suppress(OSError):
                    os.unlink(path)
        return [digest for digest in missing if digest not in came]

    def adopt(self, path: str, digest: str) -> None:
        """A local file has the content of a blob: keep it as a copy, too, if that costs nothing. It must not be
        written any more."""
        if self.find(digest) is not None:
            return
        with contextlib.suppress(OSError):  # on another disk, or no room: then it is fetched when it is wanted
            os.makedirs(self._incoming, exist_ok=True)
            staged = self._staging_path()
            os.link(path, staged)
            os.utime(staged)
            self._place(digest, staged)

    def _keep(self, digest: str, staged: str) -> None:
        if digest_of_file(staged) != digest:
            raise Corrupted(
                f"blob {blob_key(digest)} does not have the content that its digest promises",
                hint="It was damaged where it is kept. Delete it and run the step that made it again.",
                data={"key": blob_key(digest)},
            )
        self._place(digest, staged)

    def _place(self, digest: str, staged: str) -> None:
        target = self.path(digest)
        size = os.path.getsize(staged)
        self._checked.add(digest)
        with _edge():
            try:
                os.replace(staged, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(staged, target)
        self._added = None if self._added is None else self._added + size
        if self._added is None or self._added > self._max_bytes / _LOOK_SHARE:
            self._added = 0.0
            self.shrink(keep=digest)

    def shrink(self, keep: str = "") -> int:
        """Remove what was used longest ago until the rest is within the limit; how many bytes went."""
        found = []
        for folder in _folders(self.folder):
            for entry in _files(folder):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append((stat.st_mtime, stat.st_size, entry.path, entry.name))
        self._sweep()
        total = sum(size for _, size, _, _ in found)
        if total <= self._max_bytes:
            return 0
        removed, in_use = 0, time.time() - _IN_USE_SECONDS
        for used_at, size, path, name in sorted(found):
            if total - removed <= self._max_bytes * (1 - 1 / _ROOM_SHARE) or used_at > in_use:
                break
            if name == keep:
                continue
            with contextlib.suppress(OSError):
                os.unlink(path)
                removed += size
        return removed

    def _sweep(self) -> None:
        """What killed processes left half-fetched."""
        oldest = time.time() - _ABANDONED_SECONDS
        for entry in _files(self._incoming):
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)

    def _staging_path(self) -> str:
        return os.path.join(self._incoming, f"{self._token}-{os.getpid()}-{next(self._numbers)}")


@contextlib.contextmanager
def _edge() -> Iterator[None]:
    """What the operating system refuses becomes an error of ours."""
    try:
        yield
    except OSError as err:
        kind = DiskFull if err.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
        raise kind(
            f"a copy of an artifact cannot be kept at {err.filename2 or err.filename}: {err.strerror}",
            hint="Set METAFLOW_CACHE_FOLDER to a folder that you can write, on a disk that has room.",
        ) from err


def _folders(folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [entry.path for entry in entries if len(entry.name) == 2 and entry.is_dir()]
    return []


def _files(folder: str) -> list[os.DirEntry]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [entry for entry in entries if entry.is_file()]
    return []
