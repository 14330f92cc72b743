import pytest
from flow_strategies import broken_flows, valid_flows
from flows import SHAPES, flow, of_shape, shape, step
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.errors import InternalError
from metaflow_core.graph.lint import problems
from metaflow_core.graph.topology import topology
from walk_flow import walk


def test_linear():
    compiled = topology(shape("linear"))
    assert compiled.order == ("start", "a", "b", "end")
    assert [compiled[name].kind for name in compiled.order] == ["start", "linear", "linear", "end"]
    assert compiled.split_of == compiled.join_of == {}
    assert compiled["a"].in_steps == ("start",)


def test_nested_branch():
    compiled = topology(shape("nested_branch"))
    assert compiled.split_of == {"inner_join": "a", "outer_join": "start"}
    assert compiled.join_of == {"a": "inner_join", "start": "outer_join"}
    assert compiled["c"].splits == ("start", "a")
    assert compiled["c"].branches == {"start": "a", "a": "c"}
    assert compiled["inner_join"].splits == ("start",)
    assert compiled["outer_join"].in_steps == ("inner_join", "b")
    assert (compiled["start"].kind, compiled["start"].closed_by) == ("split", "outer_join")
    assert (compiled["inner_join"].kind, compiled["inner_join"].closes) == ("join", "a")


def test_branch_in_foreach():
    compiled = topology(shape("branch_in_foreach"))
    assert compiled["a"].splits == ("start", "inner")
    assert compiled["a"].foreaches == ("start",)
    assert compiled["a"].foreach_depth == 1
    assert compiled["inner_join"].foreaches == ("start",)
    assert compiled["outer_join"].foreaches == ()


def test_nested_foreach_has_an_index_for_each():
    compiled = topology(shape("nested_foreach"))
    assert compiled["inner"].foreaches == ("start", "outer")
    assert compiled["outer"].kind == "foreach"


def test_switch_and_recursion():
    compiled = topology(
        flow(
            step("start", "train"),
            step("train", {"again": "train", "good": "report", "bad": "end"}),
            step("report", "end"),
            step("end"),
        )
    )
    assert compiled["train"].kind == "switch"
    assert compiled["train"].recursive
    assert compiled["train"].next == ("train", "report", "end")
    assert compiled["train"].in_steps == ("start",)
    assert compiled["end"].in_steps == ("train", "report")


def test_after_and_between():
    compiled = topology(shape("foreach_in_branch"))
    assert compiled.after("inner") == {"inner", "inner_join", "outer_join", "end"}
    assert compiled.between("a") == {"inner"}
    assert compiled.between("start") == {"a", "inner", "inner_join", "b"}


def test_a_flow_with_problems_is_refused():
    with pytest.raises(InternalError):
        topology(flow(step("start", ["a", "b"]), step("a", "end"), step("b", "end"), step("end")))


def test_plain_data():
    data = topology(shape("branch")).to_dict()
    assert data["order"] == ["start", "a", "b", "join", "end"]
    assert data["steps"][3]["closes"] == "start"


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_shapes_run_to_their_end(entry):
    spec = of_shape(entry)
    compiled = topology(spec)
    sizes = {name: len(split["values"]) for name, split in entry["splits"].items()}
    # On the last of the ways that a switch has: a recursive step has itself before it.
    done = walk(spec, lambda: max(sizes.values()), lambda ways: ways[-1], dict(compiled.join_of))
    assert done.ends == [()]
    assert not done.stuck


@settings(max_examples=300)
@given(valid_flows() | broken_flows(), st.data())
def test_a_flow_without_problems_comes_to_its_end_once_on_every_way(spec, data):
    if problems(spec):
        return
    compiled = topology(spec)
    turns = iter(range(20))

    def choose(targets):
        # After some turns take the target that is farthest, to leave every recursion.
        if next(turns, None) is None:
            return max(targets, key=compiled.order.index)
        return data.draw(st.sampled_from(targets))

    done = walk(spec, lambda: data.draw(st.integers(0, 2)), choose, dict(compiled.join_of))
    assert done.ends == [()]
    assert not done.stuck
    for name, splits in done.tasks:
        assert splits == compiled[name].splits
    for join, splits in done.joined.items():
        assert splits == {compiled.split_of[join]}


@settings(max_examples=150)
@given(valid_flows())
def test_order_and_inverses(spec):
    compiled = topology(spec)
    place = {name: number for number, name in enumerate(compiled.order)}
    assert set(place) == {one.name for one in spec.steps}
    for one in compiled.steps.values():
        assert all(place[source] < place[one.name] for source in one.in_steps)
        assert all(one.name in compiled[to].in_steps for to in one.next if to != one.name)
    assert {split: join for join, split in compiled.split_of.items()} == dict(compiled.join_of)
    for split in (one.name for one in spec.steps if one.foreach):
        assert compiled.split_of[compiled.join_of[split]] == split
