"""A storage in a folder of this machine (or of a network file system).

Every write goes to ``tmp/`` first and appears by a rename or a hard link, so a reader never
sees half of it. A commit is a handful of system calls: folders are made only when a rename
says that one is missing, nothing is listed or read back, and nothing is flushed to the disk
until ``sync``.
"""
from __future__ import annotations

import errno
import functools
import hashlib
import itertools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ..contracts.storage import Entry, OneByOne, StorageCapabilities, check_key
from ..errors import DiskFull, MetaflowError, NotFound, StoreConflict, StoreError

__all__ = ["LocalStorage"]

_TMP = "tmp"
_STAGED = "w-"  # what this file stages carries this prefix; other files in tmp/ are not ours
_LOCKS = 64  # lock files; keys are spread over them so that few writers ever meet
_DELETIONS = 20  # times that a folder is emptied again
_COPY_BYTES = 1 << 20
_O_BINARY = getattr(os, "O_BINARY", 0)  # Windows translates line ends without it
_O_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY | _O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | _O_BINARY | _O_CLOEXEC
_MISSING = (FileNotFoundError, NotADirectoryError)
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, getattr(errno, "ENOTSUP", errno.ENOSYS)}
_HINTS = {
    errno.EACCES: "Check the permissions of the folder, or set METAFLOW_DATASTORE_ROOT to one you may write to.",
    errno.EROFS: "The file system is read-only: set METAFLOW_DATASTORE_ROOT to a folder you may write to.",
    errno.ENOSPC: "The disk is full: free some space, or set METAFLOW_DATASTORE_ROOT to another disk.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or set METAFLOW_DATASTORE_ROOT to another disk.",
}
_HINTS[errno.EPERM] = _HINTS[errno.EACCES]
_FULL = {errno.ENOSPC, errno.EDQUOT}


def _translated(method):
    """The one edge where an OSError becomes an error of ours."""

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except OSError as err:
            raise _store_error(self.root, err) from err

    return call


def _store_error(root: str, err: OSError) -> MetaflowError:
    where = " -> ".join(str(name) for name in (err.filename, err.filename2) if name is not None) or root
    kind = DiskFull if err.errno in _FULL else StoreError
    return kind(
        f"the datastore at {root} failed: {err.strerror or err} ({where})",
        hint=_HINTS.get(err.errno, "Look at the folder and the disk it is on."),
        data={"path": where, "errno": err.errno},
    )


class LocalStorage(OneByOne):
    """Keys are files below `root`. The folder is made by the first write, never by reading."""

    name = "local"
    capabilities = StorageCapabilities(local_paths=True, persistent=True, cheap_listing=True)

    def __init__(self, root: str):
        self.root = os.path.abspath(os.path.expanduser(root))
        self._tmp = os.path.join(self.root, _TMP)
        self._counter = itertools.count()
        self._token = os.urandom(6).hex()  # two hosts on one network folder may share a pid
        self._unsynced: deque = deque()

    def __repr__(self) -> str:
        return f"LocalStorage({self.root!r})"

    # -- reading

    @_translated
    def read(self, key: str) -> bytes:
        try:
            return _read_file(self._path(key))
        except _MISSING:
            raise _not_found(self.root, key) from None

    @_translated
    def read_range(self, key: str, offset: int, size: int) -> bytes:
        try:
            return _read_file(self._path(key), offset, size)
        except _MISSING:
            raise _not_found(self.root, key) from None

    @_translated
    def read_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for key in keys:
            with suppress(*_MISSING):
                found[key] = _read_file(self._path(key))
        return found

    def exists(self, key: str) -> bool:
        return self.size(key) is not None

    @_translated
    def size(self, key: str) -> int | None:
        try:
            stat = os.stat(self._path(key))
        except _MISSING:
            return None
        return None if _is_dir(stat) else stat.st_size

    def size_many(self, keys: Iterable[str]) -> dict[str, int]:
        sizes = ((key, self.size(key)) for key in keys)
        return {key: size for key, size in sizes if size is not None}

    @_translated
    def stat(self, key: str) -> Entry | None:
        try:
            stat = os.stat(self._path(key))
        except _MISSING:
            return None
        return None if _is_dir(stat) else Entry(key, stat.st_size, stat.st_mtime)

    @_translated
    def touch(self, key: str) -> bool:
        if not self.exists(key):
            return False
        path = self._path(key)
        try:
            os.utime(path)
        except _MISSING:
            return False
        except PermissionError:
            # A file of somebody else in a folder that we share: only a new file can be young.
            self._replace(self._stage_copy(path), path)
        return True

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        data = self.read(key)
        return data, _version(data)

    # -- writing

    @_translated
    def write_if(self, key: str, data: bytes, version: str | None) -> str:
        path = self._path(key)
        with self._lock(key):
            try:
                now: str | None = _version(_read_file(path))
            except _MISSING:
                now = None
            if now != version:
                raise StoreConflict(
                    f"{key} was changed by another process",
                    hint="Read it again and repeat the change.",
                    data={"key": key},
                )
            self._replace(self._stage(data), path)
        return _version(data)

    @_translated
    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        staged = self._stage(data)
        try:
            return self._link(staged, path, key)
        finally:
            _remove(staged)

    @_translated
    def write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        self._replace(self._stage(data), path)

    @_translated
    def put_file(self, path: str, key: str, move: bool = True) -> None:
        target = self._path(key)
        if move:
            try:
                self._replace(path, target, staged=False)
                return
            except OSError as err:
                if err.errno != errno.EXDEV:
                    raise
        elif self._holds(path) and self._link_staged(path, target):
            return
        # Another disk, or a file that the caller keeps: a copy, never a hard link, since through
        # a link later edits of the file would reach the stored bytes.
        self._replace(self._stage_copy(path), target)
        if move:
            _remove(path)

    @_translated
    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            _remove(self._path(key))

    @_translated
    def delete_tree(self, prefix: str) -> None:
        import shutil

        for last in (False,) * _DELETIONS + (True,):
            try:
                shutil.rmtree(self._path(prefix), onerror=_unless_missing)
                return
            except OSError as err:
                if last or err.errno != errno.ENOTEMPTY:  # somebody wrote into a folder that was being emptied
                    raise

    @_translated
    def sweep(self, older_than_seconds: float) -> int:
        oldest, removed = time.time() - older_than_seconds, 0
        for entry in _scan(self._tmp):
            if entry.name.startswith(_STAGED) and _modified(entry) < oldest:
                removed += _remove(entry.path)
        return removed

    # -- files

    def local_path(self, key: str) -> str | None:
        return self._path(key)

    @_translated
    def fetch_file(self, key: str, path: str) -> None:
        source = self._path(key)
        if not self.exists(key):
            raise _not_found(self.root, key)
        staged = f"{path}.{os.getpid()}-{next(self._counter)}.part"
        try:
            _copy(source, staged)
            os.replace(staged, path)
        except BaseException:
            _remove(staged)
            raise

    # -- listing

    @_translated
    def list_dirs(self, prefix: str = "") -> list[str]:
        return sorted(entry.name for entry in _scan(self._folder(prefix)) if entry.is_dir())

    @_translated
    def list_files(self, prefix: str = "") -> list[str]:
        start = prefix.rstrip("/") + "/" if prefix else ""
        return sorted(start + entry.name for entry in _scan(self._folder(prefix)) if entry.is_file())

    def walk(self, prefix: str = "") -> Iterator[Entry]:
        todo = [(self._folder(prefix), prefix.rstrip("/"))]
        while todo:
            folder, start = todo.pop()
            for entry in self._entries(folder):
                key = f"{start}/{entry.name}" if start else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if key != _TMP:
                        todo.append((entry.path, key))
                    continue
                with suppress(*_MISSING):
                    stat = entry.stat()
                    yield Entry(key, stat.st_size, stat.st_mtime)

    # -- durability

    @_translated
    def sync(self) -> None:
        if not os.path.isdir(self.root):
            return
        # Another thread may be writing: what it adds from here on is for the next call.
        written = {self._unsynced.popleft() for _ in range(len(self._unsynced))}
        if _HAS_SYNCFS and len(written) > _FLUSHED_ONE_BY_ONE:
            _syncfs(self.root)
        else:
            _flush(written)

    # -- how

    def _path(self, key: str) -> str:
        path = f"{self.root}/{check_key(key)}"
        return path if os.sep == "/" else path.replace("/", os.sep)

    @_translated
    def _entries(self, folder: str) -> list:
        return _scan(folder)

    def _folder(self, prefix: str) -> str:
        return self._path(prefix.rstrip("/")) if prefix else self.root

    def _staging_path(self) -> str:
        return os.path.join(self._tmp, f"{_STAGED}{self._token}-{os.getpid()}-{next(self._counter)}")

    def _open_staged(self) -> tuple[int, str]:
        path = self._staging_path()
        try:
            return os.open(path, _WRITE_FLAGS, 0o666), path
        except FileNotFoundError:
            os.makedirs(self._tmp, exist_ok=True)
            return os.open(path, _WRITE_FLAGS, 0o666), path

    def _stage(self, data: bytes) -> str:
        handle, path = self._open_staged()
        try:
            _write_all(handle, data)
        except BaseException:
            os.close(handle)
            _remove(path)
            raise
        os.close(handle)
        return path

    def _stage_copy(self, source: str) -> str:
        handle, path = self._open_staged()
        os.close(handle)
        try:
            _copy(source, path)
        except BaseException:
            _remove(path)
            raise
        return path

    def _holds(self, path: str) -> bool:
        """Whether a file is below the root: staged there for us, and not written again once it is handed over."""
        return os.path.abspath(path).startswith(self.root + os.sep)

    def _link_staged(self, source: str, target: str) -> bool:
        """Give the file a second name, which costs nothing however big it is; False where that cannot be done."""
        linked = self._staging_path()
        try:
            os.makedirs(self._tmp, exist_ok=True)
            os.link(source, linked)
        except OSError as err:
            if err.errno not in _NO_HARD_LINKS:
                raise
            return False
        self._replace(linked, target)
        _remove(linked)  # renaming one name of a file to another name of it leaves both
        return True

    def _replace(self, source: str, target: str, staged: bool = True) -> None:
        """Rename into place; makes the folder only when the rename says that it is missing."""
        try:
            try:
                os.replace(source, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(source, target)
        except BaseException:
            if staged:
                _remove(source)
            raise
        self._remember(target)

    def _link(self, staged: str, target: str, key: str) -> bool:
        try:
            try:
                os.link(staged, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.link(staged, target)
        except FileExistsError:
            return False
        except OSError as err:
            if err.errno not in _NO_HARD_LINKS:
                raise
            return self._link_under_lock(staged, target, key)
        self._remember(target)
        return True

    def _link_under_lock(self, staged: str, target: str, key: str) -> bool:
        # File systems without hard links (FAT, some network shares): look, then rename,
        # while nobody else looks. All writers of one store take this path together.
        with self._lock(key):
            if os.path.exists(target):
                return False
            self._replace(staged, target)
        return True

    def _lock(self, key: str) -> _FileLock:
        import zlib

        folder = os.path.join(self._tmp, "locks")
        return _FileLock(os.path.join(folder, f"{zlib.crc32(key.encode()) % _LOCKS:02x}"))

    def _remember(self, path: str) -> None:
        self._unsynced.append(path)


class _FileLock:
    """An exclusive lock between processes and threads; the system lets go when the holder dies."""

    def __init__(self, path: str):
        self._path = path

    def __enter__(self):
        flags = os.O_RDWR | os.O_CREAT | _O_CLOEXEC
        try:
            self._handle = os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._handle = os.open(self._path, flags, 0o666)
        try:
            _lock_handle(self._handle)
        except BaseException:
            os.close(self._handle)
            raise
        return self

    def __exit__(self, *exc) -> None:
        os.close(self._handle)  # closing unlocks


def _lock_handle(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        _lock_on_windows(handle)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)


def _lock_on_windows(handle: int) -> None:
    import msvcrt

    while True:  # one call tries for about ten seconds
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
            return
        except OSError as err:
            if err.errno not in (errno.EDEADLK, errno.EACCES):
                raise


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _not_found(root: str, key: str) -> NotFound:
    return NotFound(f"{key} is not in the datastore at {root}", data={"key": key})


def _is_dir(stat: os.stat_result) -> bool:
    return (stat.st_mode & 0o170000) == 0o040000


def _read_file(path: str, offset: int = 0, size: int | None = None) -> bytes:
    # Plain system calls: half the cost of open() for the small records read by the thousand.
    handle = os.open(path, _READ_FLAGS)
    try:
        if size is None:
            size = os.fstat(handle).st_size
        if offset:
            os.lseek(handle, offset, os.SEEK_SET)
        data = os.read(handle, size)
        if len(data) < size:
            data = _read_rest(handle, data, size)
        return data
    except IsADirectoryError:
        raise FileNotFoundError(errno.ENOENT, "is a folder", path) from None
    finally:
        os.close(handle)


def _read_rest(handle: int, data: bytes, size: int) -> bytes:
    # One read() returns at most 2 GB.
    parts, got = [data], len(data)
    while got < size:
        part = os.read(handle, min(size - got, 1 << 30))
        if not part:
            break
        parts.append(part)
        got += len(part)
    return b"".join(parts)


def _write_all(handle: int, data: bytes) -> None:
    written = os.write(handle, data)
    if written < len(data):
        rest = memoryview(data)
        while written < len(data):
            written += os.write(handle, rest[written : written + (1 << 30)])


def _copy(source: str, target: str) -> None:
    with open(source, "rb", buffering=0) as reader, open(target, "wb", buffering=0) as writer:
        buffer = memoryview(bytearray(_COPY_BYTES))
        while True:
            got = reader.readinto(buffer)
            if not got:
                return
            _write_all(writer.fileno(), buffer[:got])


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except _MISSING:
        return False
    return True


def _unless_missing(_function, _path, info) -> None:
    if not isinstance(info[1], _MISSING):
        raise info[1]


def _scan(folder: str) -> list:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except _MISSING:
        return []


def _modified(entry: os.DirEntry) -> float:
    try:
        return entry.stat().st_mtime
    except _MISSING:
        return float("inf")


# One call flushes the whole file system on Linux. It also waits for what others wrote there, so a few
# files are flushed by name.
_FLUSHED_ONE_BY_ONE = 500
_FLUSHED_AT_ONCE = 8
_HAS_SYNCFS = sys.platform.startswith("linux")


def _syncfs(root: str) -> None:
    try:
        import ctypes

        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, AttributeError, OSError):  # a Python or a C library without it
        os.sync()
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        if call(handle) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), root)
    finally:
        os.close(handle)


def _flush(paths: Iterable[str]) -> None:
    """Side by side, so that a journal takes them in one go: ten files cost half of what they do in a row."""
    waiting = deque(paths)
    problems: list[OSError] = []

    def work() -> None:
        with suppress(IndexError):
            while True:
                try:
                    _fsync(waiting.popleft())
                except OSError as problem:
                    problems.append(problem)

    # Plain threads: concurrent.futures takes 5 ms to import.
    threads = [threading.Thread(target=work) for _ in range(min(len(waiting), _FLUSHED_AT_ONCE) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def _fsync(path: str) -> None:
    try:
        handle = os.open(path, os.O_RDWR | _O_BINARY)
    except OSError:
        return  # deleted since, or not ours to open
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


PLUGIN = LocalStorage
