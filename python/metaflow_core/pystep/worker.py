"""The Python worker: one process per slot, with the protocol of the R worker (R/worker.R).

It reads one JSON line per order on its stdin and answers with one JSON line on its stdout:

    {"op":"init", package, folder, functions, blobs, asks, parameters, current}  ->  {"t":"ready"} or
    {"t":"broken","message"}
    {"op":"task", step, task, dir, ...}   ->  {"t":"writing","file"}, {"t":"need","file"}, ...,
    {"t":"end","finished","exit"}
    {"op":"exit"}, or end of file         ->  the worker ends

In mode "fork" each task runs in a forked child, so nothing here may start threads: what a step imports is imported in
the child. In mode "fresh" the task runs here, and the process ends with it. Nothing but the standard library is
imported before the code of a step.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from typing import Any

from .entry import unpacked
from .task import TaskContext, run_task

__all__ = ["main"]

_CHUNK = 1 << 16


class _Wire:
    """The protocol has descriptors of its own, which no program started by a step inherits: whatever is printed or
    read there cannot break it."""

    def __init__(self) -> None:
        self._input, self._output = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(null, number)
        os.close(null)
        self._rest = b""

    def receive(self) -> dict[str, Any] | None:
        """The next order, None at the end."""
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            chunk = os.read(self._input, _CHUNK)
            if not chunk:
                return None
            parts.append(chunk)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return json.loads(line)

    def send(self, **message: Any) -> None:
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self._output, data) :]


def main(mode: str) -> None:
    wire = _Wire()
    _warm_up()
    context: TaskContext | None = None
    while True:
        order = wire.receive()
        if order is None or order["op"] == "exit":
            return
        if order["op"] == "init":
            try:
                code = unpacked(order["package"], order["folder"])
                context = TaskContext(order, code, wire.send)
                wire.send(t="ready", pid=os.getpid())
            except Exception as problem:  # noqa: BLE001 - told to the engine, which ends the run
                wire.send(t="broken", message=f"a Python worker cannot begin: {problem}")
            continue
        if context is None:
            raise RuntimeError("a task came before the order 'init'")
        if mode == "fork":
            wire.send(t="end", **_run_forked(order, context))
        else:
            _run_here(order, context)
            wire.send(t="end")
            _leave(0)


def _run_forked(order: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    # What exists now is not looked at by the garbage collector of the child, and so not copied.
    gc.collect()
    gc.freeze()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run_task(order, context)
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
        except BaseException:  # noqa: BLE001 - the child must not go on as the worker
            _say_why()
        _leave(status)
    gc.unfreeze()
    _, status = os.waitpid(child, 0)
    finished = os.path.exists(os.path.join(order["dir"], "result.json"))
    told: dict[str, Any] = {"finished": finished}
    if not finished:
        told["exit"] = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return told


def _run_here(order: dict[str, Any], context: TaskContext) -> None:
    try:
        run_task(order, context)
    except SystemExit as leaving:
        _leave(leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0)
    except BaseException:  # noqa: BLE001
        _say_why()
        _leave(1)


def _say_why() -> None:
    """A bug of ours, or a full disk: the reason is for the log of the task."""
    import traceback

    traceback.print_exc()


def _leave(status: int) -> None:
    """Without the end of the interpreter: a thread that a step left behind would hold it up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status & 0xFF)


def _warm_up() -> None:
    """Loads what every task needs, so that no forked child does."""
    import atexit  # noqa: F401
    import faulthandler  # noqa: F401
    import importlib.util  # noqa: F401
    import inspect  # noqa: F401
    import linecache  # noqa: F401
    import pickle  # noqa: F401
    import random  # noqa: F401
    import shutil  # noqa: F401
    import traceback  # noqa: F401

    from ..rdata import arrays, frame, pickled  # noqa: F401
