import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine.admission import Admission, machine

POLICY = StepPolicy()


def wants(cpu=0, memory_mb=0):
    return StepPolicy(cpu=cpu, memory_mb=memory_mb)


def test_steps_that_ask_for_nothing_fill_the_slots():
    admission = Admission(max_workers=3, cores=1, memory_mb=100)
    for number in range(3):
        assert admission.fits(POLICY)
        admission.enter(str(number), POLICY)
    assert not admission.fits(POLICY)
    admission.leave("1")
    assert admission.fits(POLICY)


@pytest.mark.parametrize(
    ("wish", "beside"), [(wants(cpu=2), 2), (wants(cpu=1.5), 2), (wants(memory_mb=400), 2), (wants(3, 100), 1)]
)
def test_tasks_that_ask_for_resources_run_beside_each_other_as_far_as_there_are_any(wish, beside):
    admission = Admission(max_workers=10, cores=4, memory_mb=1000)
    for number in range(beside):
        assert admission.fits(wish)
        admission.enter(str(number), wish)
    assert not admission.fits(wish)


def test_a_task_that_asks_for_more_than_there_is_runs_alone():
    admission = Admission(max_workers=10, cores=4, memory_mb=1000)
    huge, none = wants(cpu=64), wants()
    admission.enter("1", none)
    assert not admission.fits(huge)
    admission.leave("1")
    assert admission.fits(huge)
    admission.enter("2", huge)
    assert not admission.fits(none)
    assert not admission.fits(huge)
    admission.leave("2")
    assert admission.fits(none)


def test_the_warning_names_the_step_and_both_numbers():
    admission = Admission(max_workers=2, cores=4, memory_mb=8192.4)
    text = admission.excess("fit", wants(cpu=16, memory_mb=60000))
    assert text == (
        "step 'fit' asks for 16 cores (this machine has 4) and 60000 MB of memory (this machine has 8192 MB); "
        "its tasks run alone"
    )


@pytest.mark.parametrize("wish", [wants(), wants(4, 1000), wants(0.5)])
def test_no_warning_for_what_fits(wish):
    assert Admission(max_workers=2, cores=4, memory_mb=1000).excess("fit", wish) is None


def test_leaving_twice_or_without_entering_is_fine():
    admission = Admission(1, 1, 1)
    admission.leave("1")
    admission.enter("1", POLICY)
    admission.leave("1")
    admission.leave("1")
    assert admission.fits(POLICY)


wishes = st.builds(wants, st.sampled_from([0, 0.5, 1, 3, 9]), st.sampled_from([0, 100, 600, 5000]))


@given(st.lists(wishes, min_size=1, max_size=30), st.integers(1, 6), st.integers(1, 4))
def test_everything_is_admitted_in_the_end_and_never_too_much_at_once(waiting, slots, cores):
    admission = Admission(slots, cores, 1000)
    running: list = []
    while waiting or running:
        fitting = next((wish for wish in waiting if admission.fits(wish)), None)
        if fitting is None:
            assert running, "nothing runs and nothing is admitted"
            key, _ = running.pop(0)
            admission.leave(key)
            continue
        waiting.remove(fitting)
        key = str(len(waiting))
        admission.enter(key, fitting)
        running.append((key, fitting))
        assert len(running) <= slots
        if len(running) > 1:
            assert sum(wish.cpu for _, wish in running) <= cores
            assert sum(wish.memory_mb for _, wish in running) <= 1000


def test_this_machine_has_something():
    cores, memory_mb = machine()
    assert cores >= 1
    assert memory_mb > 100
