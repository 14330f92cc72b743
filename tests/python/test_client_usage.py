import pytest
from metaflow_core.client import Session
from metaflow_core.client.usage import percentile, step_usage, suggested_resources, timeline
from metaflow_core.settings import load_settings
from suites.made_runs import RunMaker

MB = 1_000_000


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    yield session
    session.close()


def used(memory=MB, wall=2.0, user=1.0, system=0.0):
    return {"wall": wall, "user": user, "system": system, "max_rss_bytes": memory}


@pytest.mark.parametrize(
    "values, expected", [([], None), ([7], 7), (range(1, 21), 19), (range(1, 101), 95), ([3, 1, 2], 3)]
)
def test_percentile_is_a_value_that_occurred(values, expected):
    assert percentile(values, 0.95) == expected


@pytest.mark.parametrize(
    "cores, memory, expected",
    [
        (0.3, 56 * MB, {"cpu": 1, "memory": 100}),
        (1.15, 121 * MB, {"cpu": 1, "memory": 150}),
        (1.3, 900 * MB, {"cpu": 2, "memory": 900}),
        (3.95, 2300 * MB, {"cpu": 4, "memory": 2500}),
        (8, 61_000 * MB, {"cpu": 8, "memory": 65_000}),
        (None, 900 * MB, None),
        (1.0, None, None),
    ],
)
def test_suggestion_holds_what_was_used(cores, memory, expected):
    suggested = suggested_resources(cores, memory)
    assert suggested == expected
    if suggested:
        assert suggested["memory"] * MB >= memory


def test_use_of_a_step_counts_what_was_measured_and_spends_what_ran_here(session):
    made = RunMaker(session.store)
    made.task("start", usage=used(10 * MB, wall=2.0, user=1.0, system=1.0))
    made.task("a", usage=used(300 * MB, user=1.5), origin="F/0/a/2/0", cached=True)
    made.task("a", usage=used(200 * MB, user=0.5))
    made.task("a", usage=None)
    usage = step_usage(session, "F/1")
    assert usage["start"]["cpu_p95"] == 1.0
    a = usage["a"]
    assert (a["measured"], a["memory_p95_bytes"], a["memory_max_bytes"]) == (2, 300 * MB, 300 * MB)
    assert (a["cpu_p95"], a["cpu_seconds"], a["cached"]) == (0.75, 0.5, 1)
    assert a["suggested"] == {"cpu": 1, "memory": 300}
    assert set(usage) == {"start", "a"}


def test_a_short_task_is_not_said_to_need_many_cores(session):
    made = RunMaker(session.store)
    made.task("start", usage=used(wall=0.01, user=0.03))
    made.task("a", usage=used(wall=10.0, user=30.0))
    usage = step_usage(session, "F/1")
    assert (usage["start"]["cpu_p95"], usage["a"]["cpu_p95"]) == (1.0, 3.0)


def test_an_artifact_is_stored_by_the_step_that_made_it(session):
    made = RunMaker(session.store)
    big, small = made.artifact(b"x" * 100), made.artifact(b"y" * 7)
    made.task("start", artifacts={"big": big}, started_at=1.0, finished_at=2.0)
    made.task("a", artifacts={"big": big, "small": small}, started_at=3.0, finished_at=4.0)
    made.task("b", artifacts={"big": big, "again": small}, started_at=5.0, finished_at=6.0)
    usage = step_usage(session, "F/1")
    assert [usage[step]["stored_bytes"] for step in ("start", "a", "b")] == [100, 7, 0]


def test_what_the_decorators_ask_for(session):
    steps = [
        {"name": "start", "next": ["end"], "decorators": [
            {"name": "resources", "args": {"cpu": 2, "memory": 100}},
            {"name": "slurm", "args": {"memory": 4000, "cpu": None}},
        ]},
        {"name": "end", "next": []},
    ]
    RunMaker(session.store, steps=steps).task("start", usage=used())
    assert step_usage(session, "F/1")["start"]["asked"] == {"cpu": 2, "memory": 4000}


def test_attempts_on_the_time_line(session):
    made = RunMaker(session.store)
    made.task("start", started_at=1.0, finished_at=2.0)
    made.task("a", task="9", ok=False, started_at=3.0, finished_at=4.0)
    made.task("a", task="9", attempt=1, started_at=5.0, finished_at=6.0)
    made.task("b", task="10", ok=False, started_at=2.5, finished_at=2.7)
    made.task("b", task="11", origin="F/0/b/2/0", started_at=0.5, finished_at=0.7)
    rows = timeline(session, "F/1")
    assert [(row["task"], row["attempt"], row["status"]) for row in rows] == [
        ("11", 0, "cloned"), ("1", 0, "done"), ("10", 0, "failed"), ("9", 0, "retrying"), ("9", 1, "done"),
    ]
