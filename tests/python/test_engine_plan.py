import pytest
from flows import SHAPES, flow, of_shape, shape, step
from simulated_run import plan_of


def test_what_the_scheduler_asks_is_looked_up_once():
    plan = plan_of(shape("foreach_in_branch"))
    assert plan.flow == "TestFlow"
    assert plan.join_of == {"start": "outer_join", "a": "inner_join"}
    assert (plan.steps["outer_join"].closes, plan.steps["inner_join"].closes) == ("start", "a")
    assert plan.in_steps["outer_join"] == ("inner_join", "b")
    assert [name for name in plan.steps if plan.is_foreach(name)] == ["a"]


def test_a_switch_keeps_its_cases():
    plan = plan_of(flow(step("start", {"yes": "a", "no": "end", "perhaps": "a"}), step("a", "end"), step("end")))
    assert plan.steps["start"].condition == "state"
    assert plan.steps["start"].cases == {"yes": "a", "no": "end", "perhaps": "a"}
    assert plan.steps["start"].next == ("a", "end")


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_every_join_closes_the_split_that_it_joins(entry):
    plan = plan_of(of_shape(entry))
    for name, planned in plan.steps.items():
        assert planned.join == (planned.closes is not None)
        if planned.join:
            assert plan.join_of[planned.closes] == name
