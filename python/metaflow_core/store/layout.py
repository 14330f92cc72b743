"""Where everything is: the keys of the datastore, relative to its root. Pure."""
from __future__ import annotations

__all__ = [
    "ATTEMPT_RECORD", "AUDIT", "BLOBS", "FLOWS", "FORMAT", "JOBS", "NOT_RECORDS", "SWEEPS", "attempt_folder",
    "begun_key", "blob_key", "flow_folder", "job_folder", "job_key", "job_tasks_key", "run_folder", "run_key",
    "status_key", "step_folder", "tags_key", "task_folder", "task_key",
]

FORMAT = "format.json"
BLOBS = "blobs"
FLOWS = "flows"
AUDIT = "audit"
SWEEPS = "gc"  # what clean-ups that are at work tell the writers
NOT_RECORDS = (BLOBS, SWEEPS, "tmp")  # folders of a store that hold no records
ATTEMPT_RECORD = "task.json"

BATCHES = "_tasks"  # no step can have this name
ALL_TASKS = "all"
JOBS = "_jobs"  # nor this one
# Beside the runs of a flow, whose names are numbers.
MEMOS = "_memo"
READERS = "_readers"

def blob_key(digest: str) -> str:
    return f"{BLOBS}/{digest[:2]}/{digest}"


def flow_folder(flow: str) -> str:
    return f"{FLOWS}/{flow}"


def run_folder(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}"


def run_key(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}/run.json"


def tags_key(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}/tags.json"


def status_key(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}/status.json"


def step_folder(flow: str, run: str, step: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{step}"


def task_folder(flow: str, run: str, step: str, task: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{step}/{task}"


def attempt_folder(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    return f"{FLOWS}/{flow}/{run}/{step}/{task}/{attempt}"


def task_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    return f"{FLOWS}/{flow}/{run}/{step}/{task}/{attempt}/{ATTEMPT_RECORD}"


def batch_folder(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{BATCHES}"


def batch_key(flow: str, run: str, name: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{BATCHES}/{name}.jsonl"


def memo_steps(flow: str, step: str) -> str:
    return f"{FLOWS}/{flow}/{MEMOS}/{step}"


def memo_folder(flow: str, step: str, kind: str) -> str:
    return f"{FLOWS}/{flow}/{MEMOS}/{step}/{kind}"


def memo_key(flow: str, step: str, kind: str, run: str, version: str) -> str:
    return f"{FLOWS}/{flow}/{MEMOS}/{step}/{kind}/{run}-{version}.json"


def readers_folder(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{READERS}/{run}"


def readers_key(flow: str, run: str, reader: str) -> str:
    return f"{FLOWS}/{flow}/{READERS}/{run}/{reader}.json"


def job_folder(flow: str, run: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{JOBS}"


def job_key(flow: str, run: str, name: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{JOBS}/{name}.json"


def job_tasks_key(flow: str, run: str, name: str) -> str:
    return f"{FLOWS}/{flow}/{run}/{JOBS}/{name}.tasks"


def begun_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    return f"{FLOWS}/{flow}/{run}/{step}/{task}/{attempt}/begun.json"
