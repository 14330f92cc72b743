from collections import Counter
from random import Random
from types import SimpleNamespace

import pytest
from flow_strategies import valid_flows
from flows import SHAPES, flow, of_shape, step
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine.states import Failure, Outcome, Scheduler, Splits
from simulated_run import Adversary, SimulatedRun, World, plan_of, undisturbed
from walk_flow import walk

seeds = st.integers(0, 2**32)
slots = st.integers(1, 5)


def always(policy):
    return True


def started(spec, max_num_splits=10_000, **policies):
    """A scheduler of this flow whose start task was just created."""
    scheduler = Scheduler(plan_of(spec, **policies), max_num_splits)
    scheduler.start()
    return scheduler


def launch(scheduler, now=0.0):
    return scheduler.next_ready(now, always)


def launch_all(scheduler, now=0.0):
    return list(iter(lambda: launch(scheduler, now), None))


LINE = flow(step("start", "a"), step("a", "end"), step("end"))
BRANCH = flow(
    step("start", ["a", "b"]), step("a", "join"), step("b", "join"), step("join", "end", join=True), step("end")
)
FOREACH = flow(step("start", "a", foreach="xs"), step("a", "join"), step("join", "end", join=True), step("end"))
LOOP = flow(step("start", "turn"), step("turn", {"again": "turn", "done": "end"}), step("end"))
SWITCH = flow(step("start", {"yes": "a", "no": "b"}), step("a", "end"), step("b", "end"), step("end"))


# -- one flow after the other


def test_a_line_runs_one_step_after_the_other():
    scheduler = started(LINE)
    for name in ("start", "a", "end"):
        (task,) = launch_all(scheduler)
        assert (task.step, task.position, scheduler.status) == (name, name, "running")
        scheduler.succeeded(task, Outcome())
    assert (scheduler.status, scheduler.done, scheduler.cloned) == ("completed", 3, 0)
    assert scheduler.end_task is task


def test_branches_run_side_by_side_and_are_joined_in_the_order_of_the_flow():
    scheduler = started(BRANCH)
    scheduler.succeeded(launch(scheduler), Outcome())
    a, b = launch_all(scheduler)
    assert (a.step, b.step) == ("a", "b")
    scheduler.succeeded(b, Outcome())
    assert launch(scheduler) is None
    scheduler.succeeded(a, Outcome())
    assert launch(scheduler).parents == (a, b)


def test_splits_of_a_foreach_have_their_value_and_are_joined_in_the_order_of_the_values():
    scheduler = started(FOREACH)
    start = launch(scheduler)
    scheduler.succeeded(start, Outcome({}, Splits(3, ["x", "y", "z"], ["one", "two", "three"])))
    tasks = launch_all(scheduler)
    assert [task.position for task in tasks] == ["a[0]", "a[1]", "a[2]"]
    frame = tasks[1].stack[0]
    assert (frame.step, frame.var, frame.index, frame.count, frame.value, frame.label) == (
        "start",
        "xs",
        1,
        3,
        "y",
        "two",
    )
    for task in (tasks[2], tasks[0], tasks[1]):
        assert launch(scheduler) is None
        scheduler.succeeded(task, Outcome())
    join = launch(scheduler)
    assert (join.position, join.stack, join.parents) == ("join", (), tuple(tasks))


def test_a_foreach_over_nothing_goes_straight_to_its_join():
    scheduler = started(FOREACH)
    scheduler.succeeded(launch(scheduler), Outcome({"x": {"digest": "1"}}, Splits(0)))
    join = launch(scheduler)
    assert (join.step, join.parents, join.stack) == ("join", (), ())
    scheduler.succeeded(join, Outcome({"y": {"digest": "2"}}))
    # A join has what it took over and assigned, nothing else.
    assert set(join.table.flat()) == {"y"}
    scheduler.succeeded(launch(scheduler), Outcome())
    assert scheduler.status == "completed"


def test_a_nested_foreach_over_nothing_is_joined_with_its_neighbours():
    spec = next(of_shape(shape) for shape in SHAPES if shape["name"] == "nested_foreach")
    scheduler = started(spec)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(2)))
    first, second = launch_all(scheduler)
    scheduler.succeeded(first, Outcome({}, Splits(0)))
    scheduler.succeeded(second, Outcome({}, Splits(1)))
    empty, inner = sorted(launch_all(scheduler), key=lambda task: task.position, reverse=True)
    assert (empty.position, inner.position) == ("inner_join[0]", "inner[1][0]")
    scheduler.succeeded(inner, Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    scheduler.succeeded(empty, Outcome())
    assert [parent.position for parent in launch(scheduler).parents] == ["inner_join[0]", "inner_join[1]"]


def test_more_splits_than_allowed_fail_the_run_with_both_numbers_and_the_option():
    scheduler = started(FOREACH, max_num_splits=3)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(4)))
    assert scheduler.status == "failed"
    for words in ("'start'", "'xs'", "4 tasks", "the 3 ", "--max-num-splits 4"):
        assert words in scheduler.problem
    assert launch(scheduler) is None


def test_as_many_splits_as_allowed_are_fine():
    scheduler = started(FOREACH, max_num_splits=3)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(3)))
    assert len(launch_all(scheduler)) == 3


@pytest.mark.parametrize(("choice", "taken"), [("yes", "a"), ("no", "b")])
def test_a_switch_takes_one_of_its_cases(choice, taken):
    scheduler = started(SWITCH)
    scheduler.succeeded(launch(scheduler), Outcome(choice=choice))
    (task,) = launch_all(scheduler)
    assert task.step == taken
    scheduler.succeeded(task, Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    assert scheduler.status == "completed"


@pytest.mark.parametrize("choice", ["maybe", "", None, "a"])
def test_a_case_that_a_switch_does_not_have_fails_the_run_and_names_those_it_has(choice):
    scheduler = started(SWITCH)
    scheduler.succeeded(launch(scheduler), Outcome(choice=choice))
    assert scheduler.status == "failed"
    assert "'yes', 'no'" in scheduler.problem
    assert "'start'" in scheduler.problem


def test_a_recursion_has_a_position_for_each_turn():
    scheduler = started(LOOP)
    scheduler.succeeded(launch(scheduler), Outcome())
    places = []
    for choice in ("again", "again", "done"):
        task = launch(scheduler)
        places.append(task.position)
        scheduler.succeeded(task, Outcome({choice: {"digest": choice}}, choice=choice))
    assert places == ["turn", "turn#1", "turn#2"]
    end = launch(scheduler)
    scheduler.succeeded(end, Outcome())
    assert set(end.table.flat()) == {"again", "done"}
    assert scheduler.status == "completed"


def test_a_recursion_without_end_fails_at_its_limit():
    scheduler = started(LOOP)
    scheduler.succeeded(launch(scheduler), Outcome())
    turns = 0
    while scheduler.status == "running":
        scheduler.succeeded(launch(scheduler), Outcome(choice="again"))
        turns += 1
    assert turns == scheduler.plan.steps["turn"].max_turns
    assert scheduler.status == "failed"
    assert "'turn'" in scheduler.problem
    assert str(turns) in scheduler.problem


# -- failures


def test_a_failure_lets_siblings_finish_and_launches_nothing_more():
    scheduler = started(FOREACH)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(3)))
    first, second = launch(scheduler), launch(scheduler)
    assert scheduler.failed(first, Failure("error"), 0.0) is False
    assert (scheduler.status, launch(scheduler)) == ("running", None)
    scheduler.succeeded(second, Outcome())
    assert scheduler.status == "failed"
    assert [task for task, _ in scheduler.failed_tasks] == [first]
    assert (scheduler.done, launch(scheduler)) == (2, None)


def test_every_failure_of_siblings_is_kept():
    scheduler = started(FOREACH, a=StepPolicy(max_attempts=2))
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(3)))
    tasks = launch_all(scheduler)
    assert scheduler.failed(tasks[0], Failure("error"), 0.0) is True
    again = launch(scheduler)
    assert again is tasks[0]
    assert scheduler.failed(again, Failure("error"), 0.0) is False
    # Once the run has failed there is no use in trying others again.
    assert scheduler.failed(tasks[1], Failure("error"), 0.0) is False
    scheduler.succeeded(tasks[2], Outcome())
    assert [task.position for task, _ in scheduler.failed_tasks] == ["a[0]", "a[1]"]
    assert scheduler.status == "failed"


@given(st.integers(1, 5), st.integers(0, 6))
def test_a_task_is_tried_as_often_as_its_policy_says(attempts, failures):
    scheduler = started(LINE, start=StepPolicy(max_attempts=attempts))
    tried = 0
    while scheduler.status == "running" and scheduler.done == 0:
        task = launch(scheduler)
        assert task.attempt == tried
        assert task.home == f"start/1/{tried}"
        tried += 1
        if tried <= failures:
            assert scheduler.failed(task, Failure("error"), 0.0) is (tried < attempts)
        else:
            scheduler.succeeded(task, Outcome())
    assert tried == min(attempts, failures + 1)
    assert scheduler.status == ("running" if failures < attempts else "failed")


@pytest.mark.parametrize(("cause", "again"), [("oom", True), ("crash", True), ("error", False), ("timeout", False)])
def test_only_causes_that_are_worth_it_are_tried_again(cause, again):
    scheduler = started(LINE, start=StepPolicy(max_attempts=2, retry_on=("oom", "crash")))
    assert scheduler.failed(launch(scheduler), Failure(cause), 0.0) is again
    assert scheduler.status == ("running" if again else "failed")


def test_a_cause_that_is_not_tried_again_is_caught_at_once():
    scheduler = started(LINE, start=StepPolicy(max_attempts=3, retry_on=("oom",), catches=True))
    assert scheduler.failed(launch(scheduler), Failure("crash", {"cause": "crash"}), 0.0) is True
    assert launch(scheduler).fallback == {"cause": "crash"}


def test_a_retry_asks_for_the_memory_of_its_attempt():
    scheduler = started(LINE, start=StepPolicy(max_attempts=3, memory_mb=10, retry_memory_mb=(20, 40)))
    asked = []
    for _ in range(3):
        task = scheduler.next_ready(0.0, lambda policy: asked.append(policy.memory_mb) or True)
        assert scheduler.policy_of(task).memory_mb == asked[-1]
        scheduler.failed(task, Failure("oom"), 0.0)
    assert asked == [10, 20, 40]


def test_a_retry_waits_for_its_moment_and_others_run_meanwhile():
    scheduler = started(BRANCH, a=StepPolicy(max_attempts=4, delays_seconds=(60.0, 120.0)))
    scheduler.succeeded(launch(scheduler), Outcome())
    a = launch(scheduler)
    for now, due in ((10.0, 70.0), (70.0, 190.0), (190.0, 310.0)):  # the last delay serves for all that follow
        assert scheduler.failed(a, Failure("error"), now) is True
        assert scheduler.next_wake() == due
        assert all(task.step == "b" for task in launch_all(scheduler, due - 0.001))
        assert scheduler.status == "running"
        assert launch(scheduler, due) is a
    assert scheduler.next_wake() is None
    assert scheduler.failed(a, Failure("error"), 400.0) is False


def test_a_retry_goes_before_tasks_of_its_step_that_were_never_tried():
    scheduler = started(FOREACH, a=StepPolicy(max_attempts=2))
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(3)))
    first = launch(scheduler)
    scheduler.failed(first, Failure("error"), 0.0)
    assert launch(scheduler) is first


def test_a_delayed_retry_is_not_waited_for_once_the_run_has_failed():
    scheduler = started(BRANCH, a=StepPolicy(max_attempts=2, delays_seconds=(3600.0,)))
    scheduler.succeeded(launch(scheduler), Outcome())
    a, b = launch_all(scheduler)
    scheduler.failed(a, Failure("error"), 0.0)
    scheduler.failed(b, Failure("error"), 0.0)
    assert (scheduler.status, scheduler.next_wake()) == ("failed", None)


def test_catch_gives_a_task_whose_process_died_one_more_attempt_to_say_so():
    scheduler = started(LINE, start=StepPolicy(max_attempts=2, catches=True, catch_var="e"))
    task = launch(scheduler)
    error = {"cause": "timeout", "message": "too long"}
    assert scheduler.failed(task, Failure("timeout", error), 0.0) is True
    task = launch(scheduler)
    assert (task.attempt, task.fallback) == (1, None)
    assert scheduler.failed(task, Failure("timeout", error), 0.0) is True
    task = launch(scheduler)
    assert (task.attempt, task.fallback) == (2, error)
    scheduler.succeeded(task, Outcome({"e": {"digest": "1"}}))
    assert launch(scheduler).step == "a"
    assert scheduler.failed_tasks == []


def test_catch_that_fails_itself_is_not_caught_again():
    scheduler = started(LINE, start=StepPolicy(catches=True))
    scheduler.failed(launch(scheduler), Failure("crash"), 0.0)
    task = launch(scheduler)
    assert task.fallback == {"cause": "crash"}
    assert scheduler.failed(task, Failure("crash"), 0.0) is False
    assert scheduler.status == "failed"


def test_a_run_that_cannot_go_on_fails_once_its_running_tasks_have_ended():
    scheduler = started(BRANCH)
    scheduler.succeeded(launch(scheduler), Outcome())
    a = launch(scheduler)
    scheduler.fail("the disk is full")
    scheduler.fail("and the printer, too")
    assert (scheduler.status, launch(scheduler)) == ("running", None)
    scheduler.succeeded(a, Outcome())
    assert (scheduler.status, scheduler.problem) == ("failed", "the disk is full")


def test_a_run_whose_last_commit_fails_is_not_completed():
    scheduler = started(flow(step("start", "end"), step("end")))
    scheduler.succeeded(launch(scheduler), Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    scheduler.fail("the result of end/2 could not be stored")
    assert scheduler.status == "failed"


def test_an_interrupt_ends_the_run_at_once():
    scheduler = started(BRANCH)
    scheduler.succeeded(launch(scheduler), Outcome())
    launch(scheduler)
    scheduler.interrupt()
    assert (scheduler.status, scheduler.running, launch(scheduler)) == ("interrupted", {}, None)


def test_an_interrupt_that_comes_too_late_changes_nothing():
    scheduler = started(flow(step("start", "end"), step("end")))
    scheduler.succeeded(launch(scheduler), Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    scheduler.interrupt()
    assert scheduler.status == "completed"


# -- splits without which a run goes on


def spared(min_success, *body):
    """start -> foreach over body -> join -> end"""
    body = body or (step("a", "join"),)
    first = flow(
        step("start", body[0]["name"], foreach="xs", min_success=min_success),
        *body,
        step("join", "end", join=True),
        step("end"),
    )
    scheduler = Scheduler(plan_of(first))
    scheduler.start()
    return scheduler


def test_a_split_that_failed_is_an_input_of_the_join_in_its_place():
    scheduler = spared(0.5)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(4)))
    a, b, c, d = launch_all(scheduler)
    failure = Failure("oom", {"cause": "oom"})
    assert scheduler.failed(c, failure, 0.0) is False
    assert (scheduler.status, c.failure, scheduler.failed_tasks) == ("running", failure, [])
    for task in (d, a, b):
        scheduler.succeeded(task, Outcome({"x": {"digest": task.position}}))
    join = launch(scheduler)
    assert (join.step, join.parents) == ("join", (a, b, c, d))
    scheduler.succeeded(join, Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    assert (scheduler.status, scheduler.done, scheduler.failed_count) == ("completed", 6, 1)


@pytest.mark.parametrize(("min_success", "count", "spare"), [(0.95, 100, 5), (0.95, 19, 0), (0.9, 10, 1), (0, 3, 3), (1, 50, 0), (2 / 3, 3, 1)])
def test_a_run_fails_as_soon_as_too_few_splits_can_succeed(min_success, count, spare):
    scheduler = spared(min_success)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(count)))
    for failed in range(count):
        task = launch(scheduler)
        if task is None or task.step == "join":
            break
        scheduler.failed(task, Failure("error"), 0.0)
        assert scheduler.status == ("running" if failed < spare else "failed")
    assert len(scheduler.given_up) == spare
    assert (scheduler.status == "running") == (spare == count)


def test_nothing_of_a_split_that_failed_is_launched_any_more():
    scheduler = spared(0, step("a", ["b", "c"]), step("b", "bc"), step("c", "bc"), step("bc", "join", join=True))
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(2)))
    for task in launch_all(scheduler):
        scheduler.succeeded(task, Outcome())
    b0, b1 = launch(scheduler), launch(scheduler)
    assert (b0.position, b1.position) == ("b[0]", "b[1]")
    scheduler.failed(b0, Failure("crash"), 0.0)
    c1 = launch(scheduler)
    assert (c1.position, launch(scheduler)) == ("c[1]", None)
    scheduler.succeeded(b1, Outcome())
    scheduler.succeeded(c1, Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    join = launch(scheduler)
    assert [parent.position for parent in join.parents] == ["b[0]", "bc[1]"]


def test_what_still_runs_of_a_split_that_failed_ends_without_consequences():
    scheduler = spared(0, step("a", ["b", "c"]), step("b", "bc"), step("c", "bc"), step("bc", "join", join=True))
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(1)))
    scheduler.succeeded(launch(scheduler), Outcome())
    b, c = launch_all(scheduler)
    scheduler.failed(b, Failure("crash"), 0.0)
    join = launch(scheduler)
    assert join.parents == (b,)
    assert scheduler.failed(c, Failure("crash"), 0.0) is False
    assert (scheduler.status, c.failure) == ("running", Failure("crash"))


def test_a_foreach_that_can_spare_no_more_fails_the_split_around_it():
    inner = step("a", "b", foreach="ys"), step("b", "inner"), step("inner", "join", join=True)
    scheduler = spared(0.5, *inner)
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(2)))
    for task in launch_all(scheduler):
        scheduler.succeeded(task, Outcome({}, Splits(2)))
    b00 = launch(scheduler)
    scheduler.failed(b00, Failure("error"), 0.0)
    rest = launch_all(scheduler)
    assert [task.position for task in rest] == ["b[1][0]", "b[1][1]"]
    for task in rest:
        scheduler.succeeded(task, Outcome())
    scheduler.succeeded(launch(scheduler), Outcome())
    assert [parent.position for parent in launch(scheduler).parents] == ["b[0][0]", "inner[1]"]


def test_a_task_is_tried_again_and_caught_before_its_split_is_given_up():
    spec = flow(step("start", "a", foreach="xs", on_error="continue"), step("a", "join"), step("join", "end", join=True), step("end"))
    scheduler = started(spec, a=StepPolicy(max_attempts=2, catches=True))
    scheduler.succeeded(launch(scheduler), Outcome({}, Splits(1)))
    task = launch(scheduler)
    assert scheduler.failed(task, Failure("error"), 0.0) is True
    assert scheduler.failed(launch(scheduler), Failure("error"), 0.0) is True
    assert launch(scheduler).fallback is not None


# -- who may be launched


def test_a_step_that_does_not_fit_does_not_hold_up_others():
    scheduler = started(BRANCH, a=StepPolicy(cpu=8))
    scheduler.succeeded(launch(scheduler), Outcome())
    assert scheduler.next_ready(0.0, lambda policy: policy.cpu == 0).step == "b"
    assert scheduler.next_ready(0.0, lambda policy: policy.cpu == 0) is None
    assert scheduler.waiting() == 1
    assert launch(scheduler).step == "a"


# -- earlier runs


def test_a_cloned_task_is_offered_for_commit_and_never_launched():
    outcome = Outcome({"x": {"digest": "1"}})
    scheduler = Scheduler(plan_of(LINE), find_origin=lambda task: outcome if task.step == "start" else None)
    scheduler.start()
    assert launch(scheduler) is None
    task, found = scheduler.next_clone()
    assert (task.step, task.cloned, found) == ("start", True, outcome)
    scheduler.succeeded(task, found)
    assert (scheduler.done, scheduler.cloned) == (1, 1)
    assert scheduler.next_clone() is None
    assert launch(scheduler).step == "a"


def test_a_run_of_clones_only_completes():
    scheduler = Scheduler(plan_of(BRANCH), find_origin=lambda task: Outcome())
    scheduler.start()
    while scheduler.status == "running":
        scheduler.succeeded(*scheduler.next_clone())
    assert (scheduler.status, scheduler.done, scheduler.cloned) == ("completed", 5, 5)


# -- all flows


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["name"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_every_shape_runs_to_its_end(shape, count):
    run = undisturbed(plan_of(of_shape(shape)), World(count=count))
    assert len(run.ran()) == len(run.done)


@settings(max_examples=150)
@given(valid_flows(), st.integers(0, 3), st.integers(0, 2))
def test_tasks_are_those_that_walking_through_the_flow_meets(spec, count, turns):
    plan, world = plan_of(spec), World(count=count, turns=turns)
    run = undisturbed(plan, world)
    switches = [step for step in plan.steps.values() if step.condition is not None]
    step_of = {step.next: step for step in switches}
    assume(len(step_of) == len(switches))  # the walk tells a switch by its targets only
    turn = Counter()

    def choose(targets):
        step = step_of[tuple(targets)]
        task = SimpleNamespace(position=f"{step.name}#{turn[step.name]}")
        chosen = step.cases[world.choose(step, task)]
        turn[step.name] = turn[step.name] + 1 if chosen == step.name else 0
        return chosen

    found = walk(spec, lambda: count, choose, dict(plan.join_of))
    assert found.stuck == []
    assert Counter(name for name, _ in found.tasks) == Counter(task.step for task in run.done.values())


@settings(max_examples=150)
@given(valid_flows(), seeds, slots)
def test_the_order_of_completion_does_not_matter(spec, seed, slots):
    plan, world = plan_of(spec), World(seed)
    run = SimulatedRun(plan, world, Adversary(Random(seed)), slots).run()
    assert run.status == "completed"
    assert run.artifacts() == undisturbed(plan, world).artifacts()


@settings(max_examples=150)
@given(valid_flows(), seeds, st.integers(1, 3), st.booleans())
def test_retries_and_catch_under_random_failures(spec, seed, attempts, catches):
    policy = StepPolicy(max_attempts=attempts, delays_seconds=(1.0,), catches=catches)
    # A foreach or switch that is caught has no outcome to go on with, so the lint forbids it.
    plain = StepPolicy(max_attempts=attempts, delays_seconds=(0.0, 2.0))
    policies = {s.name: plain for s in spec.steps if s.foreach is not None or s.switch is not None}
    plan = plan_of(spec, others=policy, **policies)
    run = SimulatedRun(plan, World(seed), Adversary(Random(seed), failing=0.2), slots=3).run()
    tries = Counter(place for place, _ in run.launched)
    for place, task in run.created.items():
        most = plan.steps[task.step].policy.max_attempts + (1 if plan.steps[task.step].policy.catches else 0)
        assert tries[place] <= most
        if (place in run.done) and task.fallback is None:
            assert tries[place] == task.attempt + 1
    if catches and not any(task.step in policies for task, _ in run.scheduler.failed_tasks):
        assert run.status == "completed"


fractions = st.sampled_from([0.0, 0.3, 0.5, 0.75, 1.0])


@settings(max_examples=300)
@given(valid_flows(min_success=fractions), seeds, slots, st.integers(1, 2), st.floats(0, 0.4))
def test_partial_success_under_random_failures(spec, seed, slots, attempts, failing):
    plan = plan_of(spec, others=StepPolicy(max_attempts=attempts, delays_seconds=(1.0,)))
    run = SimulatedRun(plan, World(seed), Adversary(Random(seed), failing=failing), slots).run()
    # What every launch and join must look like is asserted in the simulation.
    assert run.status in ("completed", "failed")
    if run.status == "completed":
        assert all(task.stack for task in run.scheduler.given_up)


@settings(max_examples=150)
@given(valid_flows(min_success=fractions), seeds, st.floats(0.05, 0.4))
def test_a_resumed_run_does_the_splits_that_failed_and_nothing_twice(spec, seed, failing):
    plan, world = plan_of(spec), World(seed)
    first = SimulatedRun(plan, world, Adversary(Random(seed), failing=failing), slots=2).run()
    second = SimulatedRun(plan, world, origin=first, number="2").run()
    assert second.status == "completed"
    assert second.artifacts() == undisturbed(plan, world).artifacts()
    assert not {task.position for task in first.scheduler.given_up} - second.ran()
    # What the first run had done well before anything failed is not done again.
    assert second.scheduler.cloned + len(second.ran()) == len(second.done)
