"""Where the folders are in which the tasks of a run work.

A task writes its logs, its staged values and ``result.json`` into a folder of this machine. In a local datastore that
is the folder of its record. Other datastores have a folder beside them in the cache of this machine, with the same
layout: what a task left there survives its scheduler, so that a ``resume`` on this machine takes it over.
"""
from __future__ import annotations

import os

from ..contracts.storage import Storage
from . import layout

__all__ = ["WorkFolders"]


class WorkFolders:
    """`root` is a folder for storages without local paths; None: one that is gone with the process."""

    def __init__(self, storage: Storage, root: str | None = None):
        self._storage = storage
        self._root = root
        self._temporary: object = None

    @property
    def apart(self) -> bool:
        """Whether they are not in the datastore, and what is in them has to be brought there."""
        return not self._storage.capabilities.local_paths

    def run_folder(self, flow: str, run: str) -> str:
        return self._path(layout.run_folder(flow, run))

    def attempt_folder(self, flow: str, run: str, step: str, task: str, attempt: int) -> str:
        return self._path(layout.attempt_folder(flow, run, step, task, attempt))

    def attempts(self, flow: str, run: str) -> list[tuple[str, str, int]]:
        """(step, task, attempt) of every folder that is there, if they are apart."""
        found = []
        top = self.run_folder(flow, run)
        for step in _names(top):
            for task in _names(f"{top}/{step}"):
                found += [(step, task, int(name)) for name in _names(f"{top}/{step}/{task}") if name.isdecimal()]
        return sorted(found, key=lambda place: (place[0], place[1].zfill(12), place[2]))

    def discard_attempt(self, folder: str) -> None:
        """It is committed, and nothing in its folder is needed any more."""
        import shutil  # a datastore on this disk never comes here

        shutil.rmtree(folder, ignore_errors=True)

    def discard_run(self, flow: str, run: str) -> None:
        """The same of a whole run. Nothing happens to folders that are in the datastore."""
        if self.apart:
            import shutil

            shutil.rmtree(self.run_folder(flow, run), ignore_errors=True)

    def _path(self, key: str) -> str:
        inside = self._storage.local_path(key)
        if inside is not None:
            return inside
        if self._root is None:
            import tempfile

            self._temporary = tempfile.TemporaryDirectory(prefix="metaflow-work-")
            self._root = self._temporary.name
        return os.path.join(self._root, *key.split("/"))


def _names(folder: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
