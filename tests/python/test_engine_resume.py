from random import Random

import pytest
from flow_strategies import valid_flows
from flows import SHAPES, flow, of_shape, step
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine import table
from metaflow_core.graph.topology import topology
from simulated_run import Adversary, SimulatedRun, World, plan_of, undisturbed

seeds = st.integers(0, 2**32)


@pytest.fixture(params=[(64, 8), (1, 2)], ids=["flat tables", "deep tables"], scope="module", autouse=True)
def layering(request):
    """Small limits, so that the tasks of small flows, too, inherit their artifacts over several records."""
    before = table.FLAT, table.DEEP
    table.FLAT, table.DEEP = request.param
    yield
    table.FLAT, table.DEEP = before


def resumed(run, adversary=None, redo=None, slots=2):
    return SimulatedRun(run.plan, run.world, adversary, slots, run, redo, str(int(run.number) + 1)).run()


def doomed(position, seed=0):
    return Adversary(Random(seed), doomed={position: 99})


def follow(run, step):
    """The positions of a step's tasks and of all tasks that came after them."""
    found = set()
    for task in sorted(run.done.values(), key=lambda task: int(task.id)):
        if task.step == step or any(earlier.position in found for earlier in task.after):
            found.add(task.position)
    return found


def ran_steps(run):
    return {task.step for task in run.done.values()}


# -- one failure in every step of every shape


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
def test_a_failure_anywhere_is_resumed_with_the_rest_only(shape):
    plan, world = plan_of(of_shape(shape)), World(count=2)
    whole = undisturbed(plan, world)
    for position in whole.done:
        broken = SimulatedRun(plan, world, doomed(position), slots=1).run()
        assert broken.status == "failed"
        again = resumed(broken)
        assert again.status == "completed"
        assert again.artifacts() == whole.artifacts()
        assert again.ran() == set(whole.done) - set(broken.done)
        assert again.scheduler.cloned == len(broken.done)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_resume_from_a_step_runs_it_and_all_that_follow_and_nothing_else(shape, count):
    spec = of_shape(shape)
    plan, world = plan_of(spec), World(count=count)
    whole = undisturbed(plan, world)
    for name in plan.steps:
        again = resumed(whole, redo=name)
        assert again.artifacts() == whole.artifacts()
        assert again.ran() == follow(whole, name)
        # What follows in the graph follows in the run, unless a foreach over nothing left the step out.
        if any(task.step == name for task in whole.done.values()):
            assert {whole.done[place].step for place in again.ran()} == topology(spec).after(name) & ran_steps(whole)


# -- any flow, anything goes wrong


@settings(max_examples=200)
@given(valid_flows(), seeds, st.integers(1, 4), st.sampled_from([0.02, 0.1, 0.3]), st.sampled_from([0.0, 0.02, 0.1]))
def test_resuming_until_it_is_done_ends_like_an_undisturbed_run(spec, seed, slots, failing, killing):
    random = Random(seed)
    plan = plan_of(spec, others=StepPolicy(max_attempts=random.choice([1, 2]), delays_seconds=(1.0,)))
    world = World(seed)
    whole = undisturbed(plan, world).artifacts()
    run = SimulatedRun(plan, world, Adversary(random, failing=failing, killing=killing), slots).run()
    resumes = 0
    while run.status != "completed":
        resumes += 1
        adversary = Adversary(random, failing=failing / resumes, killing=killing / resumes)
        earlier, run = run, resumed(run, adversary, slots=slots)
        for place, task in run.done.items():
            assert task.cloned == (place in earlier.done), place
        # What is found at all is right at every moment, not only at the end.
        assert run.artifacts().items() <= whole.items()
    assert run.artifacts() == whole


@settings(max_examples=150)
@given(st.data(), valid_flows(), seeds)
def test_resuming_from_a_step_of_a_broken_run_ends_like_an_undisturbed_run(data, spec, seed):
    plan, world = plan_of(spec), World(seed)
    whole = undisturbed(plan, world).artifacts()
    broken = SimulatedRun(plan, world, Adversary(Random(seed), failing=0.1, killing=0.05), slots=3).run()
    redo = data.draw(st.sampled_from(sorted(plan.steps)))
    again = resumed(broken, redo=redo)
    assert again.artifacts() == whole
    follows = follow(again, redo)
    for place, task in again.done.items():
        assert task.cloned == (place in broken.done and place not in follows), place


@settings(max_examples=100)
@given(valid_flows(), seeds)
def test_a_completed_run_is_resumed_by_cloning_everything(spec, seed):
    whole = undisturbed(plan_of(spec), World(seed))
    again = resumed(whole, Adversary(Random(seed)))
    assert again.artifacts() == whole.artifacts()
    assert again.ran() == set()


# -- what a clone knows


def test_a_clone_names_the_task_that_did_the_work_however_often_it_was_cloned():
    first = undisturbed(plan_of(flow(step("start", "end"), step("end"))), World())
    second = resumed(first)
    third = resumed(second)
    assert [record["origin"] for record in second.records] == ["TestFlow/1/start/1/0", "TestFlow/1/end/2/0"]
    assert [record["origin"] for record in third.records] == ["TestFlow/1/start/1/0", "TestFlow/1/end/2/0"]
    assert [task.attempt for task in third.done.values()] == [0, 0]


def test_the_attempt_that_worked_is_the_one_that_is_cloned():
    plan = plan_of(flow(step("start", "end"), step("end")), start=StepPolicy(max_attempts=3))
    run = SimulatedRun(plan, World(), Adversary(Random(0), doomed={"start": 2})).run()
    again = resumed(run)
    assert again.records[0]["origin"] == "TestFlow/1/start/1/2"
    assert again.records[0]["attempt"] == 0


def test_failed_attempts_are_not_cloned():
    spec = flow(step("start", "end"), step("end"))
    run = SimulatedRun(plan_of(spec), World(), doomed("end")).run()
    run.records.append({**run.records[0], "step": "end", "task": "2", "position": "end", "ok": False})
    assert resumed(run).ran() == {"end"}


# -- the flow was changed before it was resumed


LINE = flow(step("start", "a"), step("a", "b"), step("b", "end"), step("end"))


def changed(before, after, fails="end"):
    """`before` failed in the step `fails` and is resumed as the flow `after`."""
    broken = SimulatedRun(plan_of(before), World(count=2), doomed(fails)).run()
    run = SimulatedRun(plan_of(after), World(count=2), None, 2, broken, None, "2").run()
    assert run.status == "completed"
    return run


def test_a_step_that_is_new_is_run_and_so_are_those_after_it():
    after = flow(step("start", "a"), step("a", "new"), step("new", "b"), step("b", "end"), step("end"))
    assert changed(LINE, after).ran() == {"new", "b", "end"}


def test_a_step_that_is_gone_is_not_missed():
    after = flow(step("start", "b"), step("b", "end"), step("end"))
    run = changed(LINE, after)
    assert "a" not in run.done
    assert run.done["b"].cloned is False


def test_a_step_that_became_a_foreach_is_run_again():
    after = flow(
        step("start", "a"), step("a", "b", foreach="xs"), step("b", "join"), step("join", "end", join=True), step("end")
    )
    run = changed(LINE, after)
    assert {"a", "b[0]", "b[1]"} <= run.ran()


def test_a_foreach_over_something_else_is_run_again():
    def spec(var):
        return flow(step("start", "a", foreach=var), step("a", "join"), step("join", "end", join=True), step("end"))

    assert "start" in changed(spec("xs"), spec("ys")).ran()


def test_a_step_that_became_a_switch_is_run_again():
    after = flow(step("start", "a"), step("a", {"yes": "b"}), step("b", "end"), step("end"))
    assert "a" in changed(LINE, after).ran()


def test_a_switch_whose_case_was_renamed_is_run_again():
    before = flow(step("start", {"yes": "a"}), step("a", "end"), step("end"))
    after = flow(step("start", {"sure": "a"}), step("a", "end"), step("end"))
    assert "start" in changed(before, after).ran()
