"""What the R worker is told about a task. It must see exactly what the task can see, however few words that takes."""

import pytest
from flow_strategies import valid_flows
from flows import flow, shape, step
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine import table
from metaflow_core.engine.commit import reference
from metaflow_core.engine.order import task_order
from metaflow_core.engine.position import Frame
from metaflow_core.engine.states import Outcome, Scheduler, Splits, Task
from metaflow_core.engine.table import FLAT
from simulated_run import World, plan_of, undisturbed


def record(text):
    return {"digest": text, "size": 1}


def order_of(plan, task):
    step = plan.steps[task.step]
    named = step.closes is not None and not plan.is_foreach(step.closes)
    return task_order(task, step, "/store/task", 42, named_inputs=named)


def read(reference_text):
    """The digest in a reference."""
    return reference_text.rsplit(" ", 1)[1]


def seen_by_inputs(order):
    """[{name: digest}] as R/inputs.R reads them: what an input has of its own, else what all have from `base`."""
    inputs = order["inputs"]
    return [
        {name: read(ref) for name, ref in {**inputs["base"], **item["artifacts"]}.items()} for item in inputs["items"]
    ]


def digests(artifacts):
    return {name: record["digest"] for name, record in artifacts.items()}


# -- every task of every flow


@pytest.mark.parametrize(("flat", "deep"), [(64, 8), (1, 2)])
@settings(max_examples=100)
@given(spec=valid_flows(), seed=st.integers(0, 2**32))
def test_a_task_is_told_what_it_can_see_and_nothing_else(flat, deep, spec, seed):
    before = table.FLAT, table.DEEP
    table.FLAT, table.DEEP = flat, deep
    try:
        check_all_orders(spec, seed)
    finally:
        table.FLAT, table.DEEP = before


def check_all_orders(spec, seed):
    plan = plan_of(spec)
    for task in undisturbed(plan, World(seed)).done.values():
        order = order_of(plan, task)
        if plan.steps[task.step].join:
            assert seen_by_inputs(order) == [digests(parent.table.flat()) for parent in task.parents]
            assert [(item["step"], item["task"]) for item in order["inputs"]["items"]] == [
                (parent.step, parent.id) for parent in task.parents
            ]
            assert "artifacts" not in order
        elif task.parents:
            assert {name: read(ref) for name, ref in order["artifacts"].items()} == digests(
                task.parents[0].table.flat()
            )
        assert [frame["index"] for frame in order["stack"]] == [frame.index for frame in task.stack]
        assert order["parents"] == [parent.key for parent in task.parents]


# -- joins


def test_a_join_of_one_joined_task_does_not_see_what_that_one_dropped():
    """foreach over one value -> branch -> join -> join: the inner join takes nothing over."""
    plan = plan_of(shape("branch_in_foreach"))
    scheduler = Scheduler(plan)
    scheduler.start()
    outcomes = {
        "start": Outcome({"kept": record("k")}, Splits(1, [record("v")])),
        "a": Outcome({"secret": record("s")}),
        "inner_join": Outcome({"summary": record("m")}),
    }
    while True:
        task = scheduler.next_ready(0.0, lambda policy: True)
        if task.step == "outer_join":
            break
        scheduler.succeeded(task, outcomes.get(task.step, Outcome()))
    assert seen_by_inputs(order_of(plan, task)) == [{"summary": "m"}]


@pytest.mark.parametrize("artifacts", [3, FLAT + 1])
def test_what_all_inputs_share_is_told_once(artifacts):
    spec = flow(
        step("start", "inner", foreach="xs"),
        step("inner", "after"),
        step("after", "join"),
        step("join", "end", join=True),
        step("end"),
    )
    plan = plan_of(spec)
    scheduler = Scheduler(plan)
    scheduler.start()
    many = {f"x{number}": record(f"d{number}") for number in range(artifacts)}
    scheduler.succeeded(scheduler.next_ready(0.0, bool), Outcome(many, Splits(50, [record("v")] * 50)))
    while (task := scheduler.next_ready(0.0, lambda policy: True)).step != "join":
        scheduler.succeeded(task, Outcome({f"of_{task.step}": record(task.id), "same": record("s")}))
    told = order_of(plan, task)["inputs"]
    assert len(told["base"]) == artifacts + 1
    assert all(list(item["artifacts"]) == ["of_inner", "of_after"] for item in told["items"])
    assert told["named"] is False


def test_inputs_of_a_branch_have_names():
    plan = plan_of(shape("branch"))
    join = undisturbed(plan, World()).done["join"]
    assert order_of(plan, join)["inputs"]["named"] is True


def test_a_join_over_nothing_has_no_inputs():
    plan = plan_of(shape("foreach_of_0"))
    order = order_of(plan, undisturbed(plan, World(count=0)).done["join"])
    assert order["inputs"] == {"named": False, "base": {}, "items": []}
    assert (order["join"], order["parents"], order["stack"]) == (True, [], [])


# -- the rest of an order


def order(policy=None, **fields):
    spec = flow(step("start", "a", foreach="xs"), step("a", "join"), step("join", "end", join=True), step("end"))
    plan = plan_of(spec, a=policy or StepPolicy())
    value = {"digest": "", "blob": "b", "offset": 7, "size": 3}
    task = Task("5", "a", "a[1]", (Frame("start", "xs", 1, 2, value, "low"),), ())
    for name, content in fields.items():
        setattr(task, name, content)
    return task_order(task, plan.steps["a"], "/store/a/5/0", 42, named_inputs=False)


def test_an_order_says_who_and_where():
    told = order()
    assert {name: told[name] for name in ("step", "task", "attempt", "position", "dir", "seed")} == {
        "step": "a",
        "task": "5",
        "attempt": 0,
        "position": "a[1]",
        "dir": "/store/a/5/0",
        "seed": 42,
    }
    assert told["stack"] == [{"index": 1, "count": 2, "ref": "b 7 3 -"}]
    assert told["frames"] == [{"step": "start", "var": "xs", "index": 1, "count": 2, "label": "low"}]
    assert not {"catch", "catch_var", "fallback", "env", "join", "foreach", "condition"} & set(told)


def test_the_steps_foreach_and_condition_are_named():
    plan = plan_of(
        flow(
            step("start", "a", foreach="xs"),
            step("a", {"yes": "b"}),
            step("b", "j"),
            step("j", "end", join=True),
            step("end"),
        )
    )
    made = undisturbed(plan, World(count=1)).done
    assert order_of(plan, made["start"])["foreach"] == "xs"
    assert order_of(plan, made["a[0]"])["condition"] == "state"


def test_the_last_attempt_catches():
    policy = StepPolicy(max_attempts=3, catches=True, catch_var="e", print_exception=False)
    assert "catch" not in order(policy)
    assert all(order(policy, attempt=attempt)["catch_var"] == "e" for attempt in range(3))
    assert "catch" not in order(policy, attempt=1)
    assert order(policy, attempt=2)["catch"] == {"var": "e", "print": False}


def test_an_attempt_that_only_says_why_others_died_catches():
    policy = StepPolicy(catches=True, catch_var="e")
    told = order(policy, attempt=1, fallback={"cause": "timeout"})
    assert (told["catch"]["var"], told["fallback"]) == ("e", {"cause": "timeout"})


def test_environment_variables_are_told():
    assert order(StepPolicy(env={"A": "1"}))["env"] == {"A": "1"}


@pytest.mark.parametrize(
    ("artifact", "text"),
    [
        ({"digest": "d", "size": 9}, "d 0 9 d"),
        ({"digest": "d", "size": 9, "blob": "b"}, "b 0 9 d"),
        ({"digest": "d", "size": 9, "blob": "b", "offset": 100}, "b 100 9 d"),
        ({"digest": "", "size": 9, "blob": "b", "offset": 0}, "b 0 9 -"),
    ],
)
def test_a_reference_says_where_bytes_are_and_what_they_are(artifact, text):
    assert reference(artifact) == text


def test_what_is_tried_again_is_not_caught_yet():
    policy = StepPolicy(max_attempts=2, catches=True, retry_on=("oom",))
    assert order(policy)["catch"]["unless"] == ["oom"]
    assert "unless" not in order(policy, attempt=1)["catch"]
