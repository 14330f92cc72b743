"""Answers a task that asks for blobs which are not on its machine (R/worker-need.R).

The task writes their digests into a file of its folder, one a line, and says its name on the wire. The answer appears
beside it, as ``<file>.answer``: {"missing": [digests]}, or {"error": an error of ours as plain data}. Files and not
lines on the task's stdin, because a step may have forked: each process finds its own answer.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..errors import to_dict

__all__ = ["Fetch", "answer_need"]

Fetch = Callable[[Iterable[str]], "list[str]"]


def answer_need(path: str, fetch: Fetch | None) -> None:
    """In a thread of its own: tasks that ask at the same time do not wait for each other."""
    threading.Thread(target=_answer, args=(path, fetch), daemon=True).start()


def _answer(path: str, fetch: Fetch | None) -> None:
    try:
        with open(path, encoding="ascii") as file:
            digests = file.read().split()
        answer = {"missing": digests if fetch is None else list(fetch(digests))}
    except Exception as problem:  # noqa: BLE001 - the task is told, whatever it is
        answer = {"error": to_dict(problem)}
    # The task may be gone by now, and its folder with it.
    with suppress(OSError):
        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(answer, file, default=str)
        os.replace(f"{path}.part", f"{path}.answer")
