"""Slurm's commands, which every login node has: asked in plain form, with their failures told apart."""

from __future__ import annotations

import subprocess

from .jobs import Refused, Unanswered
from .slurm_answers import is_refusal

__all__ = ["ask_slurm"]

_ANSWER_SECONDS = 30.0


def ask_slurm(*words: str, text: str | None = None, may_fail: bool = False) -> str:
    """What the command printed. `text`: its input; with `may_fail` a refusal is fine. Raises Refused or Unanswered."""
    from ..settings import child_environment

    # Formats that a user chose for his own eyes are not what is parsed here.
    plain = child_environment({"SQUEUE_FORMAT": None, "SQUEUE_FORMAT2": None, "SACCT_FORMAT": None, "LC_ALL": "C"})
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False, env=plain
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"{words[0]} gave no answer within {_ANSWER_SECONDS:.0f} seconds") from None
    except OSError as problem:
        raise Refused(f"{words[0]} cannot be started: {problem}") from problem
    if done.returncode == 0 or may_fail and is_refusal(done.stderr):
        return done.stdout
    said = done.stderr.strip() or f"{words[0]} ended with status {done.returncode}"
    raise Refused(said) if is_refusal(done.stderr) else Unanswered(said)
