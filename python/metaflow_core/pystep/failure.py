"""A Python exception as plain data, in the form of R's errors: its message, its classes, and where it happened."""

from __future__ import annotations

import linecache
import os
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import TracebackType
from typing import Any

from ..errors import MetaflowError
from ..rdata import build
from ..rdata.node import Node

__all__ = ["MergeArtifactsException", "WorkerError", "condition_node", "error_record", "format_failure", "no_attribute"]

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MOST_FRAMES, _FIRST_FRAMES = 60, 20
_WIDTH = 100


class WorkerError(MetaflowError):
    """Something that a task needs is missing or broken."""

    r_class = "metaflow_worker_error"


class MergeArtifactsException(MetaflowError):
    """The artifacts of a join do not agree."""

    r_class = "metaflow_merge_error"


def no_attribute(message: str, hint: str = "") -> AttributeError:
    """An AttributeError that R knows by the class of its own."""
    error = AttributeError(f"{message}\n{hint}" if hint else message)
    error.r_class = "metaflow_attribute_error"  # type: ignore[attr-defined]
    return error


def error_record(error: BaseException, code_folder: str) -> dict[str, Any]:
    """{"classes", "message", "call", "cause", "frames"}, as R/worker-error.R has it."""
    return {
        "classes": _classes(error),
        "message": _message(error, code_folder),
        "call": None,
        "cause": "oom" if isinstance(error, MemoryError) else "error",
        "frames": _frames(error.__traceback__, code_folder),
    }


def condition_node(record: Mapping[str, Any], extra_classes: tuple[str, ...] = ()) -> Node:
    """The record as an R condition, to be caught or looked at by R."""
    fields = {"message": build.character([_plain(record["message"])]), "call": build.NULL}
    if record.get("cause"):
        fields["cause"] = build.character([record["cause"]])
    classes = [*dict.fromkeys([*record["classes"], *extra_classes, "error", "condition"])]
    return build.attributed(
        build.generic(list(fields.values())), {"names": build.character(fields), "class": build.character(classes)}
    )


def format_failure(record: Mapping[str, Any]) -> str:
    """The error and the way there, innermost first, as R shows it."""
    lines = [f"Error: {record['message']}"]
    frames = list(reversed(record["frames"]))
    if frames:
        lines += ["Call stack, innermost first:", *_stack_lines(frames)]
    return "\n".join(lines)


def _stack_lines(frames: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Endless recursion says so in a line, not in thousands."""
    for line, same in groupby(map(_format_frame, frames)):
        times = len(list(same))
        yield line
        if times > 3:
            yield f"  ... {times - 1} more like it"
        else:
            yield from [line] * (times - 1)


def _format_frame(frame: Mapping[str, Any]) -> str:
    return f"  {frame['call']}" if frame["file"] is None else f"  {frame['file']}:{frame['line']}: {frame['call']}"


def _plain(text: str) -> str:
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _classes(error: BaseException) -> list[str]:
    """The class of the exception and those above it, up to those that say nothing."""
    found = [kind.__name__ for kind in type(error).__mro__ if kind not in (Exception, BaseException, object)]
    found = found or [type(error).__name__]
    own = getattr(error, "r_class", None)
    if isinstance(error, MetaflowError):
        found = [kind.r_class for kind in type(error).__mro__ if issubclass(kind, MetaflowError)]
    elif isinstance(own, str):
        found = [own, "metaflow_error", *found]
    return [*dict.fromkeys([*found, "metaflow_python_error", "error", "condition"])]


def _message(error: BaseException, code_folder: str) -> str:
    text = _named(error)
    cause, seen = _cause_of(error), {id(error)}
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = _frames(cause.__traceback__, code_folder)
        where = f" ({frames[-1]['file']}:{frames[-1]['line']})" if frames else ""
        text += f"\ncaused by {_named(cause)}{where}"
        cause = _cause_of(cause)
    return _plain(text)


def _cause_of(error: BaseException) -> BaseException | None:
    if isinstance(error, MetaflowError):
        return None  # says it all itself
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _named(error: BaseException) -> str:
    if isinstance(error, MetaflowError):
        name = type(error).__name__ + ": " if isinstance(error, MergeArtifactsException) else ""
        return name + str(error)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a __str__ of the user's
        text = "(an error without a readable message)"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _frames(trace: TracebackType | None, code_folder: str) -> list[dict[str, Any]]:
    """From the step function on, outermost first. What we do to start it, and in its calls to us, is not its code."""
    import traceback

    found = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(trace)
        if not frame.f_code.co_filename.startswith("<frozen ") and not frame.f_code.co_filename.startswith(_OURS)
    ]
    if len(found) > _MOST_FRAMES:
        found = [*found[:_FIRST_FRAMES], *found[_FIRST_FRAMES - _MOST_FRAMES :]]
    return [_frame(file, line, code_folder) for file, line in found]


def _frame(file: str, line: int, code_folder: str) -> dict[str, Any]:
    text = " ".join(linecache.getline(file, line).split())
    return {
        "call": _plain(text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."),
        "file": _shown_file(file, code_folder),
        "line": line,
    }


def _shown_file(file: str, code_folder: str) -> str:
    """The file as the user knows it: below the flow's folder, or below where packages are."""
    for folder in (code_folder, sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"]):
        if folder and file.startswith(folder + os.sep):
            return file[len(folder) + 1 :]
    return os.path.basename(file)
