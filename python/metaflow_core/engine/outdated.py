"""What a run would do, without doing it: the steps whose tasks it would take over, and those it would run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..decorators.policy import effective
from ..graph.flow import FlowSpec
from ..store.blobs import digest_of_file
from ..store.open import Store
from .outcome import describe_staged
from .plan import make_plan
from .python_steps import code_folder
from .recall import fresh_seed, memory_for, wanted_decorators
from .start import checked_spec, code_snapshot
from .states import Scheduler, Task

__all__ = ["outdated_steps"]

Row = dict[str, Any]


def outdated_steps(store: Store, settings: Any, request: Mapping[str, Any]) -> list[Row]:
    """One row for each step, in the order of the flow: {"step", "memoised", "tasks", "current", "why"}.

    `tasks` are those that are known to come, `current` those of them that an earlier task stands in for; None where
    that cannot be known before an earlier step has run. `why` is of the first task that would run.
    """
    spec = checked_spec(request["spec"], wanted_decorators(request), code_folder(request))
    plan = make_plan(spec, {step.name: effective(step.decorators) for step in spec.steps})
    seed = request.get("seed")
    record = {
        "flow": spec.name,
        "run": "",
        "origin": None,
        "user": settings.user,
        "tags": sorted(set(request.get("tags") or [])),
        "namespace": request.get("namespace") or settings.default_namespace,
        "seed": fresh_seed(plan) if seed is None else int(seed),
        "parameters": describe_staged(request["staging"], request.get("values") or {}),
    }
    memory = memory_for(store, spec, plan, request, record, partial(_kept_files, request, spec, settings))
    scheduler = Scheduler(
        plan, int(request.get("max_num_splits") or settings.max_num_splits), None if memory is None else memory.find
    )
    scheduler.start()
    taken: dict[str, int] = {}
    while (item := scheduler.next_clone()) is not None:
        taken[item[0].step] = taken.get(item[0].step, 0) + 1
        scheduler.succeeded(*item)
    to_run: dict[str, list[Task]] = {}
    while (task := scheduler.next_ready(time.monotonic(), lambda policy: True)) is not None:
        to_run.setdefault(task.step, []).append(task)
    return [
        {
            "step": step.name,
            "memoised": memory is not None and memory.remembers(step.name),
            "tasks": taken.get(step.name, 0) + len(waiting) or None,
            "current": taken.get(step.name, 0) if step.name in taken or waiting else None,
            "why": memory.why(waiting[0]) if memory is not None and waiting else None,
        }
        for step in spec.steps
        for waiting in [to_run.get(step.name, [])]
    ]


def _kept_files(request: Mapping[str, Any], spec: FlowSpec, settings: Any) -> dict[str, str]:
    """{name: digest} of the files that a run of now would keep."""
    snapshot = code_snapshot(request, spec, settings)
    return {} if snapshot is None else {name: digest_of_file(path) for name, path in snapshot.files}
