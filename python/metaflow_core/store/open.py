"""Opening a datastore: from settings to the parts that read and write it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from ..contracts.index import Index
from ..contracts.storage import Storage
from .blobs import BlobStore
from .catalog import fill, reindex
from .logs import LogStore
from .runs import RunStore
from .tasks import TaskStore
from .version import check_format

__all__ = ["Store", "open_store", "store_on"]


@dataclass
class Store:
    """A datastore. The storage holds the truth; `index`, opened on first use, only makes it quick to find."""

    storage: Storage
    blobs: BlobStore
    runs: RunStore
    tasks: TaskStore
    logs: LogStore
    index: Index

    def reindex(self) -> dict[str, Any]:
        """Make the index equal to the store: {"flows", "runs", "tasks", "problems"}."""
        return reindex(self)

    def close(self) -> None:
        """Let go of the index's files; the store can still be used, and opens them again."""
        self.index.close()


def open_store(settings: Any) -> Store:
    """The datastore that the settings name. StoreTooNew when a newer version of this package wrote it.

    Creates nothing: the folder appears with the first run.
    """
    from ..registry import plugins

    storage = plugins("storages").get(settings.datastore)(settings.datastore_root)
    check_format(storage)
    name, is_address, _ = settings.index.partition("://")
    address = settings.index if is_address else settings.index_path
    return store_on(storage, plugins("indexes").get(name), address)


def store_on(storage: Storage, make_index: Callable[..., Index], address: str | None = None) -> Store:
    """The parts of a datastore on a storage that is open already; `address` is what the index is opened with."""
    runs = RunStore(storage)
    # The index fills itself from the store, so each needs the other: the lambda looks up `store` when it is called.
    index = make_index(address, lambda new_index: fill(store, new_index))
    store = Store(storage, BlobStore(storage), runs, TaskStore(storage, runs), LogStore(storage), index)
    return store
