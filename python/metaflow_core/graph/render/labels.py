"""The words that stand at steps and transitions in every format."""

from __future__ import annotations

from ..step import StepSpec

__all__ = ["case_labels", "decorator_names", "transition_label"]


def transition_label(step: StepSpec, to: str) -> str:
    """What a transition says besides its target: "foreach x", the cases of a switch, or nothing."""
    if step.switch is not None:
        return case_labels(step, to)
    return f"foreach {step.foreach}" if step.foreach is not None else ""


def case_labels(step: StepSpec, to: str) -> str:
    """The cases in which a switch goes to `to`, for example "yes, maybe"."""
    cases = {} if step.switch is None else step.switch.cases
    return ", ".join(case for case, target in cases.items() if target == to)


def decorator_names(step: StepSpec) -> str:
    return ", ".join(decorator.name for decorator in step.decorators)
