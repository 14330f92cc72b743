"""Names of the flow, of steps and of the artifacts that the flow itself names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..names import artifact_complaint, name_complaint, repaired
from ..problem import Problem
from ..view import GraphView

__all__ = ["RULES"]


def flow_name(view: GraphView) -> Iterator[Problem]:
    complaint = name_complaint(view.spec.name, frozenset())
    if complaint:
        yield Problem("bad_flow_name", None, f"the flow name '{view.spec.name}' {complaint}", _cure(view.spec.name))


def step_names(view: GraphView) -> Iterator[Problem]:
    for name in view.steps:
        complaint = name_complaint(name, frozenset())
        if complaint:
            yield Problem("bad_step_name", name, f"the step name '{name}' {complaint}", _cure(name))


def step_names_twice(view: GraphView) -> Iterator[Problem]:
    for name, count in Counter(step.name for step in view.spec.steps).items():
        if count > 1:
            yield Problem(
                "duplicate_step",
                name,
                f"step '{name}' is defined {count} times",
                "Give each step its own name.",
            )


def step_names_by_case(view: GraphView) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name in view.steps:
        other = first.setdefault(name.lower(), name)
        if other != name:
            yield Problem(
                "step_names_differ_by_case",
                name,
                f"steps '{other}' and '{name}' differ in upper and lower case only",
                "Rename one of them: macOS and Windows keep both in the same folder.",
            )


def artifact_names(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        named = [("foreach", step.foreach)]
        if step.switch is not None:
            named.append(("condition", step.switch.condition))
        for role, artifact in named:
            complaint = None if artifact is None else artifact_complaint(artifact)
            if complaint:
                yield Problem(
                    "bad_artifact_name",
                    name,
                    f"step '{name}': the {role} artifact '{artifact}' {complaint}",
                    _cure(artifact),
                )


def _cure(name: str) -> str:
    better = repaired(name)
    return f"Call it '{better}', for example." if better and better != name else "Choose another name."


RULES = (flow_name, step_names, step_names_twice, step_names_by_case, artifact_names)
