"""What the status of a pod, or of a Job, means for a task. Reads plain data as the API server sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..jobs import JobState

__all__ = ["index_set", "job_failure", "pod_index", "pod_state", "unschedulable"]

_INDEX = "batch.kubernetes.io/job-completion-index"

# The reason of a pod: (cause, in words). What the kubelet says follows the words.
_POD_REASONS = {
    "DeadlineExceeded": ("timeout", "The pod ran longer than its deadline and was killed."),
    "NodeLost": ("lost", "The node of the pod was lost."),
    "NodeShutdown": ("lost", "The node of the pod was shut down."),
    "Shutdown": ("lost", "The node of the pod was shut down."),
    "Terminated": ("lost", "The node of the pod was shut down."),
    "Preempting": ("preempted", "The pod gave way to one of higher priority."),
    "Preempted": ("preempted", "The pod gave way to one of higher priority."),
    "NodeAffinity": ("lost", "The node did not accept the pod any more."),
    "UnexpectedAdmissionError": ("lost", "The node did not accept the pod."),
}

# The reason of the condition DisruptionTarget.
_DISRUPTIONS = {
    "PreemptionByScheduler": ("preempted", "The pod gave way to one of higher priority."),
    "EvictionByEvictionAPI": ("preempted", "The pod was evicted from its node."),
    "TerminationByKubelet": ("preempted", "The node ended the pod for lack of resources, or to shut down."),
    "DeletionByTaintManager": ("lost", "The node of the pod was lost."),
    "DeletionByPodGC": ("lost", "The node of the pod does not exist any more."),
}

_PULLS = ("ErrImagePull", "ImagePullBackOff")
_PERMANENT_PULL = ("not found", "manifest unknown", "denied", "unauthorized", "not exist", "invalid reference")
_NEVER_STARTS = {
    "InvalidImageName": "the name of the image '{image}' is not valid",
    "ErrImageNeverPull": "the image '{image}' is not on the node, and image_pull_policy = \"Never\" forbids to pull it",
    "CreateContainerConfigError": "the container cannot be set up",
    "CreateContainerError": "the container cannot be made",
    "RunContainerError": "the container cannot be started",
}
_PULL_PATIENCE_SECONDS = 300.0

# Exit statuses of the task runner, see runners/task.py, and those that a shell gives.
_TOLD = (0, 1)
_EXITS = {
    70: ("error", "The task runner failed"),
    75: ("lost", "Another job works on the task"),
    126: ("error", "The image '{image}' cannot run metaflow-task"),
    127: ("error", "The image '{image}' has no metaflow-task: build it with the Dockerfile of this package"),
    134: ("crash", "The task runner aborted"),
    137: ("crash", "The container was killed (SIGKILL)"),
    139: ("crash", "The task runner crashed (segfault)"),
    143: ("preempted", "The pod was told to stop"),
}


def pod_state(pod: Mapping[str, Any], waited_seconds: float = 0.0) -> JobState:
    """`waited_seconds`: how long the pod is there."""
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded":
        return JobState("ended", told=True)
    disrupted = _disruption(status)
    if phase == "Failed":
        return _failed(pod, status, disrupted)
    if phase == "Unknown":
        return JobState("ended", "lost", "The node of the pod does not answer.")
    if disrupted is not None and disrupted[0] == "lost":
        return JobState("ended", *disrupted)  # its deletion is never confirmed: there is no node to do so
    if phase == "Running":
        return JobState("running")
    problem = _stuck(pod, status, waited_seconds)
    return JobState("ended", "error", problem) if problem else JobState("waiting")


def pod_index(pod: Mapping[str, Any]) -> int:
    """Which task of an Indexed Job it is; 0 for another Job."""
    annotations = pod["metadata"].get("annotations") or {}
    return int(annotations.get(_INDEX) or 0)


def job_failure(job: Mapping[str, Any], number: int, indexed: bool) -> JobState | None:
    """How a task ended whose pod is not there any more; None while another pod can come."""
    status = job.get("status") or {}
    if number in index_set(status.get("completedIndexes")):
        return JobState("ended", told=True)
    if number in index_set(status.get("failedIndexes")):
        return JobState("ended", "preempted", "The pod was deleted.")
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return JobState("ended", told=True)
        if condition["type"] == "Failed":
            if condition.get("reason") == "DeadlineExceeded":
                return JobState("ended", "timeout", "The job ran longer than its deadline and was killed.")
            return JobState("ended", "preempted", "The pod was deleted.")
    if job["metadata"].get("deletionTimestamp"):
        return JobState("ended", "preempted", "The job was deleted.")
    return None


def index_set(text: str | None) -> set[int]:
    """{1, 3, 4, 5} of "1,3-5"."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found


def unschedulable(pod: Mapping[str, Any]) -> str | None:
    """The scheduler's words on why no node takes the pod."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if (
            condition.get("type") == "PodScheduled"
            and condition.get("status") == "False"
            and condition.get("reason") == "Unschedulable"
        ):
            return condition.get("message") or "no node takes it"
    return None


def _failed(pod: Mapping[str, Any], status: Mapping[str, Any], disrupted: tuple[str, str] | None) -> JobState:
    ended = _terminated(status)
    if ended.get("reason") == "OOMKilled":
        limit = ((_container(pod).get("resources") or {}).get("limits") or {}).get("memory")
        return JobState(
            "ended",
            "oom",
            f"The container used more memory than its limit{f' of {limit}' if limit else ''} and was killed.",
        )
    reason, message = status.get("reason") or "", (status.get("message") or "").strip()
    if reason == "Evicted":
        own_fault = "exceeds" in message and "limit" in message
        return JobState(
            "ended", "error" if own_fault else "preempted", _sentence("The pod was evicted from its node", message)
        )
    if reason in _POD_REASONS:
        cause, words = _POD_REASONS[reason]
        return JobState("ended", cause, words)
    if reason.startswith("OutOf"):
        return JobState("ended", "lost", _sentence("The node did not accept the pod", message))
    if disrupted is not None:
        return JobState("ended", *disrupted)
    return _exited(pod, ended, reason, message)


def _exited(pod: Mapping[str, Any], ended: Mapping[str, Any], reason: str, message: str) -> JobState:
    if "exitCode" not in ended:
        return JobState("ended", "lost", _sentence(f"The pod failed{f' ({reason})' if reason else ''}", message))
    code = int(ended["exitCode"])
    if code in _TOLD:
        return JobState("ended", "error", f"The task runner ended with exit status {code}.", told=True)
    if ended.get("reason") in ("ContainerCannotRun", "StartError"):
        return JobState("ended", "error", _sentence("The container cannot be started", ended.get("message")))
    cause, words = _EXITS.get(code, ("crash", f"The container ended with exit status {code}"))
    return JobState("ended", cause, _sentence(words.format(image=_container(pod).get("image")), ended.get("message")))


def _stuck(pod: Mapping[str, Any], status: Mapping[str, Any], waited_seconds: float) -> str | None:
    """Why the container will never start, if so. A registry that is busy is waited for."""
    image = _container(pod).get("image")
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason") or "", (waiting.get("message") or "").strip()
        if reason in _PULLS:
            permanent = any(words in message.lower() for words in _PERMANENT_PULL)
            if permanent or waited_seconds > _PULL_PATIENCE_SECONDS:
                return _sentence(f"The image '{image}' cannot be pulled", message)
        elif reason in _NEVER_STARTS:
            words = _NEVER_STARTS[reason].format(image=image)
            return _sentence(words[0].upper() + words[1:], message)
    return None


def _disruption(status: Mapping[str, Any]) -> tuple[str, str] | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _DISRUPTIONS.get(condition.get("reason") or "", ("preempted", "The pod was taken away."))
    return None


def _terminated(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            return ended
    return {}


def _container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    return containers[0]


def _sentence(words: str, message: Any) -> str:
    text = f"{words}: {message}" if message else words
    return text if text.endswith(".") else f"{text}."
