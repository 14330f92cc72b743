"""Decorators of the flow and of steps: known, in their place, with arguments they understand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...nearest import did_you_mean
from ...registry import plugins
from ..decorator import DecoratorSpec
from ..problem import Problem
from ..view import GraphView, fan_out

__all__ = ["RULES"]

_FAN_OUT_WORDS = {"branch": "branches", "foreach": "has a foreach", "switch": "has a condition"}


def decorators_known(view: GraphView) -> Iterator[Problem]:
    for step, decorator in _all(view):
        if _type(decorator) is None and not decorator.user:
            names = plugins("decorators").names()
            yield Problem(
                "unknown_decorator",
                step,
                f"{_owner(step)}: unknown decorator '{decorator.name}'",
                did_you_mean(decorator.name, names),
            )


def decorators_in_place(view: GraphView) -> Iterator[Problem]:
    for step, decorator in _all(view):
        kind = _type(decorator)
        if kind is not None and kind.level != ("flow" if step is None else "step"):
            cure = "metaflow(...)" if kind.level == "flow" else "the step(...) it is meant for"
            yield Problem(
                "misplaced_decorator",
                step,
                f"{_owner(step)}: {decorator.name} is a decorator of a {kind.level}",
                f"Move it to {cure}.",
            )


def decorators_of_r_on_steps_in_r(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        for decorator in step.decorators if step.language == "python" else ():
            if decorator.user:
                yield Problem(
                    "decorator_of_another_language",
                    name,
                    f"step '{name}' is written in Python, and the decorator '{decorator.name}' is made of R functions",
                    "Leave it out, or call the Python function from a step in R by reticulate.",
                )


def decorator_arguments(view: GraphView) -> Iterator[Problem]:
    for step, decorator in _all(view):
        kind = _type(decorator)
        for message, hint in [] if kind is None else kind.complaints(decorator.args):
            yield Problem("bad_decorator_argument", step, f"{_owner(step)}: {message}", hint)


def decorators_once(view: GraphView) -> Iterator[Problem]:
    for step, decorators in _owners(view):
        kinds = [kind.name for kind in map(_type, decorators) if kind is not None]
        for name, count in Counter(kinds).items():
            if count > 1:
                yield Problem(
                    "duplicate_decorator",
                    step,
                    f"{_owner(step)} has the decorator {name} {count} times",
                    "Keep one of them, with all arguments.",
                )


def decorators_agree(view: GraphView) -> Iterator[Problem]:
    for step, decorators in _owners(view):
        names = list(dict.fromkeys(kind.name for kind in map(_type, decorators) if kind is not None))
        for number, name in enumerate(names):
            for other in names[number + 1 :]:
                if (
                    other in plugins("decorators").get(name).conflicts
                    or name in plugins("decorators").get(other).conflicts
                ):
                    yield Problem(
                        "conflicting_decorators",
                        step,
                        f"{_owner(step)}: {name} and {other} cannot be used together",
                        "Keep one of them.",
                    )


def decorators_fit_transition(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        for decorator in step.decorators:
            kind = _type(decorator)
            if kind is not None and fan_out(step) in kind.not_on:
                yield Problem(
                    "decorator_not_on_transition",
                    name,
                    f"step '{name}' {_FAN_OUT_WORDS[fan_out(step)]}, so it cannot have the decorator {kind.name}",
                    "Move the work that may fail to a step of its own before it.",
                )


def _type(decorator: DecoratorSpec):
    return None if decorator.user else plugins("decorators").find(decorator.name)


def _owners(view: GraphView) -> Iterator[tuple[str | None, tuple[DecoratorSpec, ...]]]:
    yield None, view.spec.decorators
    for name, step in view.steps.items():
        yield name, step.decorators


def _all(view: GraphView) -> Iterator[tuple[str | None, DecoratorSpec]]:
    for step, decorators in _owners(view):
        for decorator in decorators:
            yield step, decorator


def _owner(step: str | None) -> str:
    return "the flow" if step is None else f"step '{step}'"


RULES = (
    decorators_known,
    decorators_in_place,
    decorators_of_r_on_steps_in_r,
    decorator_arguments,
    decorators_once,
    decorators_agree,
    decorators_fit_transition,
)
