"""Runs whose scheduler is a job of a cluster (`--detach`): begun here, suspended at once, continued there."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import Any

from ..backends.jobs import same_environment
from ..contracts.backend import SchedulerJobs
from ..contracts.decorator import StepPolicy
from ..decorators.policy import effective
from ..engine.start import continue_run
from ..errors import BackendError, MetaflowError
from ..graph.decorator import DecoratorSpec
from ..graph.flow import FlowSpec
from ..registry import plugins
from ..settings import require_writable
from ..store.liveness import HEARTBEAT_TIMEOUT_SECONDS, shown_status
from .clusters import kill_jobs
from .runs import core_folder, drive, parts, start, suspend
from .sessions import settings_of, store_of

__all__ = ["METHODS", "stop_job"]


def begin(
    settings: dict[str, Any], request: dict[str, Any], worker: dict[str, Any], detach: dict[str, Any], home: str
) -> dict[str, Any]:
    """Claim the run, keep its code, and suspend it. `detach`: the decorator of the scheduler's job; `home`: a folder
    for its notes where the datastore is no folder. Also tells the "job_name" and the "folder"."""
    _schedulers(settings_of(settings), effective([DecoratorSpec.from_dict(detach)]))
    started = start(settings, request, worker)
    suspend(started["pathspec"])
    name = f"scheduler-{secrets.token_hex(6)}"
    storage = store_of(settings_of(settings)).storage
    folder = storage.local_path(f"flows/{started['pathspec']}/_jobs/{name}") or os.path.join(home, name)
    os.makedirs(folder, exist_ok=True)
    return {**started, "job_name": f"{started['pathspec']}/{name}", "folder": os.path.abspath(folder)}


def submit(
    settings: dict[str, Any], pathspec: str, job_name: str, folder: str, command: list[str],
    environment: dict[str, str], detach: dict[str, Any],
) -> str:
    """Submit the scheduler's job; its id. A run that no job takes has failed."""
    loaded = settings_of(settings)
    store, (flow, run) = store_of(loaded), pathspec.split("/")
    given = effective([DecoratorSpec.from_dict(detach)])
    schedulers = _schedulers(loaded, given)
    args = schedulers.arguments(given.backend_args, _of_steps(store.runs.read_run(flow, run), given.backend))
    try:
        job = schedulers.submit(
            job_name, folder, command, {**same_environment(loaded, core_folder()), **environment}, args
        )
    except MetaflowError as problem:
        ended = {"status": "failed", "finished_at": time.time(), "error": {"message": str(problem)}}
        with contextlib.suppress(MetaflowError):
            store.runs.update_status(flow, run, lambda status: {**status, **ended})
        raise
    place = {"backend": given.backend, "name": job_name, "job": job, "folder": folder}
    store.runs.update_status(flow, run, lambda status: {**status, "detached": place})
    return job


def go_on(settings: dict[str, Any], request: dict[str, Any], worker: dict[str, Any], run: str) -> dict[str, Any]:
    """In the job: drive the run. One whose scheduler was on a node that died counts as lost before anybody else may."""
    loaded = settings_of(settings)
    require_writable(loaded)
    store, flow = store_of(loaded), request["spec"]["name"]
    until = time.monotonic() + 2 * HEARTBEAT_TIMEOUT_SECONDS
    while time.monotonic() < until:
        status = store.runs.read_status(flow, run)
        if status.get("suspended_at") is not None or shown_status(status) != "running":
            break
        time.sleep(1.0)
    return drive(loaded, continue_run(store, loaded, request, run, *parts(store, request, worker)))


def stop_job(session: Any, flow: str, run: str, place: dict[str, Any], force: bool) -> bool:
    """Stop a run that a job drives. True: it was told to; False: nobody drives it any more, and it is over."""
    kind = plugins("backends").get(place["backend"])
    if kind.schedulers.stop(place["name"], force) == "told":
        return True
    kill_jobs(session.settings, session.store, place["backend"], flow, run)
    ended = {"status": "interrupted", "finished_at": time.time(), "suspended_at": None}
    session.store.runs.update_status(
        flow, run, lambda status: {**status, **ended} if status["status"] == "running" else status
    )
    return False


def _schedulers(settings: Any, given: StepPolicy) -> SchedulerJobs:
    kind = plugins("backends").get(given.backend) if given.backend != "local" else None
    if kind is None or kind.schedulers is None:
        raise BackendError(
            f"'{given.backend}' cannot keep the scheduler of a run",
            hint="Slurm can: --with slurm --detach. On this machine, run(flow, wait = FALSE) is in the background.",
        )
    kind.check(settings, {"(the scheduler)": given})
    return kind.schedulers


def _of_steps(record: dict[str, Any], backend: str) -> dict[str, Any]:
    """Arguments of the first step that runs on this backend."""
    policies = (effective(step.decorators) for step in FlowSpec.from_dict(record["spec"]).steps)
    return next((dict(policy.backend_args) for policy in policies if policy.backend == backend), {})


METHODS = {"begin": begin, "submit": submit, "go_on": go_on}
