"""Jobs of a run on Kubernetes, behind the verbs of backends/jobs.py."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ...contracts.backend import BackendContext, Submission
from ...contracts.decorator import StepPolicy
from ..containers import container_command, numbers_by_job, same_request, with_last_line
from ..jobs import Job, JobState, Place, Refused, job_environment
from .cluster import Cluster
from .manifest import JobFacts, job_manifest
from .names import LABEL_PREFIX, identity, job_name, selector
from .options import options_of
from .status import job_failure, pod_index, pod_state, unschedulable

__all__ = ["KubernetesDriver"]

# Kubernetes takes up to 100000 indexes; what it tells about failed ones is complete up to 10000.
_MAX_ARRAY = 10_000
_LOG_LINES = 100
_UNSCHEDULABLE_SECONDS = 30.0


class KubernetesDriver:
    name = "kubernetes"
    title = "Kubernetes"
    max_array = _MAX_ARRAY
    limits_arrays = True
    same_files = False
    poll_seconds = 1.0

    def __init__(
        self, context: BackendContext, cluster: Cluster, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._context = context
        self._cluster = cluster
        self._tell = tell
        self._pods: dict[Place, Mapping[str, Any]] = {}
        self._seen: set[str] = set()
        self._unwanted: set[Place] = set()
        self._told_waiting: set[str] = set()

    def where(self, policy: StepPolicy) -> str:
        return policy.backend_args.get("namespace") or self._context.settings.kubernetes_namespace

    def group(self, task: Submission) -> Hashable:
        return same_request(task)

    def submit(self, job: Job) -> None:
        facts = self._facts(job)
        self._cluster.create_job(facts.namespace, job_manifest(facts))
        self._seen.add(job.name)

    def look(self, jobs: Sequence[Job]) -> dict[Place, JobState]:
        states: dict[Place, JobState] = {}
        for (namespace, flow, run), group in _grouped(jobs).items():
            labels = selector(identity(self._context.settings.datastore_root, flow, run))
            known = {item["metadata"]["name"]: item for item in self._cluster.jobs(namespace, labels)}
            pods = self._newest_pods(namespace, labels)
            for job in group:
                item = known.get(job_name(job.name))
                if item is not None:
                    self._seen.add(job.name)
                    states.update(self._states(job, item, pods.get(job_name(job.name), {})))
                elif job.name in self._seen:
                    # An API server loses nothing: somebody deleted it.
                    states.update(dict.fromkeys(job.places(), JobState("ended", "preempted", "The job was deleted.")))
        self._delete_unwanted({job.name: job for job in jobs})
        return states

    def diagnose(self, job: Job, number: int, state: JobState) -> JobState:
        """What the runner said before it failed; and a pod that would never start is taken away."""
        pod = self._pods.get((job.name, number))
        if pod is None:
            return state
        if (pod.get("status") or {}).get("phase") == "Pending":
            self._remove(job, number)
            return state
        return with_last_line(state, self._output(job, number) if state.cause in ("error", "crash") else "")

    def cancel(self, places: Sequence[tuple[Job, int]]) -> None:
        for job, numbers in numbers_by_job(places):
            if len(numbers) == len(job.paths):
                self._cluster.delete_job(job.where, job_name(job.name))
                continue
            for number in numbers:
                self._remove(job, number)

    def tidy(self, job: Job, number: int) -> None:
        """Kubernetes removes jobs that ended by itself, see the manifest."""

    def _output(self, job: Job, number: int) -> str:
        pod = self._pods.get((job.name, number))
        return "" if pod is None else self._cluster.log(job.where, pod["metadata"]["name"], _LOG_LINES)

    # -- parts

    def _facts(self, job: Job) -> JobFacts:
        context, policy = self._context, job.policies[0]
        options = options_of(context.settings, policy)
        if not options.get("image"):
            raise Refused("no image is named")
        labels = identity(context.settings.datastore_root, job.flow, job.run, job.step)
        return JobFacts(
            name=job_name(job.name),
            namespace=job.where,
            image=options["image"],
            command=container_command(context, job, "${JOB_COMPLETION_INDEX:-0}", "$METAFLOW_POD"),
            environment=job_environment(context, same_files=False),
            labels=labels,
            count=len(job.paths),
            annotations={
                f"{LABEL_PREFIX}spec": job.address,
                f"{LABEL_PREFIX}user": context.settings.user,
                **_path_note(job),
            },
            parallelism=context.max_workers,
            timeout_seconds=policy.timeout_seconds,
            args=options,
        )

    def _newest_pods(self, namespace: str, labels: str) -> dict[str, dict[int, Mapping[str, Any]]]:
        """{name of a Job: {index: pod}}"""
        found: dict[str, dict[int, Mapping[str, Any]]] = {}
        for pod in self._cluster.pods(namespace, labels):
            metadata = pod["metadata"]
            name = (metadata.get("labels") or {}).get("batch.kubernetes.io/job-name") or (
                metadata.get("labels") or {}
            ).get("job-name")
            pods = found.setdefault(name, {})
            number = pod_index(pod)
            if number not in pods or pods[number]["metadata"]["creationTimestamp"] <= metadata["creationTimestamp"]:
                pods[number] = pod
        return found

    def _states(
        self, job: Job, item: Mapping[str, Any], pods: Mapping[int, Mapping[str, Any]]
    ) -> dict[Place, JobState]:
        states: dict[Place, JobState] = {}
        for number in range(len(job.paths)):
            pod = pods.get(number)
            if pod is None:
                states[job.name, number] = job_failure(item, number, len(job.paths) > 1) or JobState("waiting")
                continue
            self._pods[job.name, number] = pod
            waited = _age_seconds(pod)
            states[job.name, number] = pod_state(pod, waited)
            self._tell_waiting(job, pod, waited)
        return states

    def _tell_waiting(self, job: Job, pod: Mapping[str, Any], waited: float) -> None:
        """Once for a job: a task that waits for a node may wait for ever."""
        reason = unschedulable(pod)
        if reason and waited >= _UNSCHEDULABLE_SECONDS and job.name not in self._told_waiting:
            self._told_waiting.add(job.name)
            self._tell(f"step '{job.step}' waits for a node of Kubernetes: {reason}")

    def _remove(self, job: Job, number: int) -> None:
        pod = self._pods.get((job.name, number))
        if pod is None and len(job.paths) > 1:
            self._unwanted.add((job.name, number))  # it has no pod yet: as soon as there is one
        elif pod is None or len(job.paths) == 1:
            self._cluster.delete_job(job.where, job_name(job.name))
        else:
            self._cluster.delete_pod(job.where, pod["metadata"]["name"])

    def _delete_unwanted(self, jobs: Mapping[str, Job]) -> None:
        for place in [place for place in self._unwanted if place in self._pods and place[0] in jobs]:
            self._cluster.delete_pod(jobs[place[0]].where, self._pods[place]["metadata"]["name"])
            self._unwanted.discard(place)


def _path_note(job: Job) -> dict[str, str]:
    first, more = job.paths[0], len(job.paths) - 1
    return {f"{LABEL_PREFIX}task": f"{first} and {more} more" if more else first}


def _grouped(jobs: Sequence[Job]) -> dict[tuple[str, str, str], list[Job]]:
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.where, job.flow, job.run), []).append(job)
    return groups


def _age_seconds(pod: Mapping[str, Any]) -> float:
    try:
        made = datetime.strptime(pod["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=timezone.utc
        )
    except (KeyError, TypeError, ValueError):
        return 0.0
    return (datetime.now(timezone.utc) - made).total_seconds()
