"""Where each step goes next, seen step by step."""

from __future__ import annotations

from collections.abc import Iterator

from ...nearest import did_you_mean
from ..problem import Problem
from ..view import GraphView, targets

__all__ = ["RULES"]


def no_steps(view: GraphView) -> Iterator[Problem]:
    if not view.steps:
        yield Problem(
            "no_steps",
            None,
            "the flow has no steps",
            'Add at least step(step = "start", next_step = "end") and step(step = "end").',
        )


def start_and_end(view: GraphView) -> Iterator[Problem]:
    for name, cure in (
        ("start", 'A flow begins at step(step = "start", ...).'),
        ("end", 'A flow finishes at step(step = "end", ...).'),
    ):
        if view.steps and name not in view.steps:
            yield Problem(f"no_{name}", None, f"the flow has no step '{name}'", cure)


def end_goes_nowhere(view: GraphView) -> Iterator[Problem]:
    step = view.steps.get("end")
    if step is None:
        return
    if targets(step):
        yield Problem(
            "end_with_next",
            "end",
            "step 'end' goes on to " + _listed(targets(step)),
            "Remove next_step from 'end': it is the last step.",
        )
    elif step.foreach is not None or step.switch is not None:
        what = "a condition" if step.foreach is None else f"a foreach over '{step.foreach}'"
        yield Problem(
            "end_with_next", "end", f"step 'end' has {what}", "Remove it from 'end', or put it on a step before."
        )


def start_is_first(view: GraphView) -> Iterator[Problem]:
    sources = view.incoming.get("start", ())
    if sources and not any("start" in path for path in view.cycles):
        yield Problem(
            "start_with_incoming",
            "start",
            f"step 'start' comes after {_listed(sources)}",
            "Nothing can go back to 'start': it is the first step.",
        )


def others_go_on(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if name != "end" and not targets(step):
            yield Problem(
                "no_next",
                name,
                f"step '{name}' does not say where it goes next",
                f'Add next_step = "..." to step "{name}"; only \'end\' has none.',
            )


def targets_exist(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        for to in targets(step):
            if to not in view.steps:
                yield Problem(
                    "unknown_next",
                    name,
                    f"step '{name}' goes to '{to}', which does not exist",
                    did_you_mean(to, view.steps) or f'Add step(step = "{to}", ...).',
                )


def targets_once(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        for to in sorted({to for to in step.next if step.next.count(to) > 1}):
            yield Problem(
                "next_twice",
                name,
                f"step '{name}' goes to '{to}' more than once",
                f"Name '{to}' once in next_step; to run it several times use foreach.",
            )


def foreach_has_one_target(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.foreach is not None and step.switch is None and len(set(step.next)) > 1:
            yield Problem(
                "foreach_with_branch",
                name,
                f"step '{name}' has both a foreach over '{step.foreach}' and several next steps ({_listed(step.next)})",
                "A foreach goes to one step. Let that step branch, or branch first and foreach in each branch.",
            )


def foreach_is_no_switch(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.foreach is not None and step.switch is not None:
            yield Problem(
                "foreach_with_switch",
                name,
                f"step '{name}' has both a foreach over '{step.foreach}' and a condition",
                "Split it into two steps: one decides, the other one has the foreach.",
            )


def switch_has_cases(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.switch is not None and not step.switch.cases:
            yield Problem(
                "switch_without_cases",
                name,
                f"step '{name}' has a condition but no cases",
                'Name the cases: next_step = list(yes = "a", no = "b").',
            )


def switch_agrees_with_next(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.switch is not None and set(step.next) != set(step.switch.cases.values()):
            yield Problem(
                "switch_next_mismatch",
                name,
                f"step '{name}': the next steps ({_listed(step.next) or 'none'}) are not the targets of its cases",
                'Give the targets by next_step = list(yes = "a", no = "b") only.',
            )


def partial_success_of_a_foreach(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        given = [word for word in ("on_error", "min_success") if getattr(step, word) is not None]
        if not given:
            continue
        if step.foreach is None:
            yield Problem(
                "partial_success_without_foreach",
                name,
                f"step '{name}' has {given[0]}, but no foreach whose splits could fail",
                "Remove it, or give it to the step with the foreach; for one step there is catch(var = ...).",
            )
        elif step.on_error not in (None, "stop", "continue"):
            yield Problem(
                "bad_on_error", name, f"step '{name}': on_error must be 'stop' or 'continue', not '{step.on_error}'",
                'Write on_error = "continue".',
            )
        elif step.min_success is not None and not 0 <= step.min_success <= 1:
            yield Problem(
                "bad_min_success", name,
                f"step '{name}': min_success must be a fraction from 0 to 1, not {step.min_success:g}",
                "Write min_success = 0.95 when 5 of 100 splits may fail.",
            )
        elif step.min_success is not None and step.min_success < 1 and step.on_error == "stop":
            yield Problem(
                "min_success_with_stop",
                name,
                f"step '{name}' has min_success = {step.min_success:g}, but on_error = 'stop' stops at the first "
                f"failure",
                'Write on_error = "continue", or leave it out.',
            )


def max_iterations_of_a_recursion(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        limit = None if step.switch is None else step.switch.max_iterations
        if limit is None:
            continue
        if limit < 1:
            yield Problem(
                "bad_max_iterations",
                name,
                f"step '{name}': max_iterations must be a whole number from 1, not {limit}",
                "Write max_iterations = 100, or leave it out.",
            )
        elif name not in targets(step):
            yield Problem(
                "max_iterations_without_recursion",
                name,
                f"step '{name}' has max_iterations, but none of its cases goes back to '{name}'",
                f'Remove max_iterations, or let a case go back: next_step = list(again = "{name}", ...).',
            )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in dict.fromkeys(names))


RULES = (
    no_steps,
    start_and_end,
    start_is_first,
    end_goes_nowhere,
    others_go_on,
    targets_exist,
    targets_once,
    foreach_has_one_target,
    foreach_is_no_switch,
    switch_has_cases,
    switch_agrees_with_next,
    max_iterations_of_a_recursion,
    partial_success_of_a_foreach,
)
