"""Begins a run: everything is checked first, then the run id is claimed, then the loop is handed over."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from ..store.audit import AuditLog
from ..store.blobs import digest_of
from ..store.liveness import host_name, process_start, shown_status
from ..store.namespaces import check_namespace, in_namespace, namespace_tags
from ..store.open import Store
from ..store.package import pack_files
from ..store.snapshot import Snapshot, folder_snapshot
from .admission import Admission, machine
from .clusters import check_clusters, cluster_context, clusters_of, placed, placed_backend
from .commit import reference
from .continued import ContinuedRun
from .git import git_state
from .loop import RunLoop
from .origin_begun import origin_begun
from .outcome import store_staged
from .plan import Plan, make_plan
from .python_steps import code_digests, code_files, code_folder, functions_of, python_problems
from .recall import current_facts, first_found, fresh_seed, memory_for, wanted_decorators
from .resume import OriginRun
from .retried import SCRATCH, RetriedTask
from .states import Scheduler
from .worker_init import worker_init

if TYPE_CHECKING:
    from .memory import Memory

__all__ = ["begin_run", "checked_spec", "code_snapshot", "continue_run", "origin_run"]


def checked_spec(
    data: Mapping[str, Any], extra: list[Mapping[str, Any]] | None = None, folder: str | None = None
) -> FlowSpec:
    """The flow, with the decorators of `--with` added, or InvalidFlow with every problem it has. `folder`: where the
    files are that steps in Python name."""
    spec = with_decorators(FlowSpec.from_dict(data), extra or [])
    found = problems(spec)
    if functions_of(spec):
        places = {step.name: place for place, step in enumerate(spec.steps)}
        found = sorted([*found, *python_problems(spec, folder or os.getcwd())], key=lambda p: places.get(p.step, -1))
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

    def excluded(decorator, have):
        """What a step says itself wins: one that is for another cluster stays there."""
        kind = known.find(decorator.name)
        return kind is not None and not have.isdisjoint(kind.conflicts)

    def extended(step):
        have = {name(decorator) for decorator in step.decorators}
        new = tuple(d for d in added if name(d) not in have and may_have(step, d) and not excluded(d, have))
        return replace(step, decorators=step.decorators + new)

    return replace(spec, steps=tuple(extended(step) for step in spec.steps)) if added else spec


def begin_run(
    store: Store, settings: Any, request: Mapping[str, Any], make_backend: Any, machine_facts: Any = None
) -> RunLoop:
    """Claim a run for `request` (see bridge/runs.py) and return its loop. Raises before anything is written if it
    cannot run.

    `make_backend(init, slots)` gives the backend of this machine, `init` being the order that its workers get first.
    `machine_facts`: how workers and the core are started on a machine that has the same files, see BackendContext.
    """
    spec = checked_spec(request["spec"], wanted_decorators(request), code_folder(request))
    plan = _plan(settings, request, spec)
    origin = _origin(store, settings, spec, plan, request.get("resume"))
    slots = int(request.get("max_workers") or settings.max_workers)
    kept = _keep_inputs(store, settings, request, spec, origin[1] if origin else None)
    seed = request.get("seed")
    if seed is None:
        seed = origin[1]["seed"] if origin else fresh_seed(plan)
    record = _record(spec, settings, request, kept, origin, int(seed), slots)

    claimed: dict[str, Any] = {}

    def content(run: str) -> dict[str, Any]:
        claimed.update(record, run=run)
        return dict(claimed)

    past = origin[0] if origin else None
    memory = memory_for(store, spec, plan, request, record)
    store.runs.claim_run(spec.name, content)
    try:
        _check_origin_stays(store, spec.name, past)
        status = store.runs.update_status(spec.name, claimed["run"], lambda status: status)
        loop = _loop(store, settings, request, claimed, spec, plan, past, memory, make_backend, machine_facts)
        tags = store.runs.read_tags(spec.name, claimed["run"])
        loop.in_index(lambda index: index.record_run(claimed, status, tags))
    except BaseException as problem:
        _give_up(store, spec.name, claimed["run"], problem)
        raise
    for text in [*(request.get("notes") or []), *kept["left_out"], *_audit_start(store, claimed)]:
        loop.warn(text)
    if origin:
        loop.warn_when_cloned(_changed_steps(origin[1], claimed))
    return loop


def continue_run(
    store: Store, settings: Any, request: Mapping[str, Any], run: str, make_backend: Any, machine_facts: Any = None
) -> RunLoop:
    """Go on with a run whose scheduler was suspended or died; `request` is what it began with. Raises ResumeError when
    the run has ended, or its scheduler is alive."""
    flow = request["spec"]["name"]
    record = store.runs.read_run(flow, run)
    spec = FlowSpec.from_dict(record["spec"])
    plan = _plan(settings, request, spec)
    memory = memory_for(store, spec, plan, request, record)
    status = store.runs.update_status(flow, run, _taken_in_hand)
    past = ContinuedRun(store, plan, run)
    loop = _loop(
        store, settings, request, record, spec, plan, past, memory, make_backend, machine_facts,
        first_batch=store.runs.batches.next_number(flow, run),
    )
    loop.in_index(lambda index: index.record_status(flow, run, status))
    AuditLog(store.storage).try_write("run continued", settings.user, flow=flow, run=run)
    return loop


def _taken_in_hand(status: dict[str, Any]) -> dict[str, Any]:
    """The status of a run that this process drives from now on."""
    shown = shown_status(status)
    if shown not in ("running", "lost"):
        raise ResumeError(f"the run has {shown} and cannot be continued", hint="Resume it: that makes a new run.")
    if shown == "running" and status.get("suspended_at") is None:
        raise ResumeError("the run cannot be continued, because its scheduler is alive", hint="Wait for its end.")
    me = os.getpid()
    owner = {"host": host_name(), "pid": me, "pid_start": process_start(me), "heartbeat_at": time.time()}
    return {**status, **owner, "suspended_at": None}


def _plan(settings: Any, request: Mapping[str, Any], spec: FlowSpec) -> Plan:
    """The plan, with every step at a place that can be had; else a MetaflowError."""
    wished = {step.name: effective(step.decorators) for step in spec.steps}
    asked = {effective([DecoratorSpec.from_dict(item)]).backend for item in request.get("with") or []}
    plan = make_plan(spec, placed(settings, wished, asked))
    check_clusters(settings, {name: step.policy for name, step in plan.steps.items()})
    return plan


def _loop(
    store: Store, settings: Any, request: Mapping[str, Any], record: Mapping[str, Any], spec: FlowSpec, plan: Plan,
    past: OriginRun | None, memory: Memory | None, make_backend: Any, machine_facts: Any, first_batch: int = 0,
) -> RunLoop:
    """The loop of a run whose `record` is in the store. `past` has tasks that need not be done."""
    slots = int(request.get("max_workers") or settings.max_workers)
    scheduler = Scheduler(
        plan, int(request.get("max_num_splits") or settings.max_num_splits), first_found(past, memory),
        only=getattr(past, "position", None), last_id=getattr(past, "last_id", 0),
    )
    if memory is not None:
        memory.run = record["run"]
    init = _init_facts(record, memory is not None, functions_of(spec))
    clusters = clusters_of({name: step.policy for name, step in plan.steps.items()})
    backend = placed_backend(
        clusters | (past.job_backends() if past else set()),
        lambda: make_backend(worker_init(store, init, store.work.run_folder(record["flow"], record["run"])), slots),
        lambda: cluster_context(store, settings, request, record, init, machine_facts or {}),
    )
    if past:
        past.look_for_jobs(backend.find)
    find_job = past.find_job if past else _no_job
    cores, megabytes = machine()
    admission = Admission(slots, cores, megabytes)
    return RunLoop(store, record, plan, scheduler, backend, admission, memory, find_job, first_batch)


def _no_job(task: Any) -> None:
    """A run that begins has no jobs of an earlier one."""


def _check_origin_stays(store: Store, flow: str, origin: OriginRun | None) -> None:
    """From now on our run.json names the origin, which protects it; but a clean-up may have been a moment faster."""
    if origin is not None and (
        not store.runs.exists(flow, origin.run) or store.runs.read_status(flow, origin.run).get("deleting")
    ):
        text = f"run {origin.run} of '{flow}' is being deleted and cannot be resumed"
        raise ResumeError(text, hint="Start a new run.")


def _audit_start(store: Store, record: Mapping[str, Any]) -> list[str]:
    """Put the start into the audit; what went wrong, if anything."""
    origin = record["origin"]
    facts = {"origin": origin["run"], "step": record["resume_step"]} if origin else {}
    action = "run resumed" if origin else "run started"
    about = {"flow": record["flow"], "run": record["run"], "namespace": record["namespace"], "tags": record["tags"]}
    problem = AuditLog(store.storage).try_write(action, record["user"], **about, **facts)
    return [f"the audit has no record of this run: {problem}"] if problem else []


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
    store: Store, settings: Any, spec: FlowSpec, plan: Plan, resume: Mapping[str, Any] | None
) -> tuple[OriginRun, dict[str, Any]] | None:
    """The run to resume and its record; None for a fresh run."""
    if resume is None:
        return None
    step = resume.get("step")
    names = [s.name for s in spec.steps]
    if step is not None and step not in names:
        raise ResumeError(f"the flow '{spec.name}' has no step '{step}' to resume from", hint=did_you_mean(step, names))
    run = origin_run(store, spec.name, resume.get("run"), (resume.get("namespace") or [settings.default_namespace])[0])
    if resume.get("task") is None and shown_status(store.runs.read_status(spec.name, run)) != "running":
        run, step = origin_begun(store, spec.name, run, step)
    if shown_status(store.runs.read_status(spec.name, run)) == "running":
        raise ResumeError(
            f"run {run} of '{spec.name}' is still running", hint="Wait for its end, or stop it, before it is resumed."
        )
    task = resume.get("task")
    past = OriginRun(store, plan, run, step) if task is None else RetriedTask(store, plan, run, task)
    return past, store.runs.read_run(spec.name, run)


def origin_run(store: Store, flow: str, wanted: Any, namespace: str | None) -> str:
    """The run that is meant: by default the newest one of the namespace. Whoever is in the namespace may resume it."""
    runs = [run for run in store.runs.list_runs(flow) if store.runs.exists(flow, run)]
    if not runs:
        raise ResumeError(f"'{flow}' has no run to resume", hint="Start the first one with 'run'.")
    if wanted is None:
        for run in reversed(runs):
            record = store.runs.read_run(flow, run)
            if SCRATCH in (record.get("system_tags") or ()):
                continue
            if in_namespace(namespace, record, store.runs.read_tags(flow, run)):
                return run
        raise ResumeError(
            f"'{flow}' has no run to resume in the namespace '{namespace}'",
            hint=f"Choose another one by set_namespace() or --namespace; the newest run of all is {runs[-1]}.",
        )
    run = str(wanted).rpartition("/")[2]
    if run not in runs:
        raise ResumeError(
            f"run {run} of '{flow}' does not exist and cannot be resumed", hint=f"The newest run is {runs[-1]}."
        )
    check_namespace(namespace, store.runs.read_run(flow, run), store.runs.read_tags(flow, run))
    return run


def _keep_inputs(
    store: Store, settings: Any, request: Mapping[str, Any], spec: FlowSpec, origin: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The captured code and the values of the parameters, as blobs. A resumed run has the parameters of its origin."""
    values = request.get("values") or {}
    kept = store_staged(store.blobs, request["staging"], {"artifacts": values})
    parameters = kept["artifacts"]
    for name, shown in (request.get("reprs") or {}).items():
        if name in parameters:
            parameters[name]["repr"] = shown
    if origin is not None:
        # What is given is a configuration; parameters are those of the origin.
        parameters = {**origin["parameters"], **parameters}
    code = store.blobs.put_file(os.path.join(request["staging"], request["code"]))
    package, left_out = _package(store, request, spec, settings)
    return {"parameters": parameters, "code": code, "package": package, "left_out": left_out}


def _package(store: Store, request: Mapping[str, Any], spec: FlowSpec, settings: Any) -> tuple[str | None, list[str]]:
    """The digest of the snapshot of the script's folder, and sentences about what is not in it."""
    snapshot = code_snapshot(request, spec, settings)
    return (None, []) if snapshot is None else (store.blobs.put_bytes(pack_files(snapshot.files)), snapshot.left_out)


def code_snapshot(request: Mapping[str, Any], spec: FlowSpec, settings: Any) -> Snapshot | None:
    """The files that a run keeps; None for a flow that has no script and no code in files."""
    script, needed = request.get("script"), code_files(spec)
    if script is None and not functions_of(spec):
        return None
    limit = settings.package_max_megabytes * 1e6
    suffixes = settings.package_suffixes if script else (".py",)
    always = {*needed, *([os.path.basename(script)] if script else [])}
    snapshot = folder_snapshot(code_folder(request), suffixes, limit, always=always)
    missing = sorted(needed - {name for name, _ in snapshot.files})
    if missing:
        raise InvalidFlow(
            f"the code package does not have '{missing[0]}', which is a step's",
            hint="It is named in .gitignore or .metaflowignore, or the package is full "
            "(METAFLOW_PACKAGE_MAX_MEGABYTES).",
        )
    return snapshot


def _record(spec, settings, request, kept, origin, seed: int, slots: int) -> dict[str, Any]:
    user = settings.user
    namespace = request.get("namespace") or settings.default_namespace
    tags = [
        *namespace_tags(namespace, user),
        "runtime:dev",
        f"date:{time.strftime('%Y-%m-%d')}",
        f"metaflow_version:{__version__}",
    ]
    versions = dict(request.get("versions") or {})
    if versions.get("R"):
        tags.append(f"r_version:{versions['R']}")
    versions.update(metaflow=__version__, python=".".join(map(str, sys.version_info[:3])))
    resume = request.get("resume")
    if (resume or {}).get("task"):
        tags.append(SCRATCH)
    return {
        "format": 1, "flow": spec.name, "run": "", "created_at": time.time(), "user": user,
        "host": host_name(), "pid": os.getpid(), "pid_start": process_start(os.getpid()),
        "script": request.get("script"), "argv": request.get("argv"), "cwd": request.get("cwd"),
        "origin": {"run": origin[0].run} if origin else None, "resume_step": (resume or {}).get("step"),
        "seed": seed, "spec": spec.to_dict(), "code": kept["code"], "package": kept["package"],
        "code_digests": {
            **{step: digest_of(text.encode()) for step, text in (request.get("code_texts") or {}).items()},
            **code_digests(spec, code_folder(request)),
        },
        "parameters": kept["parameters"], "configs": request.get("configs") or {},
        "system_tags": tags, "tags": sorted(set(request.get("tags") or [])),
        "namespace": namespace, "versions": versions,
        "git": git_state(os.path.dirname(request["script"])) if request.get("script") else None, "max_workers": slots,
    }


def _init_facts(record: Mapping[str, Any], traced: bool, functions: Mapping[str, str]) -> dict[str, Any]:
    """What every worker of the run is told, wherever it is: see `worker_init`. `traced`: the tasks of some step are to
    note which objects of the workspace they look at. `functions` are those of steps in Python."""
    return {
        **({"functions": dict(functions)} if functions else {}),
        "code": record["code"],
        "package": record["package"],
        "parameters": {name: reference(value) for name, value in record["parameters"].items()},
        "current": current_facts(record),
        "trace": traced,
    }
