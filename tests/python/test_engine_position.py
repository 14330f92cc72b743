import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaflow_core.engine.position import Frame, position_of, task_seed


def frames(*indices):
    return tuple(Frame(f"split{depth}", "xs", index, 10) for depth, index in enumerate(indices))


@pytest.mark.parametrize(
    ("place", "step", "indices", "turn"),
    [
        ("start", "start", (), 0),
        ("fit[3]", "fit", (3,), 0),
        ("fit[3][0]", "fit", (3, 0), 0),
        ("loop#2", "loop", (), 2),
        ("loop[1]#2", "loop", (1,), 2),
    ],
)
def test_a_position_names_the_step_its_splits_and_its_turn(place, step, indices, turn):
    assert position_of(step, frames(*indices), turn) == place


places = st.tuples(st.sampled_from(["a", "b", "a1"]), st.lists(st.integers(0, 12), max_size=3), st.integers(0, 12))


@given(places, places)
def test_different_places_have_different_positions(one, other):
    def name(place):
        return position_of(place[0], frames(*place[1]), place[2])

    assert (name(one) == name(other)) == (one == other)


# Whoever changes how seeds are made breaks the reproduction of every run that was ever made: these never change.
@pytest.mark.parametrize(
    ("run_seed", "position", "seed"),
    [
        (1, "start", 137222181),
        (1, "end", 1848941256),
        (1, "fit[0]", 1751154866),
        (1, "fit[1]", 172433343),
        (1, "fit[3][0]", 1528167782),
        (2, "start", 65688937),
        (2147483647, "loop#1", 47728885),
    ],
)
def test_seeds_are_what_they_always_were(run_seed, position, seed):
    assert task_seed(run_seed, position) == seed


@given(st.integers(1, 2**31 - 1), st.text(max_size=20))
def test_a_seed_is_one_that_r_takes(run_seed, position):
    seed = task_seed(run_seed, position)
    assert 1 <= seed < 2**31
    assert seed == task_seed(run_seed, position)


def test_ten_thousand_splits_hardly_share_a_seed():
    seeds = {task_seed(1, f"fit[{index}]") for index in range(10_000)}
    assert len(seeds) > 9_990


def test_a_frame_as_the_record_of_a_task_keeps_it():
    frame = Frame("start", "grid", 3, 16, {"digest": "abc"})
    assert frame.to_dict() == {"step": "start", "var": "grid", "index": 3, "count": 16}
    assert Frame("start", "grid", 3, 16, None, "low").to_dict()["label"] == "low"
