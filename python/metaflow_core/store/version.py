"""The format of a whole datastore: one small file which says who may read it.

Reading never writes it, so looking into an empty folder leaves that folder empty.
"""
from __future__ import annotations

import hashlib
import os

from ..contracts.storage import Storage
from ..errors import NotFound, StoreTooNew
from . import layout
from .records import decode, encode

__all__ = ["STORE_FORMAT", "check_format", "claim_format", "store_identity"]

STORE_FORMAT = 1


def check_format(storage: Storage) -> bool:
    """Whether `storage` holds a datastore (False: nothing there yet); StoreTooNew if it is newer than us."""
    try:
        record = decode(storage.read(layout.FORMAT), layout.FORMAT)
    except NotFound:
        return False
    found = record.get("store_format")
    if not isinstance(found, int) or found > STORE_FORMAT:
        raise StoreTooNew(
            f"the datastore at {storage.root} has format {found}; this version of metaflow reads up to {STORE_FORMAT}",
            hint="Upgrade the metaflow package, or set METAFLOW_DATASTORE_ROOT to another folder.",
            data={"store_format": found, "supported": STORE_FORMAT},
        )
    return True


def claim_format(storage: Storage) -> None:
    """Mark `storage` as a datastore of our format, unless it is one already."""
    if not check_format(storage):
        record = {"store_format": STORE_FORMAT, "id": os.urandom(8).hex()}
        storage.create(layout.FORMAT, encode(record, layout.FORMAT))
        check_format(storage)


def store_identity(storage: Storage) -> str | None:
    """What tells this datastore from all others, also from one that was at the same place before it; None: no store."""
    try:
        record = decode(storage.read(layout.FORMAT), layout.FORMAT)
    except NotFound:
        return None
    return record.get("id") or hashlib.sha256(storage.root.encode()).hexdigest()[:16]
