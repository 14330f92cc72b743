"""Opening a datastore: from settings to the parts that read and write it."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable, Optional

from ..contracts.storage import Storage
from .blobs import BlobStore
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
    make_index: Optional[Callable[["Store"], Any]] = field(default=None, repr=False)

    @cached_property
    def index(self) -> Any:
        return None if self.make_index is None else self.make_index(self)

    def close(self) -> None:
        """Let go of the index; the store can be used again afterwards."""
        index = self.__dict__.pop("index", None)
        if index is not None:
            index.close()


def open_store(settings: Any) -> Store:
    """The datastore that the settings name. StoreTooNew when a newer version of this package wrote it.

    Creates nothing: the folder appears with the first run.
    """
    from ..registry import plugins

    storage = plugins("storages").get(settings.datastore)(settings.datastore_root)
    check_format(storage)
    return store_on(storage)


def store_on(storage: Storage, make_index: Optional[Callable[[Store], Any]] = None) -> Store:
    """The parts of a datastore on a storage that is open already."""
    runs = RunStore(storage)
    return Store(storage, BlobStore(storage), runs, TaskStore(storage, runs), LogStore(storage), make_index)
