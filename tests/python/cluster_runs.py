"""Runs of a small flow on a cluster that starts containers: what the suites of Kubernetes and AWS Batch share.

The image has two programs: `metaflow-task`, the task runner of this tree, and an `Rscript` which is the Python worker
of `runner_worker.py`, so that a task takes a fraction of a second. Its notes and orders are in the test's own folder.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

from metaflow_core.engine.start import begin_run
from metaflow_core.settings import load_settings
from scripted_backend import Engine, ScriptedBackend, succeed

ROOT = Path(__file__).resolve().parents[2]
STEPS = [
    {"name": "start", "next": ["a"], "foreach": "xs"},
    {"name": "a", "next": ["j"]},
    {"name": "j", "next": ["end"], "join": True},
    {"name": "end", "next": []},
]


def image_folder(tmp_path):
    folder = tmp_path / "image"
    folder.mkdir(exist_ok=True)
    python = (
        f"PYTHONPATH={shlex.quote(str(ROOT / 'python'))} PYTHONDONTWRITEBYTECODE=1 exec {shlex.quote(sys.executable)}"
    )
    worker = Path(__file__).with_name("runner_worker.py")
    for name, text in (
        ("metaflow-task", f'{python} -m metaflow_core.runners.task "$@"'),
        ("Rscript", f"cd {shlex.quote(os.getcwd())}; {python} {shlex.quote(str(worker))}"),
    ):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return str(folder)


class ClusterRuns(Engine):
    """`args` are the arguments of the decorator, `only` the steps that go to the cluster (None: all). `own` has further
    arguments of steps which name the cluster themselves."""

    def __init__(self, root, decorator, args):
        super().__init__(root, {"name": "F", "steps": STEPS})
        self.decorator = decorator
        self.args = args
        self.only = None
        self.own = {}

    def settings_now(self):
        return load_settings(arguments={"datastore_root": self.root})

    def asked(self):
        """The settings, as a session in R sends them."""
        return {"arguments": {"datastore_root": self.root}}

    def begin(self, resume=None):
        staging = os.path.join(os.path.dirname(self.root), "staging")
        os.makedirs(staging, exist_ok=True)
        Path(staging, "code").write_bytes(b"the code of the flow")
        decorator = {"name": self.decorator, "args": self.args}
        named = {*(self.only or ()), *self.own}

        def of(step):
            args = {**self.args, **self.own.get(step, {})}
            return [{"name": self.decorator, "args": args}] if step in named else []

        steps = [{**s, "decorators": of(s["name"])} for s in STEPS]
        request = {
            "spec": {"name": "F", "steps": steps},
            "staging": staging,
            "code": "code",
            "seed": 1,
            "cwd": os.getcwd(),
            "with": [] if self.only else [decorator],
            "resume": resume,
        }
        local = ScriptedBackend(lambda order: succeed(order, count=3), 4)
        loop = begin_run(self.open(), self.settings_now(), request, lambda init, count: local)
        loop.told = []
        return loop

    def run(self):
        return self.finish(self.begin())

    def finish(self, loop, seconds=90):
        until = time.monotonic() + seconds
        while not loop.finished:
            assert time.monotonic() < until, f"the run does not end: {loop.progress()}, {self.said(loop)}"
            loop.told += loop.advance(0.1)
        return loop

    def said(self, loop):
        return [event for event in loop.told if event["event"] in ("failed", "warning", "finished")]

    def local_artifacts(self):
        local = Engine(os.path.join(os.path.dirname(self.root), "local", "store"), self.spec)
        local.run(lambda order: succeed(order, count=3))
        return local.artifacts("1")

    def ran(self):
        path = Path("ran")
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def kill_scheduler(self, loop, run):
        """The scheduler is gone without a word: nothing is cancelled, the status says running."""
        backend = loop._backend._made[next(iter(loop._backend._made))]
        with backend._lock:
            backend._watched.clear()
            backend._stopping = True
            backend._lock.notify()
        self.open().runs.update_status("F", run, lambda status: {**status, "pid": 2**22 + 1, "pid_start": "gone"})


def advance_until(loop, condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, (
            f"it did not happen: {[e for e in loop.told if e['event'] in ('failed', 'warning')]}"
        )
        loop.told += loop.advance(0.05)
