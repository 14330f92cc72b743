"""What Slurm says, read: squeue, sacct, scontrol, and the reasons why a job ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .jobs import JobState, Place

__all__ = [
    "SACCT_FIELDS",
    "SQUEUE_FIELDS",
    "Array",
    "ended_state",
    "is_refusal",
    "max_array_size",
    "parse_sacct",
    "parse_squeue",
    "with_output",
]

#: Fields of squeue with a separator; the name comes last, and it may be long.
SQUEUE_FIELDS = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,NodeList:|,Reason:|,Name:255"
SACCT_FIELDS = "JobID,State,ExitCode,NodeList,Reason,JobName%255"

_WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
    "STOPPED",
    "SUSPENDED",
}
_RUNNING = {"RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "RESIZING"}

# Why a job waits that Slurm itself has put aside, for an administrator to look at: its node could not start it.
_NEVER_STARTS = "launch failed requeued held"

# Statuses of runners/task.py.
_RUNNER_TOLD = (0, 1)
_RUNNER_TAKEN = 75

# Words of Slurm's own processes about a job that uses too much memory.
_OVER_MEMORY = re.compile(r"exceeded (?:job |step )?memory limit|oom[-_ ]kill|Out Of Memory", re.IGNORECASE)

# A controller that is away, busy or starting says one of these: nothing is decided by them.
_NO_ANSWER = re.compile(
    r"Unable to contact slurm controller|Connection refused|Connection reset|Connection timed out|"
    r"Socket timed out|Zero Bytes were transmitted|Resource temporarily unavailable|backup controller|"
    r"Slurm temporarily unable|Transport endpoint|Message receive failure|try again|slurm_persist_conn_open|"
    r"Problem talking to the database|Slurm backup controller in standby|Unexpected message received",
    re.IGNORECASE,
)


@dataclass
class Array:
    """Elements of one array job: those with a line of their own, and whether others still wait together."""

    job_id: str
    elements: dict[int, JobState] = field(default_factory=dict)
    waiting: list[tuple[int, int]] = field(default_factory=list)

    def state(self, number: int) -> JobState | None:
        if number in self.elements:
            return self.elements[number]
        if any(first <= number <= last for first, last in self.waiting):
            return JobState("waiting")
        return None


def parse_squeue(text: str) -> dict[str, Array]:
    """{spec name: its array} of `squeue --Format=SQUEUE_FIELDS`. Of two jobs with the same name, which only a
    submission whose answer was lost can make, the later one is meant."""
    found: dict[str, Array] = {}
    for line in text.splitlines():
        parts = line.rstrip().split("|", 6)
        if len(parts) != 7:
            continue
        job_id, index, state, exit_code, node, reason, name = (part.strip() for part in parts)
        spec = name.rpartition("/")[2]
        array = found.get(spec)
        if array is None or int(array.job_id) < int(job_id):
            array = found[spec] = Array(job_id)
        if array.job_id != job_id:
            continue
        numbers = list(_ranges(index))
        held = state in _WAITING and reason.replace("_", " ").lower().startswith(_NEVER_STARTS)
        if state in _WAITING and not held:
            array.waiting += numbers
            continue
        for first, last in numbers:
            for number in range(first, last + 1):
                job, status = f"{job_id}_{number}", _wait_status(exit_code)
                array.elements[number] = _held(job, reason) if held else _state(state, status, node, reason, job)
    return found


def parse_sacct(text: str) -> dict[Place, JobState]:
    """{(spec name, number): state} of `sacct --parsable2 --format=SACCT_FIELDS`. Jobs that the accounts alone know are
    over, or were never told to be: those say nothing."""
    found: dict[Place, JobState] = {}
    for line in text.splitlines():
        parts = line.split("|", 5)
        if len(parts) != 6:
            continue
        job, state, exit_code, node, reason, name = parts
        _, _, index = job.partition("_")
        word = state.split(" ")[0].rstrip("+")
        if not index.isdigit() or word in _WAITING or word in _RUNNING:
            continue
        code, _, number = exit_code.partition(":")
        status = (int(code or 0), int(number or 0))
        found[name.rpartition("/")[2], int(index)] = _state(word, status, node, reason, job)
    return found


def max_array_size(config: str) -> int:
    """The most elements of an array, of `scontrol show config`: indices are smaller than MaxArraySize."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.MULTILINE)
    return max(1, int(found.group(1)) if found else 1000)


def is_refusal(text: str) -> bool:
    """Whether these words of a command mean no, and not that there was no answer."""
    return bool(text.strip()) and _NO_ANSWER.search(text) is None


def ended_state(state: str, status: tuple[int, int], node: str, reason: str, job: str) -> JobState:
    """How a job ended. `status`: exit status, and the signal that killed it or 0."""
    code, signal = status
    where = f" on {node}" if node and node != "(null)" else ""
    told = signal == 0 and (state == "COMPLETED" or state == "FAILED" and code in _RUNNER_TOLD)
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return JobState("ended", "lost", f"Slurm job {job} lost its node{where} ({state}).")
    if state == "OUT_OF_MEMORY":
        return JobState("ended", "oom", f"Slurm job {job} used more memory than it had reserved{where} and was killed.")
    if state in ("TIMEOUT", "DEADLINE"):
        return JobState("ended", "timeout", f"Slurm job {job} ran longer than its time limit{where} and was killed.")
    if state in ("PREEMPTED", "REVOKED"):
        return JobState("ended", "preempted", f"Slurm job {job} had to make room for a job of higher priority{where}.")
    if state == "CANCELLED":
        return JobState("ended", "preempted", f"Slurm job {job} was cancelled from outside{where}.")
    if code == _RUNNER_TAKEN:
        return JobState("ended", "lost", f"Slurm job {job} found another job at its task.")
    how = f"was killed by signal {signal}" if signal else f"ended with status {code}"
    more = "" if reason in ("", "None", "NonZeroExitCode") else f", {reason}"
    return JobState("ended", "crash", f"Slurm job {job} {how}{where} ({state}{more}) and left no result.", told)


def with_output(state: JobState, output: str) -> JobState:
    """A job that died, seen together with its last words. Without control groups Slurm's own words are the only sign
    that memory was the reason."""
    if state.cause != "crash":
        return state
    if _OVER_MEMORY.search(output):
        text = state.message.split(" was killed by signal")[0]
        return JobState("ended", "oom", f"{text} used more memory than it had reserved and was killed.", state.told)
    last = [line for line in output.splitlines() if line.strip()][-5:]
    return JobState("ended", "crash", "\n".join([state.message, *last]), state.told)


def _state(state: str, status: tuple[int, int], node: str, reason: str, job: str) -> JobState:
    if state in _RUNNING:
        return JobState("running")
    return ended_state(state, status, node, reason, job)


def _held(job: str, reason: str) -> JobState:
    return JobState("ended", "lost", f"Slurm could not start job {job} and holds it ({reason}).")


def _wait_status(text: str) -> tuple[int, int]:
    """(exit status, signal) of what wait() returned, as squeue tells it."""
    value = int(text) if text.isdigit() else 0
    return value >> 8, value & 127


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    """(first, last) of "7", "0-3%2", "1,4-9%2", "N/A" (no array: element 0)."""
    for item in text.partition("%")[0].split(","):
        first, _, last = item.partition("-")
        if first.isdigit():
            yield int(first), int(last.partition(":")[0]) if last else int(first)
        elif item == "N/A":
            yield 0, 0
