"""What is known about an object without its bytes.

Objects of ours carry the sha256 of their content in their metadata, and how they are encoded: the version of this
envelope is the name of the encoding, so that a later one can be told from what this package reads.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import StoreTooNew

__all__ = ["PART_BYTES", "Head", "envelope", "head_of", "part_sums", "token"]

PART_BYTES = 8 << 20
_SUM_BYTES = 8
_MOST_SUMS = 128  # metadata is limited to 2 KB; larger objects are checked as a whole only
_SHA256, _ENCODING, _SIZE, _TOKEN = "metaflow-sha256", "metaflow-encoding", "metaflow-size", "metaflow-token"
_SUMS = "metaflow-sums"
_ENCODINGS = {"", "zstd"}


class Head(NamedTuple):
    """`size`: bytes of the content; `stored_size`: bytes of the object, which can be compressed. `sha256`: of the
    content, "" where nobody wrote it down. `token`: of the one request that wrote it. `sums`: see `part_sums`."""

    size: int
    stored_size: int
    etag: str
    modified_at: float
    sha256: str
    encoding: str
    token: str
    sums: bytes
    content_type: str
    metadata: dict[str, str]

    def is_right(self, data: bytes, offset: int) -> bool:
        """Whether these bytes of the object can be what was stored, as far as sums of its parts are known."""
        number, rest = divmod(offset, PART_BYTES)
        if not self.sums or rest or len(data) != min(PART_BYTES, self.stored_size - offset):
            return True
        begin = number * _SUM_BYTES
        return hashlib.sha256(data).digest()[:_SUM_BYTES] == self.sums[begin : begin + _SUM_BYTES]


def part_sums(digests: Sequence[bytes]) -> bytes:
    """What the metadata of a large object keeps of the sha256 of each `PART_BYTES` of it, so that one part can be
    checked, and read again, alone."""
    return b"".join(digest[:_SUM_BYTES] for digest in digests) if len(digests) <= _MOST_SUMS else b""


def token() -> dict[str, str]:
    """What marks the object as written by one request and no other."""
    return {_TOKEN: os.urandom(12).hex()}


def envelope(sha256: str, size: int, encoding: str = "", mark: str = "", sums: bytes = b"") -> dict[str, str]:
    """The metadata of an object of ours."""
    metadata = {_SHA256: sha256}
    if encoding:
        metadata.update({_ENCODING: encoding, _SIZE: str(size)})
    if mark:
        metadata[_TOKEN] = mark
    if sums:
        metadata[_SUMS] = base64.b64encode(sums).decode("ascii")
    return metadata


def head_of(response: Mapping[str, Any], url: str) -> Head:
    """From the answer to a GET (of a range, too) or a HEAD. StoreTooNew for an encoding that we do not know."""
    metadata = {name.lower(): value for name, value in (response.get("Metadata") or {}).items()}
    # A ranged answer says the size of all as "bytes 0-9/100".
    total = str(response.get("ContentRange") or "").rpartition("/")[2]
    stored = int(total) if total.isdigit() else int(response.get("ContentLength") or 0)
    encoding = metadata.pop(_ENCODING, "")
    if encoding not in _ENCODINGS:
        raise StoreTooNew(f"{url} is encoded as {encoding!r}, which this version of metaflow cannot read",
                          hint="Upgrade the metaflow package.", data={"url": url})
    size = int(metadata.pop(_SIZE, stored))
    modified = response.get("LastModified")
    return Head(
        size, stored, response.get("ETag", ""), modified.timestamp() if modified else 0.0,
        metadata.pop(_SHA256, ""), encoding, metadata.pop(_TOKEN, ""),
        base64.b64decode(metadata.pop(_SUMS, "")), response.get("ContentType") or "", metadata,
    )
