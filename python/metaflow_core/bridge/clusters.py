"""Jobs on clusters, for `slurm list|kill`, `kubernetes list|kill` and `batch list|kill`."""

from __future__ import annotations

import time
from typing import Any

from ..contracts.backend import JobList
from ..errors import UnknownOption
from ..registry import plugins
from ..settings import Settings
from ..store.catalog import catch_up_runs
from ..store.open import Store
from .sessions import settings_of, store_of

__all__ = ["METHODS", "kill_jobs"]

# Longer than any cluster tells about jobs that have ended.
_REMEMBERED_SECONDS = 8 * 24 * 3600.0


def jobs(settings: dict[str, Any], backend: str, flow: str, run: str | None = None) -> list[dict[str, Any]]:
    """Jobs that are there, oldest first, see JobList of contracts/backend.py."""
    loaded = settings_of(settings)
    store = store_of(loaded)
    name, found = _job_list(loaded, store, backend)
    return sorted(found.list(flow, run, _places(store, name, flow, run)), key=lambda job: job["created"])


def kill(settings: dict[str, Any], backend: str, flow: str, run: str | None = None) -> list[str]:
    """End the jobs that wait or run; their names."""
    loaded = settings_of(settings)
    return kill_jobs(loaded, store_of(loaded), backend, flow, run)


def kill_jobs(settings: Settings, store: Store, backend: str, flow: str, run: str | None) -> list[str]:
    name, found = _job_list(settings, store, backend)
    return found.kill(flow, run, _places(store, name, flow, run))


def _job_list(settings: Settings, store: Store, backend: str) -> tuple[str, JobList]:
    kind = plugins("backends").get(backend)
    if kind.jobs is None:
        raise UnknownOption(f"the jobs of '{backend}' cannot be listed from here", hint="Ask the cluster's own tools.")
    return kind.name, kind.jobs(settings, store)


def _places(store: Store, backend: str, flow: str, run: str | None) -> set[str]:
    """Steps may have named another namespace, or queue, than the settings have now: the specs of their jobs say so."""
    if run is not None:
        return store.jobs.places(flow, [run], backend)
    catch_up_runs(store, flow)
    since = time.time() - _REMEMBERED_SECONDS
    rows = store.index.runs(flow)
    recent = [row["run"] for row in rows if row["status"] == "running" or (row["finished_at"] or 0) > since]
    return store.jobs.places(flow, recent, backend)


METHODS = {"jobs": jobs, "kill": kill}
