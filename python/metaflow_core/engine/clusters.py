"""Which backends a run needs, whether they can be had, and what they are made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..contracts.backend import Backend, BackendContext
from ..contracts.decorator import LOCAL, StepPolicy
from ..errors import BackendError, MetaflowError
from ..registry import plugins
from ..store.open import Store
from .router import Router

__all__ = ["check_clusters", "cluster_context", "clusters_of", "placed", "placed_backend"]


def placed(settings: Any, policies: Mapping[str, StepPolicy], asked: Iterable[str] = ()) -> dict[str, StepPolicy]:
    """The policies with the names of backends as their plugins have them. A step that names a cluster in the flow which
    nobody set up here runs on this machine (`away` says why); `asked` are backends that the command line asked for
    (`--with`), and those, as the places of retries, must be there: else BackendError. What stands for the cluster of
    the house (titus) is the one that was asked for."""
    must = {_resolved(settings, name) for name in asked}
    house = min(must - {LOCAL}, default=None)
    return {step: _placed(settings, step, policy, must, house) for step, policy in policies.items()}


def _placed(settings: Any, step: str, policy: StepPolicy, must: set[str], house: str | None) -> StepPolicy:
    name = _resolved(settings, policy.backend, house)
    again = policy.retry_with and _resolved(settings, policy.retry_with, house)
    problem = _missing(settings, name, policy.backend_args)
    if problem and name in must:
        raise _not_set_up(name, problem)
    # A retry that moves leaves the arguments of the first place behind.
    elsewhere = policy.backend_args if again == name else {}
    if again and _missing(settings, again, elsewhere):
        raise _not_set_up(again, _missing(settings, again, elsewhere))
    only_by_name = name != policy.backend and name not in must
    policy = replace(policy, backend=name, retry_with=again)
    if only_by_name and not problem:
        problem = _unfit(settings, step, policy)
    return replace(policy.at_home(), away=problem) if problem else policy


def _unfit(settings: Any, step: str, policy: StepPolicy) -> str | None:
    """Why a step that named no cluster itself cannot run on the one that stands in for it: no fault of the flow."""
    if policy.backend == LOCAL:
        return None
    try:
        plugins("backends").get(policy.backend).check(settings, {step: policy})
    except MetaflowError as problem:
        return problem.message
    return None


def _resolved(settings: Any, name: str, house: str | None = None) -> str:
    if name == LOCAL:
        return name
    kind = plugins("backends").get(name)
    if kind.stands_for is None:
        return kind.name
    return house or _resolved(settings, kind.stands_for(settings))


def _missing(settings: Any, name: str, args: Mapping[str, Any]) -> str | None:
    return None if name == LOCAL else plugins("backends").get(name).missing(settings, args)


def _not_set_up(name: str, problem: str | None) -> BackendError:
    return BackendError(
        f"nothing can run with '{name}': {problem}",
        hint="Set it up, or leave it out: the flow then runs on this machine.",
    )


def clusters_of(policies: Mapping[str, StepPolicy]) -> set[str]:
    """Names of the backends besides this machine where steps of the flow may run."""
    return {name for policy in policies.values() for name in policy.backends()} - {LOCAL}


def check_clusters(settings: Any, policies: Mapping[str, StepPolicy]) -> None:
    """Raises a MetaflowError, before anything is written, when a step is meant for a cluster that cannot be had."""
    for name in sorted(clusters_of(policies)):
        theirs = {
            step: policy if policy.backend == name else policy.for_attempt(1)
            for step, policy in policies.items()
            if name in policy.backends()
        }
        plugins("backends").get(name).check(settings, theirs)


def placed_backend(
    clusters: set[str], make_local: Callable[[], Backend], make_context: Callable[[], BackendContext]
) -> Backend:
    """The one backend that the loop drives: this machine, or a router to it and to `clusters`."""
    if not clusters:
        return make_local()
    kinds = {name: plugins("backends").get(name) for name in sorted(clusters)}
    makers = {name: partial(_made, kind, make_context) for name, kind in kinds.items()}
    return Router({LOCAL: make_local, **makers})


def _made(kind: Any, make_context: Callable[[], BackendContext]) -> Backend:
    return kind.make(make_context())


def cluster_context(
    store: Store, settings: Any, request: Mapping[str, Any], record: Mapping[str, Any], init: Mapping[str, Any],
    machine: Mapping[str, Any],
) -> BackendContext:
    """`machine`: {"workers", "python", "core"}, how things are started where the files are those of this machine."""
    limit = request.get("max_workers")
    if limit is None and settings.sources.get("max_workers", "default") != "default":
        limit = settings.max_workers  # the default counts the cores of this machine, which says nothing about a cluster
    return BackendContext(
        settings=settings, store=store, flow=record["flow"], run=record["run"], init=init,
        workers=machine.get("workers") or {}, python=machine.get("python") or "python3", core=machine.get("core") or "",
        cwd=request.get("cwd"), max_workers=None if limit is None else int(limit),
    )
