"""Runs one step function in this process and leaves the outcome in the task's folder, as R/worker-task.R does.

The folder gets `stdout.log` and `stderr.log` while the step runs, then the staged values of the artifacts and
`result.json`, which appears by rename and names all of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .. import current
from ..rdata.artifact import encode_node
from ..rdata.opaque import RObject
from ..settings import set_environment
from .entry import add_folders, load_function
from .failure import WorkerError, condition_node, error_record, format_failure
from .flow import Flow
from .inputs import Inputs
from .need import ask_for_blobs
from .seeds import seed_task
from .staging import encoded_values, stage_splits, switch_key, write_encoded
from .state import TaskState
from .trace import Trace

__all__ = ["TaskContext", "run_task"]

Order = Mapping[str, Any]


class TaskContext:
    """What all tasks of a worker share: the order "init", and where the code is. `send` says something to the
    engine, as that a large file is going to be written."""

    def __init__(self, init: Order, code: str, send: Callable[..., None]) -> None:
        self.blobs = init["blobs"]
        self.asks = bool(init.get("asks"))
        self.parameters = init.get("parameters") or {}
        self.facts = init["current"]
        self.functions = init.get("functions") or {}
        self.code = code
        self.send = send

    def announce(self, file: str) -> None:
        self.send(t="writing", file=file)


def run_task(order: Order, context: TaskContext) -> None:
    """Never raises but for what ends the process: SystemExit of a step leaves the mark "quit"."""
    folder = order["dir"]
    os.makedirs(folder, exist_ok=True)
    _redirect(folder)
    started = time.time()
    set_environment(order.get("env") or {})
    facts = _facts(order, context)
    state = TaskState(order, context.blobs, context.parameters, facts)
    if order.get("trace"):
        state.trace = Trace(folder, context.code)
    current.enter(facts, state.trace and state.trace.fact)
    if context.asks:
        state.ask = partial(ask_for_blobs, folder=folder, send=context.send)
    task = _Task(order, context, state)
    try:
        result = task.perform()
    except SystemExit:
        with open(os.path.join(folder, "quit"), "wb"):
            pass
        raise
    if not result["ok"]:
        print(format_failure(result["error"]), file=sys.stderr)
    _settle()
    finished = time.time()
    result.update(
        usage=_usage(finished - started),
        started_at=started,
        finished_at=finished,
        used=task.state.used,
        reads=None,
        **({} if state.trace is None else {"trace": state.trace.result()}),
        **json.loads(order["echo"]),
    )
    _remove(facts["tempdir"])
    _write_result(folder, result)


class _Task:
    def __init__(self, order: Order, context: TaskContext, state: TaskState) -> None:
        self.order = order
        self.context = context
        self.state = state
        self.folder = order["dir"]

    def perform(self) -> dict[str, Any]:
        if self.order.get("fallback") is not None:
            # The last attempt ended without an exception (killed, out of time): make one, to be caught.
            error = self.order["fallback"]
        else:
            failed = self._guarded(self._call)
            # A step that did its work can still leave what cannot be stored, or nothing to split by: its error, too.
            outcome: dict[str, Any] = {}
            failed = failed or self._guarded(lambda: outcome.update(self._success()))
            if failed is None:
                return outcome
            error = failed
        if not _catches(self.order.get("catch"), error["cause"]):
            return self._failure(error)
        caught: dict[str, Any] = {}
        failed = self._guarded(lambda: caught.update(self._caught(error)))
        return caught if failed is None else self._failure(failed)

    def _guarded(self, act: Callable[[], Any]) -> dict[str, Any] | None:
        """The record of the error that `act` ends with, if it does."""
        try:
            act()
        except SystemExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever ends a step is its error
            return error_record(error, self.context.code)
        return None

    def _call(self) -> None:
        order, state = self.order, self.state
        seed_task(int(order["seed"]))
        flow = Flow(state)
        inputs = Inputs(state) if order.get("join") else None
        add_folders(self.context.code, self.context.functions.values())
        name = self.context.functions.get(order["step"])
        if name is None:
            if inputs is not None:
                flow.merge_artifacts(inputs)
            return
        function = load_function(name, self.context.code)
        _finish(function(flow) if inputs is None else function(flow, inputs), order["step"])

    def _success(self) -> dict[str, Any]:
        order, state = self.order, self.state
        state.note_changes()
        if order.get("catch_var") is not None and order["catch_var"] not in state.assigned:
            state.put(order["catch_var"], None)
        encoded = encoded_values({name: state.values[name] for name in state.assigned})
        result: dict[str, Any] = {
            "ok": True,
            "artifacts": write_encoded(encoded, self.folder, announce=self.context.announce),
            "carried": state.carried,
        }
        if order.get("foreach") is not None:
            result["foreach"] = self._splits(order["foreach"])
        if order.get("condition") is not None:
            name = order["condition"]
            if name not in state.names:
                raise WorkerError(
                    f"flow has no attribute '{name}' to decide by",
                    hint=f'Assign self.{name} in this step; condition = "{name}" asks for it.',
                )
            result["condition"] = switch_key(name, state.get(name), order.get("cases") or ())
        return result

    def _splits(self, name: str) -> dict[str, Any]:
        if name not in self.state.names:
            raise WorkerError(
                f"flow has no attribute '{name}' to split by",
                hint=f'Assign self.{name} in this step; foreach = "{name}" asks for it.',
            )
        return stage_splits(name, self.state.get(name), self.folder)

    def _caught(self, error: dict[str, Any]) -> dict[str, Any]:
        """The step counts as done, and the condition becomes an artifact. What the failed attempt assigned is dropped,
        as it is when the process died."""
        catch = self.order["catch"]
        self.state.forget_all()
        if catch.get("print"):
            print(format_failure(error), file=sys.stderr)
        variable = catch.get("var")
        if variable is not None:
            extra = ("metaflow_task_error",) if self.order.get("fallback") else ()
            self.state.put(variable, RObject(condition_node(error, extra)))
        result = self._success()
        result["caught"] = variable or "(not kept)"
        result["error"] = error
        with contextlib.suppress(Exception):
            result["error_value"] = self._staged_condition(error)
        return result

    def _failure(self, error: dict[str, Any]) -> dict[str, Any]:
        """A failed attempt keeps what it had assigned so far, for whoever debugs it."""
        artifacts: dict[str, Any] = {}
        values = {name: self.state.values[name] for name in self.state.assigned if self.state.values[name] is not None}
        for name, value in values.items():
            with contextlib.suppress(Exception):
                artifacts.update(write_encoded(encoded_values({name: value}), self.folder, f"pack-{name}"))
        return {"ok": False, "error": error, "artifacts": artifacts, "error_value": self._staged_condition(error)}

    def _staged_condition(self, error: dict[str, Any]) -> Any:
        return write_encoded({"condition": encode_node(condition_node(error))}, self.folder, "error")["condition"]


def _catches(catch: Order | None, cause: str) -> bool:
    """What is tried again is not caught yet."""
    return catch is not None and cause not in (catch.get("unless") or ())


def _finish(returned: Any, step: str) -> None:
    """A step may be async; one with `yield` in it would have done nothing."""
    import inspect

    if inspect.iscoroutine(returned):
        import asyncio

        asyncio.run(returned)
    elif inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        raise WorkerError(
            f"the function of step '{step}' has 'yield' in it, so that calling it does nothing",
            hint="Assign results to self.",
        )


def _facts(order: Order, context: TaskContext) -> dict[str, Any]:
    facts = dict(context.facts)
    facts["tags"] = list(facts.get("tags") or [])
    facts.update(
        step_name=order["step"],
        task_id=order["task"],
        retry_count=int(order["attempt"]),
        seed=int(order["seed"]),
        pathspec=f"{facts['flow_name']}/{facts['run_id']}/{order['step']}/{order['task']}",
        tempdir=os.path.join(tempfile.gettempdir(), f"metaflow-{os.getpid()}-{order['task']}-{order['attempt']}"),
    )
    return facts


def _redirect(folder: str) -> None:
    """What the step prints, also by programs that it starts, goes to its logs, line by line. It has nothing to read."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for name, number in (("stdout.log", 1), ("stderr.log", 2)):
        handle = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    import faulthandler

    faulthandler.enable(sys.stderr)


def _settle() -> None:
    """What the step has registered for the end of the program happens before the outcome is told, while its threads and
    its log still live."""
    import atexit

    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _usage(wall: float) -> dict[str, Any]:
    """Seconds and bytes, of this process and of what it ran and waited for. Peak memory is the kernel's high-water
    mark; bytes read and written are those that passed through system calls. All three are absent where /proc is."""
    times = os.times()
    usage: dict[str, Any] = {
        "wall": wall,
        "user": times.user + times.children_user,
        "system": times.system + times.children_system,
    }
    for path, words in (("/proc/self/status", _STATUS), ("/proc/self/io", _IO)):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                if name in words:
                    field, factor = words[name]
                    usage[field] = int(rest.split()[0]) * factor
    return usage


_STATUS = {b"VmHWM": ("max_rss_bytes", 1024)}
_IO = {b"rchar": ("read_bytes", 1), b"wchar": ("written_bytes", 1)}


def _remove(folder: str) -> None:
    if os.path.isdir(folder):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def _write_result(folder: str, result: dict[str, Any]) -> None:
    path = os.path.join(folder, "result.json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(result, file, separators=(",", ":"), default=str)
    os.replace(path + ".part", path)
