"""How a blob is protected that a writer needs and a clean-up is about to delete.

A blob belongs to nobody until a record names it, so a clean-up (store/gc.py) deletes only blobs that no record names
and that were not written or needed again for `GRACE_SECONDS`. Who needs a blob that is there already makes it young
again. The two may still meet on one blob, at the very moment; therefore

    the clean-up   says which blobs it is about to delete, then looks how old they are, then deletes the old ones
    the writer     makes the blob young, then looks whether somebody said to be deleting it

and at least one of them sees the other. A writer that finds its blob on a list waits until the list is gone, and then
writes the blob again. A list whose clean-up was killed is taken away after `STALE_SECONDS`.
"""
from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..contracts.storage import Entry, Storage
from .layout import SWEEPS
from .records import decode, encode

__all__ = ["GRACE_SECONDS", "YOUNG_SECONDS", "announced", "claim_present"]

GRACE_SECONDS = 3600.0
#: A blob of less than this age needs no protection: far less than the grace, and far more than clocks are apart.
YOUNG_SECONDS = 600.0
STALE_SECONDS = 60.0
_POLL_SECONDS = 0.05


def claim_present(storage: Storage, entry: Entry) -> bool:
    """Whether the blob will stay for whoever commits a record of it soon; False: write it (again)."""
    if time.time() - entry.modified_at < YOUNG_SECONDS:
        return True
    return storage.touch(entry.key) and not _being_deleted(storage, entry.key)


@contextmanager
def announced(storage: Storage, keys: Iterable[str]) -> Iterator[None]:
    """Tell every writer, before anything is deleted, that these blobs may go."""
    key = f"{SWEEPS}/{os.urandom(8).hex()}.json"
    storage.write(key, encode({"format": 1, "keys": sorted(keys)}, key))
    try:
        yield
    finally:
        storage.delete([key])


def _being_deleted(storage: Storage, key: str) -> bool:
    """Whether a clean-up had this blob on its list; then it is over when this returns."""
    lists = [name for name in storage.list_files(SWEEPS) if _holds(storage, name, key)]
    for name in lists:
        until = time.monotonic() + STALE_SECONDS
        while storage.exists(name):
            if time.monotonic() > until:
                storage.delete([name])
                break
            time.sleep(_POLL_SECONDS)
    return bool(lists)


def _holds(storage: Storage, name: str, key: str) -> bool:
    found = storage.read_many([name])
    return name in found and key in decode(found[name], name)["keys"]
