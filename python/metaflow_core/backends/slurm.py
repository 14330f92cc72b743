"""slurm: tasks as Slurm jobs, through the commands that every login node has. Nothing but a shared directory is needed.

One `sbatch --array` for a foreach, one `squeue` for the states of all jobs. How jobs are described is in
slurm_script.py, what Slurm says about them in slurm_answers.py; this file talks to the commands.

A job's name ends with that of its spec, which is random: ids are used again when a controller dies before it has saved
its state, so an id is never trusted alone. Jobs that `squeue` forgot (`MinJobAge`) are asked for by `sacct`, where the
cluster keeps accounts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ..contracts.backend import BackendContext, BackendType, JobList, Submission
from ..contracts.decorator import StepPolicy
from ..errors import BackendError
from .jobs import Job, JobBackend, JobState, Place, Refused, Unanswered
from .slurm_answers import (
    SACCT_FIELDS,
    SQUEUE_FIELDS,
    max_array_size,
    parse_sacct,
    parse_squeue,
    with_output,
)
from .slurm_command import ask_slurm
from .slurm_scheduler import SCHEDULER
from .slurm_script import batch_script, job_name, sbatch_options

__all__ = ["PLUGIN", "SlurmDriver"]

_OUTPUT_BYTES = 4096
_COMMANDS = ("sbatch", "squeue", "scancel")
_ONE_CALL = 500  # ids on one command line


def _check(settings: Any, policies: Mapping[str, StepPolicy]) -> None:
    step = next(iter(policies))
    missing = [command for command in _COMMANDS if shutil.which(command) is None]
    if missing:
        raise BackendError(
            f"step '{step}' is meant for Slurm, but this machine has no command '{missing[0]}'",
            hint="Start the run on a machine of the cluster, as its login node, or leave slurm out.",
            data={"steps": sorted(policies), "missing": missing},
        )


class SlurmDriver:
    name = "slurm"
    title = "Slurm"
    same_files = True
    limits_arrays = True
    poll_seconds = 1.0

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._max_array: int | None = None
        self._accounting = True

    # -- the verbs of a driver

    @property
    def max_array(self) -> int:
        if self._max_array is None:
            try:
                self._max_array = max_array_size(ask_slurm("scontrol", "show", "config"))
            except (Unanswered, Refused):
                return 1000  # of Slurm's default; asked again for the next job
        return self._max_array

    def where(self, policy: StepPolicy) -> str:
        return ""  # one command answers for all partitions

    def group(self, task: Submission) -> Hashable:
        return tuple(sbatch_options(task.policy))

    def submit(self, job: Job) -> None:
        folder = self._output_folder(job)
        if folder is not None:
            os.makedirs(folder, exist_ok=True)
        script = batch_script(self._context, job, folder)
        answer = ask_slurm("sbatch", "--parsable", text=script)
        job.handle = answer.strip().split(";")[0]

    def look(self, jobs: Sequence[Job]) -> dict[Place, JobState]:
        by_name = {job.name: job for job in jobs}
        lines = ask_slurm("squeue", "--noheader", "--all", "--states=all", "--me", f"--Format={SQUEUE_FIELDS}")
        found = parse_squeue(lines)
        states: dict[Place, JobState] = {}
        for name, elements in found.items():
            job = by_name.get(name)
            if job is not None:
                job.handle = elements.job_id
                for number in range(len(job.paths)):
                    state = elements.state(number)
                    if state is not None:
                        states[name, number] = state
        unknown = [job for job in jobs if any((job.name, number) not in states for number in range(len(job.paths)))]
        if unknown:
            self._look_back(unknown, states)
        return states

    def diagnose(self, job: Job, number: int, state: JobState) -> JobState:
        if state.cause == "lost":
            # One that is held must not start when somebody releases it: it is submitted again.
            with contextlib.suppress(Unanswered, Refused):
                self.cancel([(job, number)])
        return with_output(state, self._output(job, number))

    def cancel(self, places: Sequence[tuple[Job, int]]) -> None:
        # By the name of the spec, so that nobody else's job can be meant; the ids are those of this moment.
        self.look(list({job.name: job for job, _ in places}.values()))
        ids = []
        for job, number in places:
            if job.handle is not None:
                ids.append(f"{job.handle}_{number}")
        for first in range(0, len(ids), _ONE_CALL):
            ask_slurm("scancel", "--quiet", *ids[first : first + _ONE_CALL], may_fail=True)

    def _output(self, job: Job, number: int) -> str:
        folder = self._output_folder(job)
        if folder is None:
            return ""
        try:
            with open(os.path.join(folder, f"{number}.log"), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _OUTPUT_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def tidy(self, job: Job, number: int) -> None:
        folder = self._output_folder(job)
        if folder is not None:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, f"{number}.log"))

    # -- what is behind them

    def _output_folder(self, job: Job) -> str | None:
        """Where the jobs' own output goes: beside the spec when the datastore is a shared directory."""
        return self._context.store.storage.local_path(f"flows/{job.flow}/{job.run}/_jobs/{job.name}")

    def _look_back(self, jobs: Sequence[Job], states: dict[Place, JobState]) -> None:
        """Jobs that the controller has forgotten, asked of the accounts, if the cluster keeps any."""
        if not self._accounting:
            return
        try:
            lines = ask_slurm(
                "sacct", "--noheader", "--parsable2", "--allocations", "--starttime=now-30days",
                f"--format={SACCT_FIELDS}", f"--name={','.join(sorted({job_name(job) for job in jobs}))}",
            )
        except Refused:
            self._accounting = False
            return
        past = parse_sacct(lines)
        for job in jobs:
            for number in range(len(job.paths)):
                state = past.get((job.name, number))
                if state is not None:
                    states.setdefault((job.name, number), state)


def _make(context: BackendContext) -> JobBackend:
    return JobBackend(context, SlurmDriver(context))


def _jobs(settings: Any, store: Any) -> JobList:
    from .slurm_listing import SlurmJobs

    return SlurmJobs(store)


PLUGIN = BackendType("slurm", "Tasks as jobs of a Slurm cluster.", _check, _make, jobs=_jobs, schedulers=SCHEDULER)
