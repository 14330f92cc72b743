"""The records of a run that is going on, as they were written, until they are written once more in one file.

Ten thousand of them are 10 MB of text that says much the same again and again, so what has piled up is packed from
time to time. A small run never comes to that.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["RecordLines"]

_PACK_BYTES = 1 << 20


class RecordLines:
    """Lines of JSON, in the order in which they came."""

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self._packed: list[bytes] = []
        self._loose: list[bytes] = []
        self._loose_bytes = 0
        self.extend(lines)

    def append(self, line: bytes) -> None:
        self._loose.append(line)
        self._loose_bytes += len(line) + 1
        if self._loose_bytes > _PACK_BYTES:
            import zlib

            self._packed.append(zlib.compress(self._taken(), 1))

    def extend(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.append(line)

    def content(self) -> bytes:
        """All lines, each with its end."""
        if not self._packed:
            return _text(self._loose)
        import zlib

        whole = bytearray()
        for packed in self._packed:
            whole += zlib.decompress(packed)
        whole += _text(self._loose)
        return bytes(whole)

    def _taken(self) -> bytes:
        text = _text(self._loose)
        self._loose.clear()
        self._loose_bytes = 0
        return text


def _text(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
