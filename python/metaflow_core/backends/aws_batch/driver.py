"""Jobs of a run on AWS Batch, behind the verbs of backends/jobs.py."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ...contracts.backend import BackendContext, Submission
from ...contracts.decorator import StepPolicy
from ..containers import container_command, numbers_by_job, same_request, with_last_line
from ..jobs import Job, JobState, Place, Refused, job_environment, store_digest
from .options import options_of
from .queue import BatchService
from .requests import SubmitFacts, complaints, job_definition, job_name, job_tags, submission
from .status import job_state

__all__ = ["BatchDriver"]

_MAX_ARRAY = 10_000
_LOG_LINES = 100
_DONE = ("SUCCEEDED", "FAILED")


class BatchDriver:
    name = "aws_batch"
    title = "AWS Batch"
    max_array = _MAX_ARRAY
    limits_arrays = False
    same_files = False
    poll_seconds = 2.0

    def __init__(self, context: BackendContext, service: BatchService) -> None:
        self._context = context
        self._service = service
        self._fargate: dict[str, bool] = {}
        # Ids by the names of jobs; what is known of the tasks of arrays.
        self._ids: dict[str, str] = {}
        self._counts: dict[str, tuple[int, ...]] = {}
        self._children: dict[str, dict[int, JobState]] = {}

    def where(self, policy: StepPolicy) -> str:
        return policy.backend_args.get("queue") or self._context.settings.batch_job_queue or ""

    def group(self, task: Submission) -> Hashable:
        return same_request(task)

    def submit(self, job: Job) -> None:
        context, policy = self._context, job.policies[0]
        options, queue = options_of(context.settings, policy), job.where
        if not queue:
            raise Refused("no job queue is named")
        if queue not in self._fargate:
            self._fargate[queue] = self._service.is_fargate(queue)
        for sentence in complaints(options, self._fargate[queue]):
            raise Refused(sentence)
        facts = SubmitFacts(
            name=self._name(job),
            queue=queue,
            definition=self._service.define(job_definition(options, self._fargate[queue])),
            command=container_command(context, job, "${AWS_BATCH_JOB_ARRAY_INDEX:-0}", "$AWS_BATCH_JOB_ID"),
            environment=job_environment(context, same_files=False),
            count=len(job.paths),
            tags=job_tags(
                store_digest(context.settings.datastore_root), job.flow, job.run, job.step, context.settings.user
            ),
            timeout_seconds=policy.timeout_seconds,
            fargate=self._fargate[queue],
            args=options,
        )
        self._ids[job.name] = self._service.submit(submission(facts))

    def look(self, jobs: Sequence[Job]) -> dict[Place, JobState]:
        ids = {}
        for job in jobs:
            found = self._id(job)
            if found is not None:
                ids[found] = job
        states: dict[Place, JobState] = {}
        for item in self._service.describe(ids):
            job = ids.get(item["jobId"])
            if job is None:
                continue
            if len(job.paths) == 1:
                states[job.name, 0] = job_state(item)
            else:
                states.update(self._array_states(job, item))
        return states

    def diagnose(self, job: Job, number: int, state: JobState) -> JobState:
        """What AWS says about the container, and what the runner said before it failed."""
        found = self._service.describe([self._child(job, number)])
        closer = job_state(found[0]) if found else state
        closer = closer if closer.phase == "ended" else state
        return with_last_line(closer, self._output(job, number) if closer.cause in ("error", "crash") else "")

    def cancel(self, places: Sequence[tuple[Job, int]]) -> None:
        for job, numbers in numbers_by_job(places):
            found = self._id(job)
            if found is None:
                continue
            whole = len(numbers) == len(job.paths)
            for target in [found] if whole else [self._child(job, number) for number in sorted(numbers)]:
                self._service.terminate(target, "cancelled by metaflow")

    def tidy(self, job: Job, number: int) -> None:
        """AWS Batch forgets jobs that ended by itself."""

    def _output(self, job: Job, number: int) -> str:
        found = self._service.describe([self._child(job, number)]) if self._id(job) else []
        stream = ((found[0].get("container") or {}).get("logStreamName")) if found else None
        return self._service.log(stream, _LOG_LINES) if stream else ""

    # -- parts

    def _name(self, job: Job) -> str:
        return job_name(job.flow, job.run, job.name)

    def _id(self, job: Job) -> str | None:
        """By its name where the answer to its submission was lost, or it was another scheduler's."""
        if job.name not in self._ids:
            found = self._service.find(job.where, self._name(job))
            if not found:
                return None
            self._ids[job.name] = found[0]["jobId"]
        return self._ids[job.name]

    def _child(self, job: Job, number: int) -> str:
        found = self._id(job)
        return f"{found}:{number}" if len(job.paths) > 1 else f"{found}"

    def _array_states(self, job: Job, item: Mapping[str, Any]) -> dict[Place, JobState]:
        """The parent's counts tell whether the children have to be asked."""
        summary = (item.get("arrayProperties") or {}).get("statusSummary") or {}
        counts = tuple(int(summary.get(status) or 0) for status in ("RUNNING", *_DONE))
        known = self._children.setdefault(job.name, {number: JobState("waiting") for number in range(len(job.paths))})
        if counts != self._counts.get(job.name):
            for status in ("RUNNING", *_DONE):
                for child in self._service.children(self._ids[job.name], status):
                    known[_index(child)] = job_state({**child, "status": child.get("status") or status})
            self._counts[job.name] = counts
        if item.get("status") == "FAILED" and not sum(counts):
            ended = job_state(item)  # it never came to have children
            known.update(dict.fromkeys(known, ended))
        return {(job.name, number): state for number, state in known.items()}


def _index(child: Mapping[str, Any]) -> int:
    index = (child.get("arrayProperties") or {}).get("index")
    return int(child["jobId"].rpartition(":")[2] if index is None else index)
