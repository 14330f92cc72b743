"""Records as bytes: one JSON dialect for everything the store writes.

UTF-8, keys in the order the writer gave, no NaN (JSON has none), one line. A record names
its ``format``; one that is newer than this package is refused, never half understood.
"""
from __future__ import annotations

import json
from typing import Any

from ..errors import Corrupted, StoreError, StoreTooNew

__all__ = ["RECORD_FORMAT", "decode", "encode"]

RECORD_FORMAT = 1

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)


def encode(record: dict[str, Any], key: str) -> bytes:
    """The bytes of a record; StoreError naming `key` for what JSON cannot hold."""
    try:
        return _encoder.encode(record).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as err:
        raise StoreError(f"{key} cannot be written: {err}", hint="Records hold plain JSON values only.") from err


def decode(data: bytes, key: str) -> dict[str, Any]:
    """The record in these bytes; Corrupted or StoreTooNew naming `key`."""
    try:
        record = json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError as err:
        raise _corrupted(key, str(err)) from err
    if not isinstance(record, dict):
        raise _corrupted(key, f"it holds a {type(record).__name__}, not an object")
    if record.get("format", 0) > RECORD_FORMAT:
        raise StoreTooNew(
            f"{key} has format {record['format']}; this version of metaflow reads up to {RECORD_FORMAT}",
            hint="Upgrade the metaflow package.",
            data={"key": key, "format": record["format"]},
        )
    return record


def _corrupted(key: str, why: str) -> Corrupted:
    return Corrupted(
        f"{key} is not a readable record: {why}",
        hint="The file was damaged after it was written (disk full, power cut, or an edit). "
        "Restore it from a backup, or delete the run it belongs to.",
        data={"key": key},
    )
