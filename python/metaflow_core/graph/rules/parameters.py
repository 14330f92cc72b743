"""Parameters: names, types, defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...nearest import did_you_mean
from ...r_literal import r_literal
from ..names import name_complaint, repaired
from ..parameter import PARAMETER_TYPES
from ..parameter_default import TYPE_WORDS, default_fits
from ..problem import Problem
from ..view import GraphView

__all__ = ["RULES"]


def parameter_names(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        complaint = name_complaint(parameter.name)
        if complaint:
            better = repaired(parameter.name)
            hint = (
                f"Call it '{better}', for example." if better and better != parameter.name else "Choose another name."
            )
            yield Problem("bad_parameter_name", None, f"the parameter name '{parameter.name}' {complaint}", hint)


def parameter_names_twice(view: GraphView) -> Iterator[Problem]:
    for name, count in Counter(parameter.name for parameter in view.spec.parameters).items():
        if count > 1:
            yield Problem(
                "duplicate_parameter",
                None,
                f"parameter '{name}' is defined {count} times",
                "Give each parameter its own name.",
            )


def parameter_options(view: GraphView) -> Iterator[Problem]:
    """On the command line a parameter is an option, where `-` and `_` are the same."""
    first: dict[str, str] = {}
    for parameter in view.spec.parameters:
        other = first.setdefault(parameter.name.lower(), parameter.name)
        if other != parameter.name:
            yield Problem(
                "parameter_names_differ_by_case",
                None,
                f"parameters '{other}' and '{parameter.name}' differ in upper and lower case only",
                "Rename one of them, they are easily mixed up on the command line.",
            )


def parameter_types(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        if parameter.type is not None and parameter.type not in PARAMETER_TYPES:
            yield Problem(
                "unknown_parameter_type",
                None,
                f"parameter '{parameter.name}' has an unknown type '{parameter.type}'",
                did_you_mean(parameter.type, PARAMETER_TYPES),
            )


def required_without_default(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        if parameter.required and parameter.has_default and parameter.default is not None:
            yield Problem(
                "required_with_default",
                None,
                f"parameter '{parameter.name}' is required and has a default",
                "Remove required = TRUE or the default: with a default it need not be given.",
            )


def defaults_fit(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        if not default_fits(parameter):
            yield Problem(
                "bad_default",
                None,
                f"the default of parameter '{parameter.name}' must be {TYPE_WORDS[parameter.type]}, "
                f"not {r_literal(parameter.default)}",
                "Change the default or the type.",
            )


def separators_separate(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        if parameter.separator == "":
            yield Problem(
                "empty_separator",
                None,
                f"parameter '{parameter.name}' has an empty separator",
                'A separator is a text such as ",".',
            )


def flags_are_bool(view: GraphView) -> Iterator[Problem]:
    for parameter in view.spec.parameters:
        if parameter.is_flag and parameter.type not in (None, "bool"):
            yield Problem(
                "flag_not_bool",
                None,
                f"parameter '{parameter.name}' is a flag of type {parameter.type}",
                'A flag has type = "bool".',
            )


def parameters_are_read_only(view: GraphView) -> Iterator[Problem]:
    parameters = {parameter.name for parameter in view.spec.parameters}
    for name, step in view.steps.items():
        for decorator in step.decorators:
            variable = decorator.args.get("var")
            if decorator.name == "catch" and isinstance(variable, str) and variable in parameters:
                yield Problem(
                    "parameter_assigned",
                    name,
                    f"step '{name}': catch would overwrite the parameter '{variable}'",
                    "Choose another name for var: parameters are read-only.",
                )


RULES = (
    parameter_names,
    parameter_names_twice,
    parameter_options,
    parameter_types,
    required_without_default,
    defaults_fit,
    separators_separate,
    flags_are_bool,
    parameters_are_read_only,
)
