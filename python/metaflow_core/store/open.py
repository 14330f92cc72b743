"""Opening a datastore: from settings to the parts that read and write it."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable

from ..contracts.index import Index
from ..contracts.storage import Storage
from .blobs import BlobStore
from .cache import BlobCache
from .catalog import fill, reindex
from .jobs import JobStore
from .logs import LogStore
from .readers import ReaderStore
from .runs import RunStore
from .tasks import TaskStore
from .version import check_format, store_identity
from .work import WorkFolders

__all__ = ["Store", "open_store", "open_without_index", "store_on"]


@dataclass
class Store:
    """A datastore. The storage holds the truth; `index`, opened on first use, only makes it quick to find."""

    storage: Storage
    blobs: BlobStore
    runs: RunStore
    tasks: TaskStore
    logs: LogStore
    readers: ReaderStore
    jobs: JobStore
    index: Index
    work: WorkFolders

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

    storage = _open_storage(settings)
    name, is_address, _ = settings.index.partition("://")
    address = settings.index if is_address else settings.index_path
    cache, work = _here(settings, storage)
    if not is_address and (work is not None or not address.startswith(settings.datastore_root)):
        # The index of a datastore that is elsewhere, or on a network file system, has a folder of this machine.
        os.makedirs(os.path.dirname(address), mode=0o700, exist_ok=True)
    return store_on(storage, plugins("indexes").get(name), address, cache, work)


def open_without_index(settings: Any) -> Store:
    """The same for a process that must not touch a database, as a task on a machine of a cluster."""
    storage = _open_storage(settings)
    return store_on(storage, lambda *arguments: None, None, *_here(settings, storage))  # type: ignore[arg-type,return-value]


def _open_storage(settings: Any) -> Storage:
    from ..registry import plugins

    plugin = plugins("storages").get(settings.datastore)
    storage = plugin.open(settings) if hasattr(plugin, "open") else plugin(settings.datastore_root)
    check_format(storage)
    return storage


def _here(settings: Any, storage: Storage) -> tuple[BlobCache | None, str | None]:
    """(cache of blobs, folder to work in) of a storage whose bytes are elsewhere."""
    if storage.capabilities.local_paths:
        return None, None
    cache = BlobCache(os.path.join(settings.cache_folder, "blobs"), settings.cache_max_megabytes * 1e6)
    return cache, os.path.join(settings.store_folder, "work")


def store_on(
    storage: Storage, make_index: Callable[..., Index], address: str | None = None,
    cache: BlobCache | None = None, work: str | None = None,
) -> Store:
    """The parts of a datastore on a storage that is open already; `address` is what the index is opened with. A storage
    without local paths has copies of blobs in `cache` and its tasks work below `work`; without these in folders that
    are gone with the process."""
    runs = RunStore(storage)
    # The index fills itself from the store, so each needs the other: the lambda looks up `store` when it is called.
    index = make_index(address, lambda new_index: fill(store, new_index), lambda: store_identity(storage))
    logs, readers, jobs = LogStore(storage), ReaderStore(storage), JobStore(storage)
    store = Store(
        storage, BlobStore(storage, cache), runs, TaskStore(storage, runs), logs, readers, jobs, index,
        WorkFolders(storage, work),
    )
    return store
