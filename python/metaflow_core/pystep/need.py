"""A task in Python asks for stored bytes that are not on its machine, as one in R does (R/worker-need.R)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any, Callable

from .failure import WorkerError

__all__ = ["ask_for_blobs"]

_LONGEST_PAUSE_SECONDS = 0.05
_SIGN_OF_LIFE_SECONDS = 2.0


def ask_for_blobs(digests: Iterable[str], folder: str, send: Callable[..., None]) -> None:
    """Come back when they are where blobs are, as far as they can be had. `folder` is the task's own."""
    question = os.path.join(folder, f"need-{os.getpid()}-{os.urandom(4).hex()}")
    answer = f"{question}.answer"
    try:
        with open(question, "w", encoding="ascii") as file:
            file.write("\n".join(digests) + "\n")
        send(t="need", file=question)
        found = _answer(answer, send)
    finally:
        for path in (question, answer):
            if os.path.exists(path):
                os.unlink(path)
    error = found.get("error")
    if error is not None:
        raise WorkerError(error["message"], hint=error["hint"])


def _answer(path: str, send: Callable[..., None]) -> Any:
    pause, waited = 0.001, 0.0
    while not os.path.exists(path):
        time.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        if waited > _SIGN_OF_LIFE_SECONDS:
            waited = 0.0
            try:
                send(t="waiting")  # fails when nobody is there to answer any more
            except OSError as problem:
                raise WorkerError(
                    "The stored bytes of an artifact cannot be had: the scheduler of this run is gone.",
                    hint="Resume the run.",
                ) from problem
    with open(path, encoding="utf-8") as file:
        return json.load(file)
