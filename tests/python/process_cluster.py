"""A cluster of processes of this machine: the driver of backends/jobs.py that is easiest to break.

Its jobs are real task runners (`python -m metaflow_core.runners.task`), one process each, whose workers are Python
programs (`runner_worker.py`) that leave what R leaves. What can go wrong with a cluster is switched on by attributes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from metaflow_core.backends.jobs import Job, JobBackend, JobState, Refused, Unanswered, command_words, job_environment
from metaflow_core.backends.process_tree import kill_tree
from metaflow_core.contracts.backend import BackendType

ROOT = Path(__file__).resolve().parents[2]
WORKERS = {"r": {"command": [sys.executable, str(Path(__file__).with_name("runner_worker.py"))], "environment": {}}}


class Processes:
    """What the cluster knows: {job name: [process of each task]}. It survives the drivers that talk to it."""

    def __init__(self):
        self.jobs = {}
        self.submissions = []

    def all(self):
        return [process for processes in self.jobs.values() for process in processes]

    def forget(self, name):
        """As a controller that was killed before it saved its state: the job is gone, and so are its processes."""
        for process in self.jobs.pop(name):
            _end(process)

    def close(self):
        for process in self.all():
            _end(process)


def _end(process):
    """With all that it started, as a cluster does: also a worker that it was about to kill itself."""
    if process.poll() is None:
        kill_tree(process.pid)
    process.wait()


class ProcessDriver:
    name = "processes"
    title = "The test cluster"
    same_files = True
    limits_arrays = True
    poll_seconds = 0.05

    def __init__(self, context, cluster, max_array=1000):
        self.context = context
        self.cluster = cluster
        self.max_array = max_array
        self.lose_answers = 0
        self.silent = False
        self.refuses = ""
        self.denies = ""
        self.cancelled = []

    def where(self, policy):
        return policy.backend_args.get("corner", "")

    def group(self, task):
        return None

    def submit(self, job: Job) -> None:
        if self.refuses:
            raise Refused(self.refuses)
        if self.silent:
            raise Unanswered("connection refused")
        assert job.name not in self.cluster.jobs, "submitted twice"
        environment = {**os.environ, **job_environment(self.context, True)}
        processes = []
        for number in range(len(job.paths)):
            words = command_words(self.context, job, str(number), f"{job.name}-{number}", True)
            processes.append(subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL))
        self.cluster.jobs[job.name] = processes
        self.cluster.submissions.append(list(job.paths))
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unanswered("the answer was lost")

    def look(self, jobs):
        if self.denies:
            raise Refused(self.denies)
        if self.silent:
            raise Unanswered("connection refused")
        states = {}
        for job in jobs:
            for number, process in enumerate(self.cluster.jobs.get(job.name, ())):
                status = process.poll()
                if status is None:
                    states[job.name, number] = JobState("running")
                else:
                    told = status in (0, 1)
                    cause = "lost" if status == 75 else "crash"
                    states[job.name, number] = JobState("ended", cause, f"exit status {status}", told)
        return states

    def diagnose(self, job, number, state):
        return state

    def cancel(self, places):
        for job, number in places:
            self.cancelled.append(job.paths[number])
            process = self.cluster.jobs.get(job.name, {number: None})[number]
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def output(self, job, number):
        return ""

    def tidy(self, job, number):
        pass


def backend_type(cluster, drivers, **options) -> BackendType:
    """A plugin whose drivers are kept in the list `drivers`."""

    def make(context):
        drivers.append(ProcessDriver(context, cluster, **options))
        return JobBackend(context, drivers[-1])

    return BackendType("processes", "Tasks as processes of this machine.", lambda settings, policies: None, make)
