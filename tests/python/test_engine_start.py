import os

import pytest
from flows import decorator, flow, shape, step
from metaflow_core.bridge import runs as bridge
from metaflow_core.engine import start as start_module
from metaflow_core.errors import InvalidFlow, ResumeError, StoreError
from scripted_backend import HANG, Engine, events, fail, succeed

LINE = flow(step("start", "a"), step("a", "end"), step("end"))


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path / "store", LINE.to_dict())


def nothing_was_written(engine):
    return not os.path.exists(os.path.join(engine.root, "flows"))


# -- what is refused is refused before anything is written


def test_a_wrong_flow_is_refused_with_all_its_problems(tmp_path):
    wrong = Engine(tmp_path / "store", flow(step("start", "b"), step("a", "end"), step("end")).to_dict())
    with pytest.raises(InvalidFlow) as caught:
        wrong.begin(succeed)
    assert {problem["code"] for problem in caught.value.data} >= {"unknown_next"}
    assert nothing_was_written(wrong)


def test_a_wrong_decorator_from_the_command_line_is_refused(engine):
    with pytest.raises(InvalidFlow):
        engine.begin(succeed, **{"with": [decorator("retry", times=-1)]})
    assert nothing_was_written(engine)


def test_nothing_to_resume(engine):
    with pytest.raises(ResumeError, match="no run to resume"):
        engine.resume()
    assert nothing_was_written(engine)


@pytest.mark.parametrize(
    ("wanted", "words"), [({"run": "7"}, "run 7"), ({"run": "TestFlow/7"}, "run 7"), ({"step": "b"}, "'b'")]
)
def test_resuming_what_does_not_exist(engine, wanted, words):
    engine.run()
    with pytest.raises(ResumeError, match=words) as caught:
        engine.resume(**wanted)
    assert caught.value.hint or wanted.get("step")
    assert engine.open().runs.list_runs("TestFlow") == ["1"]


# -- the record of a run


def test_a_run_is_recorded_with_what_it_was_started_with(engine):
    engine.run(
        seed=42, tags=["b", "a", "b"], namespace="user:other", argv=["run"], code_texts={"start": "function(self) 1"}
    )
    record = engine.open().runs.read_run("TestFlow", "1")
    assert (record["seed"], record["tags"], record["namespace"], record["argv"]) == (
        42,
        ["a", "b"],
        "user:other",
        ["run"],
    )
    assert record["spec"]["steps"][0]["name"] == "start"
    assert (record["origin"], record["resume_step"], record["pid"]) == (None, None, os.getpid())
    assert set(record["code_digests"]) == {"start"}
    assert engine.open().blobs.read(record["code"]) == b"the code of the flow"


def test_a_run_without_a_seed_gets_one_that_is_kept(engine):
    runs = [engine.run(seed=None).run for _ in range(2)]
    seeds = {engine.open().runs.read_run("TestFlow", run)["seed"] for run in runs}
    assert len(seeds) == 2
    assert all(1 <= seed < 2**31 for seed in seeds)


def test_ids_are_dense_and_start_at_one(engine):
    assert [engine.run().run for _ in range(3)] == ["1", "2", "3"]


def test_with_puts_a_decorator_on_every_step_that_does_not_have_it(tmp_path):
    spec = flow(
        step("start", "a", decorators=[decorator("retry", times=0, minutes_between_retries=0)]),
        step("a", "end"),
        step("end"),
    )
    engine = Engine(tmp_path / "store", spec.to_dict())

    def behave(order):
        return fail(order) if order["position"] == "a" and order["attempt"] < 2 else succeed(order)

    assert (
        engine.run(behave, **{"with": [decorator("retry", times=2, minutes_between_retries=0)]}).status == "completed"
    )
    steps = {s["name"]: s for s in engine.open().runs.read_run("TestFlow", "1")["spec"]["steps"]}
    assert steps["start"]["decorators"][0]["args"]["times"] == 0
    assert steps["end"]["decorators"][0]["args"]["times"] == 2


# -- resume


def test_the_newest_run_is_resumed_unless_another_is_named(engine):
    engine.run(lambda order: fail(order) if order["position"] == "end" else succeed(order))
    engine.run(lambda order: fail(order) if order["position"] == "a" else succeed(order))
    assert engine.resume().scheduler.cloned == 1
    assert engine.resume(run="1").scheduler.cloned == 2
    assert engine.open().runs.read_run("TestFlow", "4")["origin"] == {"run": "1"}


def test_a_resumed_run_has_the_parameters_and_the_seed_of_its_origin(engine, tmp_path):
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "value").write_bytes(b"serialized 3")
    values = {"alpha": {"file": "value", "offset": 0, "size": 12}}
    engine.run(lambda order: fail(order), seed=9, values=values, reprs={"alpha": "3"})
    engine.resume(seed=None)
    first, second = (engine.open().runs.read_run("TestFlow", run) for run in "12")
    assert second["parameters"] == first["parameters"]
    assert first["parameters"]["alpha"]["repr"] == "3"
    assert (second["seed"], second["resume_step"]) == (9, None)


def test_changed_code_of_a_step_that_is_taken_over_is_told(engine):
    engine.run(
        lambda order: fail(order) if order["position"] == "end" else succeed(order),
        code_texts={"start": "1", "a": "2", "end": "3"},
    )
    loop = engine.resume(code_texts={"start": "1", "a": "2, changed", "end": "3, mended"})
    (warning,) = events(loop, "warning")
    assert "'a'" in warning["text"]
    assert "resume a" in warning["text"]
    again = engine.resume(step="a", run="1", code_texts={"start": "1", "a": "2, changed", "end": "3, mended"})
    assert events(again, "warning") == []


# -- what breaks on the way


@pytest.mark.parametrize(
    ("problem", "status"), [(KeyboardInterrupt(), "interrupted"), (StoreError("no worker"), "failed")]
)
def test_a_run_that_does_not_get_to_its_first_task_has_ended(engine, monkeypatch, problem, status):
    def broken(*args):
        raise problem

    monkeypatch.setattr(start_module, "RunLoop", broken)
    with pytest.raises(type(problem)):
        engine.begin(succeed)
    monkeypatch.undo()
    assert engine.status("1")["status"] == status
    assert engine.resume().status == "completed"


def test_an_index_that_cannot_be_written_does_not_keep_a_run_from_starting(engine, monkeypatch):
    store = engine.open()

    def full(*args):
        raise StoreError("disk full")

    monkeypatch.setattr(store.index, "record_run", full)
    loop = engine.run(store=store)
    assert loop.status == "completed"
    assert len(events(loop, "warning")) == 1
    store = engine.open()
    store.reindex()
    assert store.index.run("TestFlow", "1")["status"] == "completed"


def test_a_loop_that_breaks_leaves_nothing_running_and_a_run_that_ended(tmp_path, monkeypatch):
    engine = Engine(tmp_path / "store", shape("linear").to_dict())
    loop, backend = engine.begin(lambda order: HANG if order["position"] == "a" else succeed(order))
    monkeypatch.setitem(bridge._loops, "TestFlow/1", loop)
    while not any(order["position"] == "a" for order in backend.running.values()):
        bridge.advance("TestFlow/1", 0)

    def broken(timeout_seconds):
        raise OSError("the pipe burst")

    monkeypatch.setattr(backend, "poll", broken)
    with pytest.raises(OSError, match="burst"):
        bridge.advance("TestFlow/1", 0)
    assert backend.closed
    assert "TestFlow/1" not in bridge._loops
    status = engine.status("1")
    assert (status["status"], status["error"]["message"]) == ("failed", "the pipe burst")
    assert bridge.interrupt("TestFlow/1") == {"events": [], "finished": True}
    assert engine.resume().status == "completed"
