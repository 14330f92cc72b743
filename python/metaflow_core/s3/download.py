"""Objects to files and to memory, the parts of a large one side by side.

The first request asks for the first part and learns how large the object is; most objects end there. Nothing appears
under its name before all of it is there and its sha256 is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InvalidRange, NotFound
from . import frames
from .bucket import Bucket
from .connection import translated
from .head import PART_BYTES, Head
from .parallel import Batch
from .retry import Damaged

__all__ = ["fetch_files", "read_objects"]

_ROUNDS = 3  # of a whole object whose parts came well, as far as that can be told, and whose sum is wrong
_HASH_BYTES = 1 << 20


def fetch_files(bucket: Bucket, items: Iterable[tuple[str, str]]) -> dict[str, Head | None]:
    """Write each (key, path); what is known of each key, None for one that is missing (no file then)."""
    return _all(bucket, items, lambda place: _FileSink(place))[0]


def read_objects(bucket: Bucket, keys: Iterable[str]) -> dict[str, tuple[bytes, Head]]:
    """The content of every key that exists."""
    heads, sinks = _all(bucket, ((key, "") for key in keys), lambda place: _MemorySink())
    return {key: (sinks[key].content, head) for key, head in heads.items() if head is not None}


def _all(
    bucket: Bucket, items: Iterable[tuple[str, str]], make_sink: Callable[[str], Any]
) -> tuple[dict[str, Head | None], dict[str, Any]]:
    heads: dict[str, Head | None] = {}
    sinks: dict[str, Any] = {}
    batch = Batch()

    def feed(key: str, place: str) -> Callable[[], None]:
        def begin() -> None:
            sinks[key] = make_sink(place)
            _Download(bucket, key, sinks[key], batch, heads).begin()

        return begin

    try:
        batch.run(feed(key, place) for key, place in items)
    except BaseException:
        for sink in sinks.values():
            sink.abandon()
        raise
    return heads, sinks


class _Download:
    """One object. `begin`, `_continue` run in the batch's thread, the others in threads of the pool."""

    def __init__(self, bucket: Bucket, key: str, sink: Any, batch: Batch, heads: dict[str, Head | None]) -> None:
        self._bucket, self._key, self._sink, self._batch, self._heads = bucket, key, sink, batch, heads
        self._rounds = 0
        self._left = 0

    def begin(self) -> None:
        self._rounds += 1
        self._batch.add(self._first, self._continue)

    def _first(self) -> tuple[Head | None, bool]:
        """(head, whether that was all)"""
        bucket, key = self._bucket, self._key
        try:
            data, head = bucket.get_range(key, 0, PART_BYTES)
        except NotFound:
            return None, True
        except InvalidRange:
            # An empty object has no first byte.
            found = bucket.head(key)
            if found is None or found.stored_size:
                raise
            data, head = b"", found
        with _edge(bucket, key, self._sink):
            if len(data) == head.stored_size and not head.encoding:
                self._sink.take(data)
                return head, True
            self._sink.open(head.stored_size)
            self._sink.write(0, data)
        return head, False

    def _continue(self, found: tuple[Head | None, bool]) -> None:
        head, complete = found
        if complete:
            self._heads[self._key] = head
            return
        starts = range(PART_BYTES, head.stored_size, PART_BYTES)
        self._left = len(starts)
        for start in starts:
            self._batch.add(lambda start=start: self._part(start, head), lambda _, head=head: self._came(head))
        if not starts:
            self._batch.add(lambda: self._finish(head), self._finished)

    def _part(self, start: int, head: Head) -> None:
        data, _ = self._bucket.get_range(self._key, start, min(PART_BYTES, head.stored_size - start), head.etag)
        with _edge(self._bucket, self._key, self._sink):
            self._sink.write(start, data)

    def _came(self, head: Head) -> None:
        self._left -= 1
        if not self._left:
            self._batch.add(lambda: self._finish(head), self._finished)

    def _finish(self, head: Head) -> Head | None:
        """The head, or None when it is to be read once more."""
        with _edge(self._bucket, self._key, self._sink):
            try:
                self._sink.finish(head)
            except Damaged:
                self._sink.abandon()
                if self._rounds == _ROUNDS:
                    raise
                return None
        return head

    def _finished(self, head: Head | None) -> None:
        if head is None:
            self.begin()
        else:
            self._heads[self._key] = head


@contextlib.contextmanager
def _edge(bucket: Bucket, key: str, sink: Any) -> Any:
    """What goes wrong on this side of the network becomes an error of ours that names the object and its place."""
    try:
        yield
    except (OSError, Damaged) as problem:
        if isinstance(problem, OSError) and problem.filename is None:
            problem.filename = sink.place
        raise translated(problem, bucket.url(key), bucket.connection.endpoint_url) from problem


class _Checked:
    """Counts and hashes what is written through it."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write
        self._hasher = hashlib.sha256()
        self._size = 0

    def write(self, piece: bytes) -> None:
        self._hasher.update(piece)
        self._size += len(piece)
        self._write(piece)

    def check(self, head: Head) -> None:
        if self._size != head.size:
            raise Damaged(f"it has {self._size} bytes instead of {head.size}")
        if head.sha256 and self._hasher.hexdigest() != head.sha256:
            raise Damaged("its sha256 is another one")


def _expanded(file: Any, head: Head, write: Callable[[bytes], Any]) -> None:
    checked = _Checked(write)
    try:
        frames.expand(file, checked.write)
    except OSError as problem:
        # What cannot be expanded was damaged; a disk that is full is another matter, and has a number.
        if problem.errno is not None:
            raise
        raise Damaged(f"it cannot be expanded: {problem}") from problem
    checked.check(head)


class _MemorySink:
    """One buffer, allocated once."""

    place = "memory"

    def __init__(self) -> None:
        self.content: Any = b""

    def take(self, data: bytes) -> None:
        self.content = data

    def open(self, size: int) -> None:
        self.content = bytearray(size)

    def write(self, offset: int, data: bytes) -> None:
        self.content[offset : offset + len(data)] = data

    def finish(self, head: Head) -> None:
        if head.encoding:
            out = bytearray()
            _expanded(io.BytesIO(self.content), head, out.extend)
            self.content = bytes(out)
            return
        if head.sha256 and hashlib.sha256(self.content).hexdigest() != head.sha256:
            raise Damaged("its sha256 is another one")
        self.content = bytes(self.content)

    def abandon(self) -> None:
        self.content = b""


class _FileSink:
    """A file beside the wanted one, of its full size from the start, renamed when it is complete."""

    def __init__(self, path: str) -> None:
        self.place = self._path = path
        self._part = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.part"
        self._handle: int | None = None

    def take(self, data: bytes) -> None:
        with open(self._part, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        os.replace(self._part, self._path)

    def open(self, size: int) -> None:
        self._handle = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        os.truncate(self._handle, size)

    def write(self, offset: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._handle, rest, offset)
            rest, offset = rest[count:], offset + count

    def finish(self, head: Head) -> None:
        self._close()
        if head.encoding:
            expanded = self._part + "x"
            try:
                with open(self._part, "rb") as file, open(expanded, "wb", buffering=0) as out:
                    _expanded(file, head, out.write)
                os.replace(expanded, self._path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(expanded)
            os.unlink(self._part)
            return
        checked = _Checked(lambda piece: None)
        with open(self._part, "rb", buffering=0) as file:
            for piece in iter(lambda: file.read(_HASH_BYTES), b""):
                checked.write(piece)
        checked.check(head)
        os.replace(self._part, self._path)

    def abandon(self) -> None:
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._part)

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
