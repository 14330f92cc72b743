"""The functions of steps, as far as their number of arguments tells."""

from __future__ import annotations

from collections.abc import Iterator

from ..problem import Problem
from ..view import GraphView

__all__ = ["RULES"]

LANGUAGES = ("python", "r")


def arity_fits(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if not step.has_function or step.arity is None:
            continue
        wanted = 2 if step.join else 1
        if step.arity in (0, wanted):
            continue  # one that takes nothing is called with nothing
        if step.join:
            message = f"step '{name}' is a join, its function must take self and inputs, not {_arguments(step.arity)}"
            hint = "Write function(self, inputs) ..."
        elif step.arity == 2:
            message = f"step '{name}' is not a join, but its function takes two arguments"
            hint = "Write function(self) ..., or add join = TRUE when the step joins a split."
        else:
            message = f"the function of step '{name}' must take self, not {_arguments(step.arity)}"
            hint = "Write function(self) ..."
        yield Problem("wrong_arity", name, message, hint)


def language_known(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.language not in LANGUAGES:
            yield Problem(
                "unknown_language",
                name,
                f"step '{name}' is written in an unknown language '{step.language}'",
                "Known: " + ", ".join(LANGUAGES) + ".",
            )


def _arguments(count: int) -> str:
    return "one argument" if count == 1 else f"{count} arguments"


RULES = (arity_fits, language_known)
