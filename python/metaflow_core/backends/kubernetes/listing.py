"""The jobs of a flow on Kubernetes, for `kubernetes list` and `kubernetes kill`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from ...errors import BackendError
from ..jobs import Refused, Unanswered
from .cluster import connect, missing
from .names import LABEL_PREFIX, identity, selector

__all__ = ["Jobs"]


class Jobs:
    """The contract is JobList of contracts/backend.py; places are namespaces."""

    def __init__(self, settings: Any, store: Any = None) -> None:
        problem = missing(settings)
        if problem:
            raise BackendError(
                f"Kubernetes cannot be asked: {problem}", hint="Set KUBECONFIG to the configuration of a cluster."
            )
        self._settings = settings
        self._cluster = connect(settings)

    def list(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[dict[str, Any]]:
        return [_row(job) for job in self._jobs(flow, run, places)]

    def kill(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[str]:
        alive = [job["metadata"] for job in self._jobs(flow, run, places) if _status(job) in ("waiting", "running")]
        for job in alive:
            self._ask(self._cluster.delete_job, job["namespace"], job["name"])
        return [job["name"] for job in alive]

    def _jobs(self, flow: str, run: str | None, places: Iterable[str]) -> list[dict[str, Any]]:
        labels = selector(identity(self._settings.datastore_root, flow, run))
        namespaces = sorted({self._settings.kubernetes_namespace, *places})
        return [job for namespace in namespaces for job in self._ask(self._cluster.jobs, namespace, labels)]

    def _ask(self, verb: Any, namespace: str, what: str) -> Any:
        try:
            return verb(namespace, what)
        except (Refused, Unanswered) as problem:
            raise BackendError(f"Kubernetes gives no answer about the namespace '{namespace}': {problem}") from None


def _row(job: Mapping[str, Any]) -> dict[str, Any]:
    metadata = job["metadata"]
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    created = datetime.strptime(metadata["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return {
        "job": metadata["name"],
        "run": labels.get(f"{LABEL_PREFIX}run"),
        "step": labels.get(f"{LABEL_PREFIX}step"),
        "tasks": job["spec"].get("completions") or 1,
        "status": _status(job),
        "user": notes.get(f"{LABEL_PREFIX}user"),
        "created": created.timestamp(),
    }


def _status(job: Mapping[str, Any]) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    for condition in conditions:
        if condition.get("status") == "True" and condition["type"] in ("Complete", "Failed"):
            return "succeeded" if condition["type"] == "Complete" else "failed"
    return "running" if (job.get("status") or {}).get("active") else "waiting"
