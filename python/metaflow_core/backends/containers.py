"""What drivers of clusters that run containers have in common (backends/aws_batch, backends/kubernetes)."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence

from ..contracts.backend import BackendContext, Submission
from .jobs import Job, JobState, command_words

__all__ = ["container_command", "numbers_by_job", "reachable", "same_request", "with_last_line"]


def same_request(task: Submission) -> Hashable:
    """Equal for tasks that one array may run."""
    policy = task.policy
    return json.dumps(
        [dict(policy.backend_args), policy.cpu, policy.memory_mb, policy.gpu, policy.timeout_seconds],
        sort_keys=True,
    )


def reachable(root: str, mounts: Iterable[str]) -> bool:
    """Can a container open this root of a datastore: by its address, or below one of the paths mounted there?"""
    return "://" in root or any(f"{root}/".startswith(path.rstrip("/") + "/") for path in mounts)


def container_command(context: BackendContext, job: Job, number: str, place: str) -> list[str]:
    """What the container runs. The words stay words: only `number` and `place`, which the container knows itself, are
    filled in by its shell."""
    words = command_words(context, job, "NUMBER", "JOB", same_files=False)
    script = f'exec "$@" --task "{number}" --job "{place}"'
    return ["sh", "-c", script, words[0], *words[: words.index("--task")]]


def numbers_by_job(places: Sequence[tuple[Job, int]]) -> Iterable[tuple[Job, set[int]]]:
    by_job: dict[str, tuple[Job, set[int]]] = {}
    for job, number in places:
        by_job.setdefault(job.name, (job, set()))[1].add(number)
    return by_job.values()


def with_last_line(state: JobState, said: str) -> JobState:
    """The state with the last line of what the runner said before it failed."""
    last = said.strip().rpartition("\n")[2].strip()
    return JobState("ended", state.cause, f"{state.message} Its last line: {last}" if last else state.message)
