"""Runs, driven by R in slices: start, advance, interrupt."""

from __future__ import annotations

from typing import Any

from ..backends.local import LocalBackend
from ..engine.loop import RunLoop
from ..engine.start import begin_run
from ..settings import require_writable
from .sessions import settings_of, store_of

__all__ = ["METHODS"]

_loops: dict[str, RunLoop] = {}


def start(settings: dict[str, Any], request: dict[str, Any], worker: dict[str, Any]) -> dict[str, Any]:
    """Claim and begin a run. `request`: see `run_request()` in R/run.R; `worker`: command, environment, started workers."""
    loaded = settings_of(settings)
    require_writable(loaded)

    def make_backend(init: dict[str, Any], slots: int) -> LocalBackend:
        backend = LocalBackend(
            worker["command"], worker["environment"], init, slots, cwd=request.get("cwd"), one_task_each=worker["one_task_each"]
        )
        for process in worker.get("started") or ():
            backend.adopt(process["pid"], process["stdin"], process["stdout"], process["mark"])
        return backend

    loop = begin_run(store_of(loaded), loaded, request, make_backend)
    pathspec = f"{loop.flow}/{loop.run}"
    _loops[pathspec] = loop
    return {"flow": loop.flow, "run": loop.run, "pathspec": pathspec, "root": loaded.datastore_root}


def advance(pathspec: str, timeout: float) -> dict[str, Any]:
    loop = _loops[pathspec]
    try:
        events = loop.advance(timeout)
    except Exception as problem:
        # An R session lives on after this; the run must not look as if it did, too.
        _loops.pop(pathspec, None)
        loop.abandon(problem)
        raise
    return _told(pathspec, loop, events)


def interrupt(pathspec: str) -> dict[str, Any]:
    loop = _loops.get(pathspec)
    if loop is None:
        return {"events": [], "finished": True}
    return _told(pathspec, loop, loop.interrupt())


def _told(pathspec: str, loop: RunLoop, events: list[dict[str, Any]]) -> dict[str, Any]:
    if loop.finished:
        _loops.pop(pathspec, None)
    return {"events": events, "finished": loop.finished, "progress": loop.progress()}


METHODS = {"start": start, "advance": advance, "interrupt": interrupt}
