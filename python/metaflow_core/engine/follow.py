"""Hashes a file while it is being written.

Serializing 100 MB takes as long as hashing them. A thread that follows the writer makes the two happen at once, on two
cores: hashlib lets go of the interpreter lock for large chunks, so the scheduler goes on meanwhile.
"""

from __future__ import annotations

import hashlib
import threading

__all__ = ["FollowedFile"]

_CHUNK = 1 << 20
_PAUSE_SECONDS = 0.001


class FollowedFile(threading.Thread):
    """The sha256 of a file that grows. Only appending writers can be followed."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._size: int | None = None
        self._told = threading.Event()
        self._digest: str | None = None
        self.start()

    def finish(self, size: int) -> str | None:
        """The writer is done and the file has `size` bytes: its digest, or None if it could not be followed."""
        self._size = size
        self._told.set()
        self.join()
        return self._digest

    def abandon(self) -> None:
        """Nobody wants the digest any more."""
        self._size = -1
        self._told.set()

    def run(self) -> None:
        seen = 0
        digest = hashlib.sha256()
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        file = None
        try:
            while self._size is None or seen < self._size:
                complete = self._size is not None  # asked before the read: then what it finds is all there is
                if file is None:
                    file = self._open()
                count = file.readinto(buffer) if file is not None else 0
                if count:
                    digest.update(view[:count])
                    seen += count
                elif complete:
                    return  # shorter than it was said to be
                else:
                    self._told.wait(_PAUSE_SECONDS)
            if seen == self._size:
                self._digest = digest.hexdigest()
        except OSError:
            return
        finally:
            if file is not None:
                file.close()

    def _open(self):
        try:
            return open(self._path, "rb", buffering=0)  # noqa: SIM115 - closed by run()
        except FileNotFoundError:
            return None
