"""What a decorator plugin is: a description of its arguments, and the facts it states about a step.

A decorator does nothing by itself. It describes which arguments it takes, where it may stand, and which fields of a
StepPolicy follow from given arguments; the engine reads the policy and never asks "which decorator is this?".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InternalError
from ..nearest import did_you_mean
from ..r_literal import r_literal
from ..types import JsonObject

__all__ = ["ARGUMENT_TYPES", "CAUSES", "Argument", "DecoratorType", "Policy", "StepPolicy", "check_decorator"]

# "int" is a whole number (2.0 is one: R writes 2 as a double), "float" any number, "dict" a named list.
ARGUMENT_TYPES = ("bool", "dict", "float", "int", "str")
LEVELS = ("flow", "step")
#: Why an attempt failed: an R error, its time limit, memory, a process that died, quit() in the step, a job that a
#: cluster lost or took away.
CAUSES = ("error", "timeout", "oom", "crash", "quit", "lost", "preempted")
LOCAL = "local"
FAN_OUTS = ("branch", "foreach", "switch")

_WORDS = {
    "bool": "TRUE or FALSE",
    "dict": "a named list",
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
}


@dataclass(frozen=True)
class StepPolicy:
    """What the engine needs to know about the tasks of a step.

    `delays_seconds` has a wait for each retry, so its length is `max_attempts - 1`. `catches` is true when a failure
    must not fail the run; the condition then goes to the artifact `catch_var`, or nowhere when that is None.
    `cpu`, `gpu`, `memory_mb`, `disk_mb` and `shared_memory_mb` are what one task reserves; 0 means that nothing was
    asked for. Only failures with a cause in `retry_on` are tried again (all, when it is empty); `retry_memory_mb` is
    what the first, second, ... retry reserves, the last value counts for all that follow. `cache_on` names what must be
    as it was for an earlier task to be taken over (nothing: no task ever is), which may be `cache_seconds` old.
    `backend` is where tasks run, with `backend_args` of the decorator that said so; a retry goes to `retry_with` when
    that is given.
    `away` says why tasks that are meant for a cluster run on this machine.
    """

    max_attempts: int = 1
    delays_seconds: tuple[float, ...] = ()
    timeout_seconds: float | None = None
    catches: bool = False
    catch_var: str | None = None
    print_exception: bool = True
    cpu: float = 0.0
    memory_mb: float = 0.0
    gpu: float = 0.0
    disk_mb: float = 0.0
    shared_memory_mb: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)
    cache_on: frozenset[str] = frozenset()
    cache_seconds: float | None = None
    retry_on: tuple[str, ...] = ()
    retry_memory_mb: tuple[float, ...] = ()
    backend: str = LOCAL
    backend_args: Mapping[str, Any] = field(default_factory=dict)
    retry_with: str | None = None
    away: str | None = None

    def retries(self, cause: str) -> bool:
        """Is a failure with this cause worth another attempt, if one is left?"""
        return not self.retry_on or cause in self.retry_on

    def for_attempt(self, attempt: int) -> StepPolicy:
        """The policy of attempt number `attempt` (from 0): a retry may have more memory, and run elsewhere."""
        if attempt == 0:
            return self
        policy = self
        if self.retry_memory_mb:
            memory = self.retry_memory_mb[min(attempt, len(self.retry_memory_mb)) - 1]
            policy = replace(policy, memory_mb=max(self.memory_mb, memory))
        if self.retry_with not in (None, self.backend):
            policy = replace(policy, backend=self.retry_with, backend_args={})
        return policy

    def backends(self) -> set[str]:
        """All places where an attempt can run."""
        return {self.backend} if self.retry_with is None or self.max_attempts < 2 else {self.backend, self.retry_with}

    def at_home(self) -> StepPolicy:
        """The same on this machine: for what needs no cluster, such as noting down that a process died."""
        return self if self.backend == LOCAL else replace(self, backend=LOCAL, backend_args={})


Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Argument:
    """`vector`: several values are fine too. `min` and `max` include themselves. A null value means "not given"."""

    name: str
    types: tuple[str, ...]
    default: Any = None
    min: float | None = None
    max: float | None = None
    vector: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""

    def complaint(self, value: Any) -> str | None:
        """What is wrong with `value`, as words after "must be", or None."""
        values = value if self.vector and isinstance(value, list) else [value]
        if values and all(self._accepts(item) for item in values):
            return None
        return self._wanted()

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "types": list(self.types),
            "default": self.default,
            "min": self.min,
            "max": self.max,
            "vector": self.vector,
            "choices": list(self.choices),
            "help": self.help,
        }

    def _accepts(self, value: Any) -> bool:
        if not any(_is(kind, value) for kind in self.types):
            return False
        if self.choices and value not in self.choices:
            return False
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
        return True

    def _wanted(self) -> str:
        if self.choices:
            words = "one of " + ", ".join(f"'{choice}'" for choice in self.choices)
        else:
            words = " or ".join(_WORDS[kind] for kind in self.types if not (kind == "int" and "float" in self.types))
        if self.min is not None and self.max is not None:
            words += f" from {self.min:g} to {self.max:g}"
        elif self.min is not None:
            words += f", at least {self.min:g}"
        elif self.max is not None:
            words += f", at most {self.max:g}"
        return words + (", or several of them" if self.vector else "")


def _nothing(args: Mapping[str, Any]) -> Policy:
    return {}


def _no_complaints(args: Mapping[str, Any]) -> list[str]:
    return []


@dataclass(frozen=True)
class DecoratorType:
    """`other_args` describes further named arguments when any name is allowed. `refused` are arguments that people know
    from Metaflow in Python and that mean nothing here, each with a sentence on what to do instead. `conflicts` are
    decorators which cannot stand on the same step, `not_on` the kinds of transition of a step it cannot stand on.
    `check` finds what a single argument cannot show ("no duration at all"), each complaint being a sentence. `policy`
    gives the fields of StepPolicy that follow; it is asked only for arguments without complaints. `shapes_result` is
    false when a task leaves the same artifacts with and without it: then it does not count when tasks are compared
    (`cache`)."""

    name: str
    help: str
    level: str = "step"
    aliases: tuple[str, ...] = ()
    args: tuple[Argument, ...] = ()
    other_args: Argument | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    not_on: tuple[str, ...] = ()
    check: Callable[[Mapping[str, Any]], list[str]] = _no_complaints
    policy: Callable[[Mapping[str, Any]], Policy] = _nothing
    shapes_result: bool = True

    def complaints(self, args: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Everything wrong with the arguments, as (message, hint)."""
        found = list(self._argument_complaints(args))
        if not found:
            found = [(f"{self.name}: {sentence}", self._usage()) for sentence in self.check(self.complete(args))]
        return found

    def complete(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """`args` with the defaults for those not given."""
        completed = {argument.name: argument.default for argument in self.args}
        completed.update({name: value for name, value in args.items() if value is not None})
        return completed

    def to_dict(self) -> JsonObject:
        return {
            "level": self.level,
            "help": self.help,
            "aliases": list(self.aliases),
            "args": [argument.to_dict() for argument in self.args],
            "other_args": None if self.other_args is None else self.other_args.to_dict(),
            "refused": dict(self.refused),
            "conflicts": list(self.conflicts),
            "not_on": list(self.not_on),
        }

    def _argument_complaints(self, args: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        known = {argument.name: argument for argument in self.args}
        for name, value in args.items():
            argument = known.get(name, self.other_args)
            if argument is None:
                hint = self.refused.get(name) or did_you_mean(name, known) or self._usage()
                yield f"{self.name} has no argument '{name}'", hint
            elif value is not None:
                wanted = argument.complaint(value)
                if wanted is not None:
                    yield f"{self.name}: '{name}' must be {wanted}, not {r_literal(value)}", argument.help

    def _usage(self) -> str:
        names = [argument.name for argument in self.args]
        return f"Arguments of {self.name}: {', '.join(names)}." if names else ""


def check_decorator(name: str, plugin: Any) -> None:
    """Raises InternalError unless `plugin` keeps the contract of this file."""
    for complaint in _contract_complaints(name, plugin):
        raise InternalError(f"decorator plugin '{name}': {complaint}")


def _contract_complaints(name: str, plugin: Any) -> Iterator[str]:
    if not isinstance(plugin, DecoratorType):
        yield f"PLUGIN must be a DecoratorType, not {type(plugin).__name__}"
        return
    if name not in (plugin.name, *plugin.aliases):
        yield f"it calls itself '{plugin.name}'"
    if plugin.level not in LEVELS:
        yield f"unknown level '{plugin.level}'"
    for fan_out in plugin.not_on:
        if fan_out not in FAN_OUTS:
            yield f"unknown transition '{fan_out}' in not_on"
    arguments = [*plugin.args, *([plugin.other_args] if plugin.other_args else [])]
    if len({argument.name for argument in arguments}) != len(arguments):
        yield "two arguments have the same name"
    for argument in arguments:
        unknown = [kind for kind in argument.types if kind not in ARGUMENT_TYPES]
        if unknown or not argument.types:
            yield f"argument '{argument.name}' has unknown types {unknown}"
        elif argument.default is not None and argument.complaint(argument.default):
            yield f"the default of '{argument.name}' is not {argument.complaint(argument.default)}"


def _is(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "dict":
        return isinstance(value, Mapping)
    if kind == "str":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return False
    return kind == "float" or float(value).is_integer()
