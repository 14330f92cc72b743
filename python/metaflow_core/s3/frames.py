"""Compression of large objects with zstd, where a sample says that it pays.

A compressed object is a row of zstd frames, each of `FRAME_BYTES` of the original, so that memory stays small and any
zstd program can read it. Level 1: 400 MB/s on one core, more than most networks carry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, BinaryIO, NamedTuple

from ..errors import MissingExtra

__all__ = ["FRAME_BYTES", "LEAST_BYTES", "compress", "expand", "pays"]

FRAME_BYTES = 4 << 20
LEAST_BYTES = 1 << 20
_SAMPLE_BYTES = 64 << 10
_SAMPLES = 5
_PAYS = 0.8  # of its size at most
_LEVEL = 1


class _Codec(NamedTuple):
    frame: Callable[[bytes], bytes]
    reader: Callable[[BinaryIO], Any]


@cache
def _codec() -> _Codec | None:
    """None where this Python has no zstd; then nothing is compressed."""
    try:
        import zstandard
    except ImportError:
        return _arrow_codec()
    return _Codec(
        lambda data: zstandard.ZstdCompressor(level=_LEVEL).compress(data),
        lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True),
    )


def _arrow_codec() -> _Codec | None:
    try:
        import pyarrow
    except ImportError:
        return None
    codec = pyarrow.Codec("zstd", compression_level=_LEVEL)
    return _Codec(
        lambda data: codec.compress(data, asbytes=True),
        lambda file: pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd"),
    )


def pays(file: BinaryIO, size: int) -> bool:
    """Whether compressing it saves a fifth, by a few samples spread over it."""
    if size < LEAST_BYTES:
        return False
    codec = _codec()
    if codec is None:
        return False
    before = after = 0
    for number in range(_SAMPLES):
        file.seek(number * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
        sample = file.read(_SAMPLE_BYTES)
        before += len(sample)
        after += len(codec.frame(sample))
    file.seek(0)
    return after < before * _PAYS


def compress(file: BinaryIO, write: Callable[[bytes], Any]) -> None:
    """Hand the frames of a file to `write`. Only after `pays` said so."""
    codec = _codec()
    for piece in iter(lambda: file.read(FRAME_BYTES), b""):
        write(codec.frame(piece))


def expand(file: BinaryIO, write: Callable[[bytes], Any]) -> None:
    """Hand what the frames hold to `write`, in pieces."""
    codec = _codec()
    if codec is None:
        raise MissingExtra(
            "reading a compressed object needs the Python package 'pyarrow'",
            hint="metaflow::install_metaflow() installs it.",
        )
    reader = codec.reader(file)
    for piece in iter(lambda: reader.read(1 << 20), b""):
        write(piece)
