"""A Slurm job as text: the options that follow from a step's decorators, and the script for sbatch. Pure."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ..contracts.backend import BackendContext
from ..contracts.decorator import StepPolicy
from .jobs import Job, command_words, job_environment
from .step_options import several

__all__ = ["batch_script", "job_comment", "job_name", "sbatch_options", "script_lines", "time_limit"]

#: What R sets in its own session for itself, and what another R on another machine must find out anew.
_OF_THIS_R = ("R_HOME", "R_SHARE_DIR", "R_INCLUDE_DIR", "R_DOC_DIR", "R_ARCH", "R_SESSION_TMPDIR", "RETICULATE_PYTHON")
#: What Slurm's commands were told, so that their answers can be read; the user's own follows.
_OF_ANSWERS = ("LC_ALL",)

# The runner ends a task that takes too long; Slurm does only where the runner cannot.
_MARGIN_SECONDS = 300
_LONGEST_NAME = 200


def job_name(job: Job) -> str:
    """The pathspec of the step, and what makes the job's name one that no other job ever had."""
    return f"{job.flow}/{job.run}/{job.name}"[-_LONGEST_NAME:]


def job_comment(job: Job) -> str:
    """For people who look at the queue: the pathspecs of the tasks."""
    first, last = job.paths[0], job.paths[-1]
    more = "" if len(job.paths) == 1 else f" to {last} ({len(job.paths)} tasks)"
    return f"metaflow {first}{more}"


def sbatch_options(policy: StepPolicy) -> list[str]:
    """Options of sbatch for a task with this policy. What the slurm decorator says wins over `resources`."""
    args = policy.backend_args
    options = []
    for option in ("partition", "account", "qos", "constraint"):
        if args.get(option):
            options.append(f"--{option}={args[option]}")
    cpu = args.get("cpu") or policy.cpu
    memory = args.get("memory") or 0.0
    # A retry may ask for more memory than the decorator did.
    memory = max(memory, policy.memory_mb) if policy.retry_memory_mb else memory or policy.memory_mb
    gpu = args.get("gpu") if args.get("gpu") is not None else policy.gpu
    if cpu:
        options.append(f"--cpus-per-task={math.ceil(cpu)}")
    if memory:
        options.append(f"--mem={math.ceil(memory * 1e6 / 2**20)}M")
    if args.get("gres"):
        options.append(f"--gres={args['gres']}")
    elif gpu:
        options.append(f"--gres=gpu:{math.ceil(gpu)}")
    if args.get("time") is not None:
        options.append(f"--time={time_limit(args['time'])}")
    elif policy.timeout_seconds is not None:
        options.append(f"--time={math.ceil((policy.timeout_seconds + _MARGIN_SECONDS) / 60)}")
    return options + [str(option) for option in several(args.get("extra"))]


def time_limit(time: Any) -> str:
    """A number counts minutes, as Slurm's own does; a text is one of Slurm's forms ("1-12:00:00")."""
    return str(math.ceil(time)) if isinstance(time, (int, float)) else str(time)


def batch_script(context: BackendContext, job: Job, folder: str | None) -> str:
    """The script for sbatch. `folder` gets what the jobs themselves print, a file for each task."""
    policy = job.policies[0]
    limit = f"%{context.max_workers}" if context.max_workers and context.max_workers < len(job.paths) else ""
    output = "/dev/null" if folder is None else os.path.join(folder.replace("%", "%%"), "%a.log")
    options = [
        f"--job-name={job_name(job)}",
        f"--comment={job_comment(job)}",
        f"--array=0-{len(job.paths) - 1}{limit}",
        f"--output={output}",
        "--ntasks=1",
        "--open-mode=append",
        *sbatch_options(policy),
    ]
    command = command_words(context, job, "METAFLOW_NUMBER", "METAFLOW_JOB", same_files=True)
    words = {
        "METAFLOW_NUMBER": '"$SLURM_ARRAY_TASK_ID"',
        "METAFLOW_JOB": '"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"',
    }
    lines = script_lines(policy, options, job_environment(context, True))
    lines.append("exec " + " ".join(words.get(word) or shlex.quote(word) for word in command))
    return "\n".join(lines) + "\n"


def script_lines(policy: StepPolicy, options: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """A script up to its command: options of sbatch, then what the user wants done first, his modules, his lines of
    shell. What modules set, `environment` sets again."""
    # Modules are loaded by a shell of a login.
    lines = ["#!/bin/bash -l" if policy.backend_args.get("modules") else "#!/bin/bash"]
    lines += [f"#SBATCH {_option(option)}" for option in options]
    lines += [f"unset {' '.join(_OF_THIS_R + _OF_ANSWERS)}"]
    lines += [f"module load {shlex.quote(str(module))}" for module in several(policy.backend_args.get("modules"))]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return [*lines, *(str(line) for line in several(policy.backend_args.get("setup")) if line)]


def _option(option: str) -> str:
    """An option as a #SBATCH line has it: a value with blanks is quoted."""
    name, equals, value = option.partition("=")
    return f'{name}{equals}"{value}"' if any(blank in value for blank in " \t") else option
