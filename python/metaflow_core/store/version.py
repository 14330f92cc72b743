"""The format of a whole datastore: one small file which says who may read it.

Reading never writes it, so looking into an empty folder leaves that folder empty.
"""
from __future__ import annotations

from ..contracts.storage import Storage
from ..errors import NotFound, StoreTooNew
from . import layout
from .records import decode, encode

__all__ = ["STORE_FORMAT", "check_format", "claim_format"]

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
        storage.create(layout.FORMAT, encode({"store_format": STORE_FORMAT}, layout.FORMAT))
        check_format(storage)
