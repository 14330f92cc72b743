"""The task runner: ``metaflow-task SPEC --task N``, the command line of every job on every cluster.

It needs the datastore and nothing else. From the spec (store/jobs.py) it takes what the task is told, runs one worker
with the protocol of the local engine, keeps what the worker left, and commits ``task.json``. Whoever waits for the task
looks at that record only; a runner that dies leaves none, and the cluster says why.

Exit status: 0 the task is done, 1 it failed, both with a record; 75 somebody else works on it, or did; 143 it was told
to stop; 70 the runner itself failed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..backends.local import LocalBackend
from ..contracts.backend import Report, Submission
from ..contracts.decorator import StepPolicy
from ..engine.cause import oom_kills, vanished
from ..engine.commit import remote_record
from ..engine.follow import FollowedFile
from ..engine.outcome import discard_staged, keep_order, read_result, store_staged
from ..engine.worker_init import worker_init
from ..errors import MetaflowError, StoreConflict
from ..settings import load_settings
from ..store.jobs import split_spec_address
from ..store.liveness import host_name
from ..store.log_times import LogTimes
from ..store.logs import LogUploader
from ..store.open import Store, open_without_index

__all__ = ["main", "run_task"]

DONE, FAILED, TAKEN, STOPPED, BROKEN = 0, 1, 75, 143, 70
R_WORKER = (
    "Rscript", "--vanilla", "--min-vsize=256M",  # R/worker.R says why
    "-e", 'metaflow:::worker_main("fresh")',
)
_POLL_SECONDS = 0.5
_LOG_SECONDS = 2.0
_USAGE = """\
metaflow-task SPEC [--task N] [--job NAME]   runs one task of a metaflow run; started by its backend
  SPEC         address of the job spec: ROOT/flows/FLOW/RUN/_jobs/NAME.json
  --task N     number of the task in the spec, from 0
  --job NAME   the cluster's own name of this job"""


class Stopped(BaseException):
    """The cluster told the runner to stop."""


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--help"]:
        print(_USAGE)  # images ask for it, to see whether it starts
        return 0
    try:
        address, task, job = _parsed(words)
    except ValueError:
        print(_USAGE, file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        return run_task(address, task, job)
    except Stopped:
        return STOPPED
    except (MetaflowError, OSError, ValueError, KeyError) as problem:
        print(f"metaflow-task: {problem}", file=sys.stderr)
        return BROKEN


def _parsed(words: list[str]) -> tuple[str, int, str]:
    """(address of the spec, number of the task, name of the job). argparse takes as long to load as all of the rest."""
    options = {"--task": "0", "--job": ""}
    addresses = []
    while words:
        word = words.pop(0)
        name, is_pair, value = word.partition("=")
        if name in options:
            options[name] = value if is_pair else words.pop(0) if words else ""
        else:
            addresses.append(word)
    [address] = addresses
    if address.startswith("-"):
        raise ValueError
    return address, int(options["--task"]), options["--job"]


def _stop(number: int, frame: Any) -> None:
    raise Stopped


def run_task(address: str, number: int, job: str = "") -> int:
    """Run task `number` of the spec; see above for what is returned."""
    try:
        root, flow, run, name = split_spec_address(address)
    except ValueError:
        raise MetaflowError(f"'{address}' is not the address of a job spec") from None
    store = _open(root)
    head = store.jobs.read_head(flow, run, name)
    line = store.jobs.read_task(head, number)
    place = (flow, run, line["step"], line["task"], line["attempt"])
    if store.tasks.has_task(*place):
        return TAKEN  # the job was started again after its task was done
    earlier = store.jobs.begin(*place, {"job": job, "spec": name, "host": host_name(), "at": time.time()})
    if earlier is not None and (earlier["spec"], earlier["job"]) != (name, job):
        print(f"metaflow-task: job {earlier['job']} works on {'/'.join(map(str, place))} already", file=sys.stderr)
        return TAKEN
    with contextlib.ExitStack() as stack:
        record = _performed(store, head, line, place, stack)
        record["job"] = {"backend": head["backend"], "id": job, "host": host_name()}
        try:
            store.tasks.commit_task(record)
        except StoreConflict:
            return TAKEN
        store.storage.sync()
    return DONE if record["ok"] else FAILED


def _open(root: str) -> Store:
    scheme, is_address, _ = root.partition("://")
    settings = load_settings(arguments={"datastore": scheme if is_address else "local", "datastore_root": root})
    return open_without_index(settings)


def _performed(
    store: Store, head: Mapping[str, Any], line: Mapping[str, Any], place: tuple, stack: contextlib.ExitStack
) -> dict[str, Any]:
    """Run the task in a folder; the record of how it ended, with everything it names stored."""
    folder = _task_folder(store, place, stack)
    order = {**line["order"], "dir": folder}
    worker = _worker(head, order.get("language") or "r")
    stack.callback(discard_staged, folder)
    limit = line.get("timeout_seconds") if order.get("fallback") is None else None
    oom_before, started = oom_kills(), time.time()
    init = worker_init(store, head["init"], folder)
    if init.get("functions"):
        import shutil
        import tempfile

        init["folder"] = tempfile.mkdtemp(prefix="metaflow-code-")
        stack.callback(shutil.rmtree, init["folder"], ignore_errors=True)
    language = order.get("language") or "r"
    backend = LocalBackend(
        worker["command"], worker["environment"], init, slots=1, cwd=_working_folder(store, head, stack),
        one_task_each=True, spare=False, others={language: (worker["command"], worker["environment"])},
        fetch=store.blobs.fill,
    )
    stack.callback(backend.close)
    followed: dict[str, FollowedFile] = {}
    stack.callback(lambda: [file.abandon() for file in followed.values()])
    logs = LogUploader(store, place, folder) if store.work.apart else None
    times = LogTimes()
    report, timed_out = _followed_to_its_end(backend, order, limit, folder, followed, _log_watch(folder, times, logs))
    times.look(folder)
    result = read_result(folder)
    if result is None:
        error = _broken(report) or vanished(folder, report.exit, limit if timed_out else None, oom_before, language)
        same = {field: order.get(field) for field in ("position", "parents", "frames", "seed")}
        result = {"ok": False, "error": error, "started_at": started, "finished_at": time.time(), **same}
    result["memo"] = order.get("memo")
    kept = store_staged(store.blobs, folder, result, followed)
    if result.get("error") is not None:
        kept["order"] = keep_order(store.blobs, line["order"])
    if logs is not None:
        logs.push(final=True)
    return {**remote_record(store, *place, result, kept), **times.record()}


def _log_watch(folder: str, times: LogTimes, logs: LogUploader | None) -> Callable[[], None]:
    """To be called while the task runs: notes when it prints, and brings what it prints to a store that is elsewhere,
    in chunks, for those who follow it. Nothing depends on a chunk, so one that fails is left to the next."""
    pushing: list[threading.Thread] = []
    due = time.monotonic() + _LOG_SECONDS

    def push() -> None:
        with contextlib.suppress(MetaflowError, OSError):
            logs.push()

    def watch() -> None:
        nonlocal due
        times.look(folder)
        if logs is None or time.monotonic() < due or pushing and pushing[-1].is_alive():
            return
        due = time.monotonic() + _LOG_SECONDS
        pushing[:] = [threading.Thread(target=push, name="metaflow-logs", daemon=True)]
        pushing[-1].start()

    return watch


def _followed_to_its_end(
    backend: LocalBackend, order: Mapping[str, Any], limit: float | None, folder: str,
    followed: dict[str, FollowedFile], watch: Callable[[], None],
) -> tuple[Report, bool]:
    """(how it ended, whether it was killed for its time). `watch` is called now and then."""
    key = f"{order['step']}/{order['task']}"
    deadline = None if limit is None else time.monotonic() + limit
    timed_out = False
    backend.submit([Submission(key, key, order, StepPolicy())])
    while True:
        wait = _POLL_SECONDS if deadline is None or timed_out else min(_POLL_SECONDS, deadline - time.monotonic())
        for report in backend.poll(max(0.0, wait)):
            if report.kind in ("ended", "broken"):
                return report, timed_out
            if report.kind == "writing":
                followed[report.message] = FollowedFile(os.path.join(folder, report.message))
        watch()
        if deadline is not None and not timed_out and time.monotonic() >= deadline:
            timed_out = True
            backend.cancel([key])


def _broken(report: Report) -> dict[str, Any] | None:
    """R does not start on this machine, or not with this package: no task can run here."""
    if report.kind != "broken":
        return None
    text = f"{report.message} (on {host_name()})"
    return {"classes": ["metaflow_setup_error"], "message": text, "call": None, "cause": "error", "frames": []}


def _task_folder(store: Store, place: tuple, stack: contextlib.ExitStack) -> str:
    """Where the worker writes: the attempt's own folder where the datastore is a shared directory."""
    flow, run, step, task, attempt = place
    folder = store.storage.local_path(f"flows/{flow}/{run}/{step}/{task}/{attempt}")
    if folder is None:
        folder = _temporary_folder("metaflow-task-", stack)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name != "begun.json":
            os.unlink(os.path.join(folder, name))  # of a job that was started again
    return folder


def _working_folder(store: Store, head: Mapping[str, Any], stack: contextlib.ExitStack) -> str | None:
    """The folder that the run was started in, or else the code package: steps read files beside the flow."""
    if head.get("cwd") and os.path.isdir(head["cwd"]):
        return head["cwd"]
    folder = _temporary_folder("metaflow-code-", stack)
    package = head["init"].get("package")
    if package:
        from ..store.package import extract_package

        extract_package(store.blobs.path(package), folder)
    return folder


def _temporary_folder(prefix: str, stack: contextlib.ExitStack) -> str:
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix=prefix)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _worker(head: Mapping[str, Any], language: str) -> dict[str, Any]:
    """How a worker is started here: as on the machine of the scheduler, or, in an image, as the image has it."""
    told = (head.get("workers") or {}).get(language)
    if told is None and language == "python":
        from ..pystep.command import worker_command, worker_environment  # which steps of R have no use for

        return {"command": worker_command(sys.executable, "fresh"), "environment": worker_environment()}
    if told is None:
        return {"command": list(R_WORKER), "environment": {}}
    command = list(told["command"])
    if not os.path.exists(command[0]):
        command[0] = os.path.basename(command[0])  # another machine may have R elsewhere, on its PATH
    return {"command": command, "environment": dict(told.get("environment") or {})}


if __name__ == "__main__":
    sys.exit(main())
