"""What AWS Batch says about a job, and what it means for a task. Reads plain data as `describe_jobs` sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..jobs import JobState

__all__ = ["job_state"]

# Words in the reasons of AWS, looked for in this order: (cause, in our words).
_REASONS = (
    ("OutOfMemory", "oom", "The container used more memory than its limit and was killed"),
    ("Job attempt duration exceeded timeout", "timeout", "The job ran longer than its time limit and was ended"),
    ("Spot", "preempted", "The spot instance was taken away"),
    ("Host EC2", "lost", "The machine of the job was lost"),
    ("CannotPull", "error", "The image cannot be pulled"),
    ("CannotStartContainer", "error", "The container cannot be started"),
    ("CannotCreateContainer", "error", "The container cannot be made"),
    ("ResourceInitializationError", "error", "The container cannot be set up"),
    ("MISCONFIGURATION", "error", "The job can never be placed"),
)

# Exit statuses of the task runner, see runners/task.py, and those that a shell gives.
_TOLD = (0, 1)
_EXITS = {
    70: ("error", "The task runner failed"),
    75: ("lost", "Another job works on the task"),
    126: ("error", "The image cannot run metaflow-task"),
    127: ("error", "The image has no metaflow-task: build it with the Dockerfile of this package"),
    134: ("crash", "The task runner aborted"),
    137: ("crash", "The container was killed (SIGKILL)"),
    139: ("crash", "The task runner crashed (segfault)"),
    143: ("preempted", "The job was told to stop"),
}


def job_state(job: Mapping[str, Any]) -> JobState:
    status = job.get("status")
    if status == "SUCCEEDED":
        return JobState("ended", told=True)
    if status == "FAILED":
        return _failed(job)
    return JobState("running" if status == "RUNNING" else "waiting")


def _failed(job: Mapping[str, Any]) -> JobState:
    container = _container(job)
    said = [text for text in (container.get("reason"), job.get("statusReason")) if text]
    code = container.get("exitCode")
    for words, cause, ours in _REASONS:
        for text in said:
            if words in text:
                return JobState("ended", cause, _sentence(ours, text))
    if code is None:
        # Without a container there is nothing to blame but whoever ended the job.
        return JobState(
            "ended", "preempted" if job.get("startedAt") or said else "lost", _sentence("The job was ended", *said)
        )
    if int(code) in _TOLD:
        return JobState("ended", "error", f"The task runner ended with exit status {code}.", told=True)
    cause, ours = _EXITS.get(int(code), ("crash", f"The container ended with exit status {code}"))
    return JobState("ended", cause, _sentence(ours, *said))


def _container(job: Mapping[str, Any]) -> Mapping[str, Any]:
    attempts = job.get("attempts") or ()
    last = (attempts[-1].get("container") or {}) if attempts else {}
    return {**last, **{name: value for name, value in (job.get("container") or {}).items() if value is not None}}


def _sentence(words: str, *said: str) -> str:
    text = f"{words}: {'; '.join(said)}" if said else words
    return text if text.endswith(".") else f"{text}."
