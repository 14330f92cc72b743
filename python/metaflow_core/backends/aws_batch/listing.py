"""The jobs of a flow on AWS Batch, for `batch list` and `batch kill`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import BackendError
from ..jobs import Refused, Unanswered, store_digest
from .options import client_missing
from .queue import connect
from .requests import job_name, job_tags

__all__ = ["Jobs"]

_ALIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


class Jobs:
    """The contract is JobList of contracts/backend.py; places are queues."""

    def __init__(self, settings: Any, store: Any = None) -> None:
        problem = client_missing()
        if problem:
            raise BackendError(f"AWS Batch cannot be asked: {problem}", hint="Run install_metaflow().")
        self._settings = settings
        self._service: Any = None

    def list(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[dict[str, Any]]:
        return [self._row(job) for job in self._jobs(flow, run, places)]

    def kill(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[str]:
        alive = [job for job in self._jobs(flow, run, places) if job["status"] in _ALIVE]
        for job in alive:
            try:
                self._service.terminate(job["jobId"], "killed with `batch kill`")
            except (Refused, Unanswered) as problem:
                raise BackendError(f"AWS Batch did not end the job {job['jobName']}: {problem}") from None
        return [job["jobName"] for job in alive]

    def _jobs(self, flow: str, run: str | None, places: Iterable[str]) -> list[dict[str, Any]]:
        queues = {queue for queue in (self._settings.batch_job_queue, *places) if queue}
        if not queues:
            raise BackendError(
                "AWS Batch cannot be asked: no job queue is configured (METAFLOW_BATCH_JOB_QUEUE), "
                "and no run sent jobs to one",
                hint="Set METAFLOW_BATCH_JOB_QUEUE.",
            )
        self._service = connect(self._settings)
        # A queue may be named in two ways, the other one being its ARN.
        return list({job["jobId"]: job for queue in sorted(queues) for job in self._jobs_in(queue, flow, run)}.values())

    def _jobs_in(self, queue: str, flow: str, run: str | None) -> list[dict[str, Any]]:
        begins = job_name(flow, run or "", "")[: None if run else -1]
        tags = job_tags(store_digest(self._settings.datastore_root), flow, run or "", "", "")
        keys = ["metaflow.store", "metaflow.flow"] + (["metaflow.run"] if run else [])
        try:
            found = self._service.find(queue, f"{begins.rstrip('-')}-*")
            described = self._service.describe([job["jobId"] for job in found if ":" not in job["jobId"]])
        except (Refused, Unanswered) as problem:
            raise BackendError(f"AWS Batch gives no answer about the queue '{queue}': {problem}") from None
        return [job for job in described if all((job.get("tags") or {}).get(key) == tags[key] for key in keys)]

    def _row(self, job: dict[str, Any]) -> dict[str, Any]:
        tags = job.get("tags") or {}
        return {
            "job": job["jobName"],
            "run": tags.get("metaflow.run"),
            "step": tags.get("metaflow.step"),
            "tasks": (job.get("arrayProperties") or {}).get("size") or 1,
            "status": job["status"].lower(),
            "user": tags.get("metaflow.user"),
            "created": (job.get("createdAt") or 0) / 1000,
        }
