"""Begins a run: everything is checked first, then the run id is claimed, then the loop is handed over."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import __version__
from ..decorators.policy import effective
from ..errors import InvalidFlow, MetaflowError, ResumeError
from ..graph.decorator import DecoratorSpec
from ..graph.flow import FlowSpec
from ..graph.lint import problems
from ..graph.problem import describe
from ..graph.view import fan_out
from ..nearest import did_you_mean
from ..registry import plugins
from ..store.blobs import digest_of
from ..store.liveness import host_name, process_start, shown_status
from ..store.open import Store
from ..store.package import pack_files
from ..store.snapshot import folder_snapshot
from .admission import Admission, machine
from .commit import reference
from .git import git_state
from .loop import RunLoop
from .outcome import store_staged
from .plan import Plan, make_plan
from .resume import OriginRun
from .states import Scheduler

__all__ = ["begin_run", "checked_spec"]


def checked_spec(data: Mapping[str, Any], extra: list[Mapping[str, Any]] | None = None) -> FlowSpec:
    """The flow, with the decorators of `--with` added, or InvalidFlow with every problem it has."""
    spec = with_decorators(FlowSpec.from_dict(data), extra or [])
    found = problems(spec)
    if found:
        raise InvalidFlow(describe(spec.name, found, spec.script), data=[problem.to_dict() for problem in found])
    return spec


def with_decorators(spec: FlowSpec, extra: list[Mapping[str, Any]]) -> FlowSpec:
    """`--with retry:times=2`: the decorator is put on every step that does not have it and may have it."""
    known = plugins("decorators")
    added = [DecoratorSpec.from_dict(item) for item in extra]

    def name(decorator):
        kind = known.find(decorator.name)
        return kind.name if kind is not None else decorator.name

    def may_have(step, decorator):
        kind = known.find(decorator.name)
        return kind is None or fan_out(step) not in kind.not_on

    def extended(step):
        have = {name(decorator) for decorator in step.decorators}
        new = tuple(d for d in added if name(d) not in have and may_have(step, d))
        return replace(step, decorators=step.decorators + new)

    return replace(spec, steps=tuple(extended(step) for step in spec.steps)) if added else spec


def begin_run(store: Store, settings: Any, request: Mapping[str, Any], make_backend: Any) -> RunLoop:
    """Claim a run for `request` (see bridge/runs.py) and return its loop. Raises before anything is written if it cannot run.

    `make_backend(init, slots)` gives the backend, `init` being the order that its workers get first.
    """
    spec = checked_spec(request["spec"], request.get("with"))
    plan = make_plan(spec, {step.name: effective(step.decorators) for step in spec.steps})
    origin = _origin(store, spec, plan, request.get("resume"))
    slots = int(request.get("max_workers") or settings.max_workers)
    kept = _keep_inputs(store, settings, request, origin[1] if origin else None)
    seed = request.get("seed")
    if seed is None:
        seed = origin[1]["seed"] if origin else random.SystemRandom().randrange(1, 2**31)
    record = _record(spec, settings, request, kept, origin, int(seed), slots)

    claimed: dict[str, Any] = {}

    def content(run: str) -> dict[str, Any]:
        claimed.update(record, run=run)
        return dict(claimed)

    past = origin[0] if origin else None
    scheduler = Scheduler(
        plan, int(request.get("max_num_splits") or settings.max_num_splits), past.find if past else None
    )
    store.runs.claim_run(spec.name, content)
    try:
        status = store.runs.update_status(spec.name, claimed["run"], lambda status: status)
        backend = make_backend(_worker_init(store, claimed, kept, settings), slots)
        cores, memory = machine()
        loop = RunLoop(store, claimed, plan, scheduler, backend, Admission(slots, cores, memory))
        tags = store.runs.read_tags(spec.name, claimed["run"])
        loop.in_index(lambda index: index.record_run(claimed, status, tags))
    except BaseException as problem:
        _give_up(store, spec.name, claimed["run"], problem)
        raise
    for text in kept["left_out"]:
        loop.warn(text)
    if origin:
        loop.warn_when_cloned(_changed_steps(origin[1], claimed))
    return loop


def _give_up(store: Store, flow: str, run: str, problem: BaseException) -> None:
    """A run that was claimed did not get to its first task. An R session may live on, but this run does not."""
    status = "interrupted" if isinstance(problem, KeyboardInterrupt) else "failed"
    ended = {"status": status, "finished_at": time.time(), "error": {"message": str(problem)}}
    with contextlib.suppress(MetaflowError, OSError):
        store.runs.update_status(flow, run, lambda earlier: {**earlier, **ended})


def _changed_steps(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """Steps whose code (their function and what it calls of the user's) is not what the earlier run had."""
    before, after = earlier.get("code_digests") or {}, now["code_digests"]
    return {step for step in set(before) | set(after) if before.get(step) != after.get(step)}


def _origin(
    store: Store, spec: FlowSpec, plan: Plan, resume: Mapping[str, Any] | None
) -> tuple[OriginRun, dict[str, Any]] | None:
    """The run to resume and its record; None for a fresh run."""
    if resume is None:
        return None
    step = resume.get("step")
    names = [s.name for s in spec.steps]
    if step is not None and step not in names:
        raise ResumeError(f"the flow '{spec.name}' has no step '{step}' to resume from", hint=did_you_mean(step, names))
    run = _origin_run(store, spec.name, resume.get("run"))
    if shown_status(store.runs.read_status(spec.name, run)) == "running":
        raise ResumeError(
            f"run {run} of '{spec.name}' is still running", hint="Wait for its end, or stop it, before it is resumed."
        )
    return OriginRun(store, plan, run, step), store.runs.read_run(spec.name, run)


def _origin_run(store: Store, flow: str, wanted: Any) -> str:
    runs = [run for run in store.runs.list_runs(flow) if store.runs.exists(flow, run)]
    if not runs:
        raise ResumeError(f"'{flow}' has no run to resume", hint="Start the first one with 'run'.")
    if wanted is None:
        return runs[-1]
    run = str(wanted).rpartition("/")[2]
    if run not in runs:
        raise ResumeError(f"run {run} of '{flow}' does not exist and cannot be resumed", hint=f"The newest run is {runs[-1]}.")
    return run


def _keep_inputs(
    store: Store, settings: Any, request: Mapping[str, Any], origin: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The captured code and the values of the parameters, as blobs. A resumed run has the parameters of its origin."""
    values = request.get("values") or {}
    kept = store_staged(store.blobs, request["staging"], {"artifacts": values})
    parameters = kept["artifacts"]
    for name, shown in (request.get("reprs") or {}).items():
        if name in parameters:
            parameters[name]["repr"] = shown
    if origin is not None:
        parameters = origin["parameters"]
    code = store.blobs.put_file(os.path.join(request["staging"], request["code"]))
    package, left_out = _package(store, request.get("script"), settings)
    return {"parameters": parameters, "code": code, "package": package, "left_out": left_out}


def _package(store: Store, script: str | None, settings: Any) -> tuple[str | None, list[str]]:
    """The digest of the snapshot of the script's folder, and sentences about what is not in it."""
    if script is None:
        return None, []
    limit = settings.package_max_megabytes * 1e6
    folder, name = os.path.split(script)
    snapshot = folder_snapshot(folder, settings.package_suffixes, limit, always=(name,))
    return store.blobs.put_bytes(pack_files(snapshot.files)), snapshot.left_out


def _record(spec, settings, request, kept, origin, seed: int, slots: int) -> dict[str, Any]:
    user = settings.user
    tags = [f"user:{user}", "runtime:dev", f"date:{time.strftime('%Y-%m-%d')}", f"metaflow_version:{__version__}"]
    versions = dict(request.get("versions") or {})
    if versions.get("R"):
        tags.append(f"r_version:{versions['R']}")
    versions.update(metaflow=__version__, python=".".join(map(str, sys.version_info[:3])))
    resume = request.get("resume")
    return {
        "format": 1, "flow": spec.name, "run": "", "created_at": time.time(), "user": user,
        "host": host_name(), "pid": os.getpid(), "pid_start": process_start(os.getpid()),
        "script": request.get("script"), "argv": request.get("argv"), "cwd": request.get("cwd"),
        "origin": {"run": origin[0].run} if origin else None, "resume_step": (resume or {}).get("step"),
        "seed": seed, "spec": spec.to_dict(), "code": kept["code"], "package": kept["package"],
        "code_digests": {step: digest_of(text.encode()) for step, text in (request.get("code_texts") or {}).items()},
        "parameters": kept["parameters"],
        "system_tags": tags, "tags": sorted(set(request.get("tags") or [])),
        "namespace": request.get("namespace") or settings.default_namespace, "versions": versions,
        "git": git_state(os.path.dirname(request["script"])) if request.get("script") else None, "max_workers": slots,
    }


def _worker_init(store: Store, record: Mapping[str, Any], kept: Mapping[str, Any], settings: Any) -> dict[str, Any]:
    origin = record["origin"]
    return {
        "code": store.blobs.path(kept["code"]),
        "blobs": store.storage.local_path("blobs"),
        "parameters": {name: reference(value) for name, value in kept["parameters"].items()},
        "current": {
            "flow_name": record["flow"], "run_id": record["run"], "namespace": record["namespace"],
            "username": record["user"], "origin_run_id": origin["run"] if origin else None,
            "tags": record["tags"], "is_production": False,
        },
    }
