"""The scheduler of a run as a Slurm job (`run --with slurm --detach`), which starts again where its time ends.

The job is a shell script around one command that drives the run. Some time before the limit of the job, Slurm signals
the script; the script leaves the note "suspend" in its folder, the command suspends the run and leaves the note
"suspended", and the job puts itself back into the queue. When it starts again, on whatever node, it goes on. Slurm
itself starts it again when its node dies. `stop` signals the script, too, which leaves the note "stop".
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..contracts.decorator import StepPolicy
from ..errors import BackendError
from .jobs import Refused, Unanswered
from .slurm_command import ask_slurm
from .slurm_script import sbatch_options, script_lines

__all__ = ["SCHEDULER", "SlurmScheduler", "scheduler_script", "signal_seconds"]

_MARGIN_SECONDS = 300
_CPUS = 1
_MEMORY_MB = 2000.0
#: What a step's decorator says about the step alone, and not about where jobs of this user may run.
_OF_TASKS = ("cpu", "memory", "gpu", "gres", "time", "extra")


def signal_seconds(time: Any) -> int:
    """How long before the end of its time the scheduler is told: a limit of few minutes has no five to spare."""
    return _MARGIN_SECONDS if not isinstance(time, (int, float)) else max(15, min(_MARGIN_SECONDS, int(time * 60 / 4)))


def scheduler_script(
    name: str, folder: str, command: Sequence[str], environment: Mapping[str, str], args: Mapping[str, Any]
) -> str:
    """The script for sbatch. `args`: arguments of the decorator slurm, for this job. Pure."""
    policy = StepPolicy(backend="slurm", backend_args=args, cpu=_CPUS, memory_mb=_MEMORY_MB)
    options = [
        f"--job-name={name}",
        f"--comment=metaflow scheduler of {name.rpartition('/')[0]}",
        f"--output={os.path.join(folder.replace('%', '%%'), 'scheduler.log')}",
        "--ntasks=1",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{signal_seconds(args.get('time'))}",
        *sbatch_options(policy),
    ]
    notes = shlex.quote(folder)
    return "\n".join([
        *script_lines(policy, options, environment),
        f"cd {notes} || exit 1",
        "rm -f suspend suspended stop",
        "trap 'touch suspend' USR1",
        "trap 'touch stop' INT",
        " ".join(map(shlex.quote, command)) + " &",
        "driver=$!",
        "status=129",
        # A signal ends `wait`, and not what it waits for.
        'while [ "$status" -gt 128 ] && kill -0 "$driver" 2>/dev/null; do wait "$driver"; status=$?; done',
        'if [ -e suspended ]; then trap "" INT USR1; scontrol requeue "$SLURM_JOB_ID" && sleep 60; fi',
        'exit "$status"',
    ]) + "\n"


class SlurmScheduler:
    """The contract SchedulerJobs of contracts/backend.py."""

    def arguments(self, given: Mapping[str, Any], of_steps: Mapping[str, Any]) -> dict[str, Any]:
        return dict(given) or {name: value for name, value in of_steps.items() if name not in _OF_TASKS}

    def submit(
        self, name: str, folder: str, command: Sequence[str], environment: Mapping[str, str], args: Mapping[str, Any]
    ) -> str:
        script = scheduler_script(name, folder, command, environment, args)
        try:
            return ask_slurm("sbatch", "--parsable", text=script).strip().split(";")[0]
        except Refused as problem:
            raise BackendError(f"Slurm refuses the job of the scheduler: {problem}") from None
        except Unanswered as problem:
            job = self._find(name)
            if job is not None:
                return job[0]
            raise BackendError(f"Slurm did not take the job of the scheduler: {problem}") from None

    def stop(self, name: str, force: bool) -> str:
        try:
            found = self._find(name)
            if found is None:
                return "gone"
            job, state = found
            if state in ("RUNNING", "COMPLETING") and not force:
                # To the script alone: what it drives gets the note.
                ask_slurm("scancel", "--batch", "--signal=INT", job)
                return "told"
            ask_slurm("scancel", "--quiet", job, may_fail=True)
            return "ended"
        except (Refused, Unanswered) as problem:
            raise BackendError(f"Slurm did not end the job of the scheduler: {problem}") from None

    def _find(self, name: str) -> tuple[str, str] | None:
        """(id, state) of the job of this name: an id alone is used again by controllers that lost their state."""
        lines = ask_slurm("squeue", "--noheader", "--all", "--me", f"--name={name}", "--format=%A|%T").split()
        return tuple(lines[-1].split("|")) if lines else None  # type: ignore[return-value]


SCHEDULER = SlurmScheduler()
