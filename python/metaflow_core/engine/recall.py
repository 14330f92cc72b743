"""The memory of a run, from what R asked for (see `run_request()` in R/run.R)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..graph.flow import FlowSpec
from ..store.open import Store
from ..store.package import digest_package
from .plan import Plan
from .position import task_seed
from .python_steps import functions_of
from .resume import OriginRun
from .states import Outcome, Task

if TYPE_CHECKING:
    from .memory import Memory
    from .python_memory import PythonCode

__all__ = ["current_facts", "first_found", "fresh_seed", "memory_for", "wanted_decorators"]


def wanted_decorators(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What every step is to have besides its own: the decorators of `--with`, and that of `--cache`."""
    return [*(request.get("with") or []), *([{"name": "cache", "args": {}}] if request.get("cache") else [])]


def fresh_seed(plan: Plan) -> int:
    """Of a run that was given none. One that wants to find what it did before has the same numbers each time."""
    return task_seed(0, plan.flow) if _is_memoised(plan) else 1 + int.from_bytes(os.urandom(8), "big") % (2**31 - 1)


def memory_for(
    store: Store,
    spec: FlowSpec,
    plan: Plan,
    request: Mapping[str, Any],
    record: Mapping[str, Any],
    files: Callable[[], Mapping[str, str]] | None = None,
) -> Memory | None:
    """What is known of the memoised steps; None for a flow without one. `record` is that of the run; `files()` gives
    digests of the files that it keeps, where it does not keep them yet."""
    if request.get("fingerprint") is None or not _is_memoised(plan):
        return None
    # Most runs have none, and start without loading these.
    from .fingerprint import read_fingerprint
    from .memory import Memory

    fingerprint = read_fingerprint(request["fingerprint"], request["staging"])
    return Memory(
        store,
        spec,
        plan,
        fingerprint,
        record["parameters"],
        current_facts(record),
        record["seed"],
        record["namespace"],
        search=request.get("cache") is not False,
        redo=record.get("resume_step"),
        python=_python_code(store, spec, plan, record, files),
    )


def _python_code(
    store: Store,
    spec: FlowSpec,
    plan: Plan,
    record: Mapping[str, Any],
    files: Callable[[], Mapping[str, str]] | None,
) -> PythonCode | None:
    if not any(plan.steps[step].policy.cache_on for step in functions_of(spec)):
        return None
    from .python_memory import python_code

    if files is not None:
        return python_code(spec, files())
    return python_code(spec, digest_package(store.blobs.path(record["package"])) if record.get("package") else {})


def first_found(past: OriginRun | None, memory: Memory | None) -> Callable[[Task], Outcome | None] | None:
    """Where a task may come from: the run that is resumed, then any run that did the same."""
    if past is None or memory is None:
        return past.find if past is not None else memory.find if memory is not None else None
    return lambda task: past.find(task) or memory.find(task)


def current_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What current() says in all tasks of a run."""
    origin = record["origin"]
    return {
        "flow_name": record["flow"],
        "run_id": record["run"],
        "namespace": record["namespace"],
        "username": record["user"],
        "origin_run_id": origin["run"] if origin else None,
        "tags": record["tags"],
        "is_production": False,
    }


def _is_memoised(plan: Plan) -> bool:
    return any(step.policy.cache_on for step in plan.steps.values())
