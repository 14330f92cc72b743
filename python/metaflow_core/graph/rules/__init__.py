"""The rules of a flow. A rule is a function from what the lint sees to the problems it finds, one rule per function."""

from . import decorators, functions, names, parameters, structure, transitions

__all__ = ["ALL_RULES"]

ALL_RULES = (
    *names.RULES,
    *transitions.RULES,
    *structure.RULES,
    *functions.RULES,
    *parameters.RULES,
    *decorators.RULES,
)
