"""From a task's folder to what is committed: staged files become blobs, `result.json` becomes records.

The worker leaves `result.json` and the files it names (python side of R/worker-task.R). Everything here runs before the
commit, and can be run again after a crash: blobs are content-addressed, and staged files stay until the commit.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ..store.blobs import BlobStore, digest_of, digest_of_file
from .follow import FollowedFile
from .splits import Splits

__all__ = ["describe_staged", "discard_staged", "keep_order", "read_result", "splits_from_record", "store_staged"]

ENCODING = "r-serialize-3"
HASH_IN_MEMORY_BYTES = 4 * 1024 * 1024


def read_result(folder: str) -> dict[str, Any] | None:
    """The worker's word on how the task ended; None when it had no chance to say."""
    try:
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def store_staged(
    blobs: BlobStore, folder: str, result: dict[str, Any], followed: Mapping[str, FollowedFile] | None = None
) -> dict[str, Any]:
    """Put the staged files of a result into the store. `followed` has those that were hashed while they were written.

    Returns {"artifacts": {name: ArtifactRecord}, "splits": compact record or None, "condition": record or None,
    "dump": record or None}.
    """
    store = _Staged(blobs, folder, followed or {})
    artifacts = {name: store.record(item) for name, item in (result.get("artifacts") or {}).items()}
    splits = result.get("foreach")

    def record(field: str) -> dict[str, Any] | None:
        return None if result.get(field) is None else store.record(result[field])

    kept = {
        "artifacts": artifacts,
        "splits": None if splits is None else store.splits(splits),
        "condition": record("error_value"),
        "dump": record("frames_value"),
    }
    store.keep()
    return kept


def keep_order(blobs: BlobStore, order: Mapping[str, Any]) -> str:
    """The digest of the order of an attempt that failed, caught or not: whoever looks for the reason can give it again
    (bridge/debugging.py)."""
    # Its folder is the machine's own business.
    return blobs.put_bytes(json.dumps({name: value for name, value in order.items() if name != "dir"}).encode())


def describe_staged(folder: str, items: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """{name: ArtifactRecord} of staged values, of which nothing is put into a store."""
    staged = _Staged(None, folder, {})
    return {name: staged.record(item) for name, item in items.items()}


def discard_staged(folder: str) -> None:
    """After the commit: what the worker left for it is not needed any more, nor are empty logs. The task is done
    already, so something that cannot be removed is left where it is."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if name == "task.json" or name.endswith(".log") and os.path.getsize(path):
                continue
            with contextlib.suppress(OSError):
                os.unlink(path)


class _Staged:
    """Digests of the staged files of one task, each read once."""

    def __init__(self, blobs: BlobStore | None, folder: str, followed: Mapping[str, FollowedFile]) -> None:
        self._blobs = blobs
        self._followed = followed
        self._folder = folder
        self._digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._content: dict[str, bytes] = {}

    def record(self, item: dict[str, Any]) -> dict[str, Any]:
        name, offset, size = item["file"], int(item["offset"]), int(item["size"])
        blob = self._digest(name)
        record: dict[str, Any] = {"digest": blob, "size": size, "encoding": item.get("encoding") or ENCODING}
        if size != self._sizes[name]:
            record["digest"] = self._slice_digest(name, offset, size)
            record["blob"] = blob
            if offset:
                record["offset"] = offset
        for field in ("class", "dim", "length"):
            if item.get(field) is not None:
                record[field] = item[field]
        return record

    def splits(self, item: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {"count": int(item["count"])}
        if kept["count"]:
            kept.update(blob=self._digest(item["file"]), sizes=[int(size) for size in item["sizes"]])
        if item.get("labels"):
            kept["labels"] = item["labels"]
        return kept

    def keep(self) -> None:
        # Linked, not moved: until the task is committed its folder stays complete.
        self._blobs.put_files((self._path(name), digest) for name, digest in self._digests.items())

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            path = self._path(name)
            self._sizes[name] = os.path.getsize(path)
            if self._sizes[name] <= HASH_IN_MEMORY_BYTES:
                with open(path, "rb") as file:
                    self._content[name] = file.read()
                self._digests[name] = digest_of(self._content[name])
            else:
                thread = self._followed.get(name)
                self._digests[name] = (thread and thread.finish(self._sizes[name])) or digest_of_file(path)
        return self._digests[name]

    def _slice_digest(self, name: str, offset: int, size: int) -> str:
        content = self._content.get(name)
        if content is None:
            return digest_of_file(self._path(name), offset, size)
        return digest_of(content[offset : offset + size])

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, os.path.basename(name))


def splits_from_record(record: dict[str, Any] | None) -> Splits | None:
    """The splits that a task record keeps, with one artifact record per element."""
    if record is None:
        return None
    values, offset = [], 0
    for size in record.get("sizes") or ():
        values.append({"digest": "", "blob": record["blob"], "offset": offset, "size": size, "encoding": ENCODING})
        offset += size
    return Splits(record["count"], values, record.get("labels") or ())
