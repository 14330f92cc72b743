"""Runs, driven by R in slices: start, advance, interrupt; and stopped from another session."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from ..backends.local import LocalBackend
from ..backends.process_tree import kill_tree
from ..engine.loop import RunLoop
from ..engine.start import begin_run, origin_run
from ..errors import BackendError
from ..settings import Settings, require_writable
from ..store.liveness import host_name, shown_status
from ..store.open import Store
from .sessions import settings_of, store_of

__all__ = ["METHODS"]

_loops: dict[str, RunLoop] = {}


def start(settings: dict[str, Any], request: dict[str, Any], worker: dict[str, Any]) -> dict[str, Any]:
    """Claim and begin a run. `request`: see `run_request()` in R/run.R; `worker`: command, environment, started
    workers; "elsewhere" has the commands that start one task's worker on a machine of a cluster, by language;
    "python_steps" the {"executable", "folder" (for their code, not yet there)} of steps in Python."""
    loaded = settings_of(settings)
    require_writable(loaded)
    store = store_of(loaded)
    return drive(loaded, begin_run(store, loaded, request, *parts(store, request, worker)))


def drive(settings: Settings, loop: RunLoop) -> dict[str, Any]:
    """From now on the loop is asked by its pathspec, which this tells."""
    pathspec = f"{loop.flow}/{loop.run}"
    _loops[pathspec] = loop
    return {"flow": loop.flow, "run": loop.run, "pathspec": pathspec, "root": settings.datastore_root}


def parts(store: Store, request: dict[str, Any], worker: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What makes the backend of this machine, and how things are started on machines with the same files."""
    python, elsewhere = worker.get("python_steps"), dict(worker.get("elsewhere") or {})
    if python is not None:
        from ..pystep.command import worker_command, worker_environment  # most flows are of R alone

        elsewhere["python"] = {
            "command": worker_command(python["executable"], "fresh"),
            "environment": worker_environment(),
        }

    def make_backend(init: dict[str, Any], slots: int) -> LocalBackend:
        others = {}
        if python is not None:
            mode = "fresh" if worker["one_task_each"] else "fork"
            others["python"] = (worker_command(python["executable"], mode), worker_environment())
            init = {**init, "folder": python["folder"]}
        backend = LocalBackend(
            worker["command"], worker["environment"], init, slots, cwd=request.get("cwd"),
            one_task_each=worker["one_task_each"], others=others, fetch=store.blobs.fill,
        )
        for language in others:
            backend.prepare(language)
        for process in worker.get("started") or ():
            backend.adopt(process["pid"], process["stdin"], process["stdout"], process["mark"])
        return backend

    return make_backend, {"workers": elsewhere, "python": worker.get("python"), "core": core_folder()}


def origin_configs(
    settings: dict[str, Any], flow: str, run: str | None = None, namespace: list[str | None] | None = None
) -> dict[str, str]:
    """{name: JSON text} of the configurations that the run to be resumed had."""
    loaded = settings_of(settings)
    store = store_of(loaded)
    origin = origin_run(store, flow, run, (namespace or [loaded.default_namespace])[0])
    record = store.runs.read_run(flow, origin)
    return {
        name: json.dumps(config["value"], ensure_ascii=False) for name, config in (record.get("configs") or {}).items()
    }


def outdated(settings: dict[str, Any], request: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run of this request would take over and what it would do."""
    from ..engine.outdated import outdated_steps

    loaded = settings_of(settings)
    return outdated_steps(store_of(loaded), loaded, request)


def core_folder() -> str:
    """The folder that this core is in, for a PYTHONPATH."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


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


def kill_local(pathspec: str) -> None:
    """Kill the tasks that run on this machine, with all that they started. `interrupt` then ends the run."""
    loop = _loops.get(pathspec)
    if loop is not None:
        loop.kill_local()


def interrupt(pathspec: str) -> dict[str, Any]:
    loop = _loops.get(pathspec)
    if loop is None:
        return {"events": [], "finished": True}
    return _told(pathspec, loop, loop.interrupt())


def suspend(pathspec: str) -> dict[str, Any]:
    """Leave the run to another process, which will continue it."""
    loop = _loops.get(pathspec)
    if loop is None:
        return {"events": [], "finished": True}
    return _told(pathspec, loop, loop.suspend())


def stop(view: dict[str, Any], pathspec: str, force: bool = False) -> bool:
    """Interrupt the process that drives a run, as Ctrl-C does, or kill it and what it started with `force`. False when
    it has ended already; BackendError when it is on another machine."""
    from .browse import session_of_view  # a run that nobody stops has no use for the client

    flow, run = pathspec.split("/")[:2]
    session = session_of_view(view)
    status = session.store.runs.read_status(flow, run)
    if shown_status(status) != "running":
        return False
    if status.get("detached"):
        from .detached import stop_job

        return stop_job(session, flow, run, status["detached"], force)
    if status.get("host") != host_name():
        raise BackendError(
            f"{pathspec} is driven from the machine '{status.get('host')}' and can be stopped only there",
            hint="Log in there, or end its tasks by the commands of its cluster.",
        )
    if force:
        kill_tree(int(status["pid"]))
    else:
        os.kill(int(status["pid"]), signal.SIGINT)
    return True


def _told(pathspec: str, loop: RunLoop, events: list[dict[str, Any]]) -> dict[str, Any]:
    if loop.finished:
        _loops.pop(pathspec, None)
    return {"events": events, "finished": loop.finished, "progress": loop.progress()}


METHODS = {
    "start": start,
    "advance": advance,
    "kill_local": kill_local,
    "interrupt": interrupt,
    "suspend": suspend,
    "stop": stop,
    "outdated": outdated,
    "origin_configs": origin_configs,
}
