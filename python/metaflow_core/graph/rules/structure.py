"""How the steps hang together: reachable, without loops, every split closed by one join.

A rule of this file looks only at steps whose way from start is in order (see view.py), so that each mistake is told
once, where it is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..problem import Problem
from ..view import GraphView, fan_out, reach, targets

__all__ = ["RULES"]


def all_reachable(view: GraphView) -> Iterator[Problem]:
    if "start" not in view.steps:
        return
    for name in view.steps:
        if name not in view.reachable_if_corrected:
            yield Problem(
                "unreachable",
                name,
                f"step '{name}' cannot be reached from 'start'",
                f"Name '{name}' in the next_step of another step, or remove it.",
            )


def all_reach_the_end(view: GraphView) -> Iterator[Problem]:
    if "end" not in view.steps:
        return
    # A step without a good next step is reported by itself; those before it are not at fault.
    excused = {name for name in view.steps if not _goes_on_well(view, name)}
    excused.update(name for path in view.cycles for name in path)
    fine = reach(["end", *excused], view.incoming)
    for name in view.steps:
        if name in view.reachable and name not in fine:
            yield Problem(
                "no_path_to_end",
                name,
                f"no path leads from step '{name}' to 'end'",
                f"Add 'end' or a step which leads there to the next steps of '{name}'.",
            )


def no_loops(view: GraphView) -> Iterator[Problem]:
    for path in view.cycles:
        yield Problem(
            "cycle",
            path[0],
            "the steps run in a circle: " + " -> ".join(path),
            "Remove one of these transitions. Only a step with a condition may go back, and only to itself; "
            "to repeat over values use foreach.",
        )


def several_ways_meet_in_a_join(view: GraphView) -> Iterator[Problem]:
    for name, arrivals in view.arrivals.items():
        if view.steps[name].join or view.stacks[name] is not None:
            continue
        sources = _listed([source for source, _ in arrivals])
        if name == "end":
            message = f"step 'end' is reached from {sources}, which run side by side"
            hint = "Add a step with join = TRUE before 'end' and let these steps go to it."
        else:
            message = f"step '{name}' is reached from {sources}, which run side by side, but it is not a join"
            hint = f'Write step(step = "{name}", join = TRUE, r_function = function(self, inputs) ...).'
        yield Problem("missing_join", name, message, hint)


def splits_are_joined_before_the_end(view: GraphView) -> Iterator[Problem]:
    for opened in view.stacks.get("end") or ():
        what = "the foreach" if opened.branch is None else "a branch"
        yield Problem(
            "split_not_joined",
            opened.split,
            f"{what} of step '{opened.split}' reaches 'end' without a join",
            "Add a step with join = TRUE before 'end'.",
        )


def joins_have_a_split(view: GraphView) -> Iterator[Problem]:
    for name, arrivals in view.arrivals.items():
        if view.steps[name].join and not any(stack for _, stack in arrivals):
            yield Problem(
                "join_without_split",
                name,
                f"step '{name}' is a join, but nothing was split before it",
                f"Remove join = TRUE from '{name}', or let an earlier step branch or have a foreach.",
            )


def joins_close_one_split(view: GraphView) -> Iterator[Problem]:
    for name, arrivals in view.arrivals.items():
        stacks = [stack for _, stack in arrivals]
        if not view.steps[name].join or view.stacks[name] is not None or not any(stacks):
            continue
        ways = [f"'{source}' (in {_open(stack)})" for source, stack in arrivals]
        yield Problem(
            "join_of_two_splits",
            name,
            f"step '{name}' joins steps of different splits: {', '.join(ways)}",
            "Close the inner split by a join of its own first, then join the outer one.",
        )


def splits_have_one_join(view: GraphView) -> Iterator[Problem]:
    joins = defaultdict(list)
    for join, split in view.split_of.items():
        joins[split].append(join)
    for split, closing in joins.items():
        if len(closing) > 1:
            yield Problem(
                "split_joined_twice",
                split,
                f"the branches of step '{split}' end in different joins: {_listed(closing)}",
                "Let all branches go to the same join.",
            )


def foreach_has_a_body(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if fan_out(step) == "foreach":
            for to in view.next[name]:
                if view.steps[to].join:
                    yield Problem(
                        "foreach_without_body",
                        name,
                        f"the foreach of step '{name}' goes directly to the join '{to}'",
                        "Put the step that does the work for one value between them.",
                    )


def joins_do_not_split(view: GraphView) -> Iterator[Problem]:
    for name, step in view.steps.items():
        if step.join and fan_out(step) in ("branch", "foreach", "switch"):
            yield Problem(
                "join_and_split",
                name,
                f"step '{name}' both joins and splits",
                "Make it two steps: the join, and after it one that splits.",
            )


def end_is_no_join(view: GraphView) -> Iterator[Problem]:
    if "end" in view.steps and view.steps["end"].join:
        yield Problem(
            "end_is_join",
            "end",
            "step 'end' is a join",
            "Add a step with join = TRUE before 'end', and let it go to 'end'.",
        )


def start_is_no_join(view: GraphView) -> Iterator[Problem]:
    if "start" in view.steps and view.steps["start"].join and "start" not in view.arrivals:
        yield Problem("start_is_join", "start", "step 'start' is a join", "Remove join = TRUE from 'start'.")


def _goes_on_well(view: GraphView, name: str) -> bool:
    following = targets(view.steps[name])
    return bool(following) and all(to in view.steps for to in following)


def _open(stack: tuple) -> str:
    if not stack:
        return "no split"
    return f"the foreach of '{stack[-1].split}'" if stack[-1].branch is None else f"a branch of '{stack[-1].split}'"


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


RULES = (
    all_reachable,
    all_reach_the_end,
    no_loops,
    several_ways_meet_in_a_join,
    splits_are_joined_before_the_end,
    joins_have_a_split,
    joins_close_one_split,
    splits_have_one_join,
    foreach_has_a_body,
    joins_do_not_split,
    end_is_no_join,
    start_is_no_join,
)
