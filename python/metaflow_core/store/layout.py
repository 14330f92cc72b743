"""Where everything is: the keys of the datastore, relative to its root. Pure."""
from __future__ import annotations

__all__ = [
    "ATTEMPT_RECORD", "BLOBS", "FLOWS", "FORMAT", "attempt_folder", "blob_key", "flow_folder",
    "run_folder", "run_key", "status_key", "step_folder", "tags_key", "task_folder", "task_key",
]

FORMAT = "format.json"
BLOBS = "blobs"
FLOWS = "flows"
ATTEMPT_RECORD = "task.json"

BATCHES = "_tasks"  # no step can have this name
ALL_TASKS = "all"


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
