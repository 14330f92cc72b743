"""Runs on AWS Batch by moto, whose jobs are real task runners, and a service that fails in every way it can."""

import os
from pathlib import Path

import pytest
from cluster_runs import ClusterRuns, advance_until, image_folder
from metaflow_core.bridge import clusters
from metaflow_core.errors import BackendError
from scripted_backend import events

pytest.importorskip("moto", reason="the extra 'test' is not installed")
from batch_server import BatchServer  # noqa: E402 - it needs moto


@pytest.fixture
def server(tmp_path, monkeypatch):
    with BatchServer(image_folder(tmp_path)) as running:
        for name, value in (
            ("AWS_ENDPOINT_URL", running.address),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
        ):
            monkeypatch.setenv(name, value)
        running.make_queue()
        yield running


@pytest.fixture
def runs(tmp_path, server, monkeypatch):
    monkeypatch.setenv("METAFLOW_BATCH_JOB_QUEUE", "test-queue")
    monkeypatch.setenv("METAFLOW_BATCH_CONTAINER_IMAGE", "metaflow-r:test")
    return ClusterRuns(str(tmp_path / "store"), "batch", {"cpu": 1, "host_volumes": str(tmp_path)})


def submissions(server):
    return server.requests.count("submitjob")


def test_a_run_leaves_what_a_local_one_leaves_and_a_foreach_is_one_array(runs, server):
    loop = runs.run()
    assert loop.status == "completed", runs.said(loop)
    assert runs.artifacts("1") == runs.local_artifacts()
    assert sorted(runs.ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))
    assert sorted((job.get("arrayProperties") or {}).get("size", 1) for job in server.jobs()) == [1, 1, 1, 3]
    assert {job["status"] for job in server.jobs()} == {"SUCCEEDED"}
    # All steps need the same, so they share one definition.
    assert server.requests.count("registerjobdefinition") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [{"lose": True}, {"status": 500}, {"status": 429, "code": "TooManyRequestsException"}],
    ids=["lost answer", "500", "429"],
)
def test_an_answer_that_is_no_answer_makes_no_second_job(runs, server, fault):
    server.fail("submitjob", times=2, **fault)
    server.fail("describejobs", times=1)
    loop = runs.run()
    assert loop.status == "completed", runs.said(loop)
    assert len(server.jobs()) == 4
    assert sorted(runs.ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))


@pytest.mark.slow
def test_a_step_that_crashes(runs, server):
    Path("do-a").write_text("die")
    loop = runs.run()
    assert loop.status == "failed"
    assert {event["cause"] for event in events(loop, "failed")} == {"crash"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm, cause",
    [
        ({"reason": "Host EC2 (instance i-0123) terminated."}, "lost"),
        ({"reason": "Your Spot Task was interrupted."}, "preempted"),
        ({"reason": "Job attempt duration exceeded timeout"}, "timeout"),
        ({"reason": "Essential container in task exited", "code": 139}, "crash"),
    ],
    ids=["host lost", "spot", "timeout", "killed"],
)
def test_what_happens_to_a_job_has_its_cause(runs, server, harm, cause):
    Path("do-j").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: "j attempt 0" in runs.ran())
    [job] = server.running("j")
    server.end(job, **harm)
    advance_until(loop, lambda: any(e["event"] == "failed" for e in loop.told))
    [failed, *_] = [e for e in loop.told if e["event"] == "failed"]
    assert failed["cause"] == cause, failed
    Path("go").touch()
    assert runs.finish(loop).status == ("completed" if failed["will_retry"] else "failed")


def test_jobs_are_listed_and_killed_wherever_a_step_sent_them_and_are_not_submitted_again(runs, server, monkeypatch):
    server.make_queue("other-queue")
    Path("do-a").write_text("wait")
    runs.own = {"a": {"queue": "other-queue"}}
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    assert len(server.jobs("other-queue")) == 1
    # A session without the settings that the run had.
    monkeypatch.delenv("METAFLOW_BATCH_JOB_QUEUE")
    rows = {row["step"]: row for row in clusters.jobs(runs.asked(), "batch", "F")}
    assert (rows["a"]["tasks"], rows["a"]["run"], rows["a"]["user"]) == (3, "1", "tester")
    assert rows["start"]["status"] == "succeeded"
    with pytest.raises(BackendError, match="no job queue is configured"):
        clusters.kill(runs.asked(), "batch", "F", "2")
    assert clusters.kill(runs.asked(), "batch", "F", "1") == [rows["a"]["job"]]
    assert runs.finish(loop).status == "failed"
    assert {event["cause"] for event in events(loop, "failed")} == {"preempted"}
    assert submissions(server) == 2


def test_a_container_over_its_memory_limit_is_out_of_memory(runs, server):
    Path("do-j").write_text("wait")
    runs.args["memory"] = 5  # MiB, less than Python takes
    runs.only = {"j"}
    loop = runs.run()
    assert [event["cause"] for event in events(loop, "failed")] == ["oom"]


@pytest.mark.slow
def test_an_image_that_is_not_there_is_a_clear_error(runs, server):
    runs.args["image"] = "missing/image:1"
    runs.only = {"j"}
    loop = runs.run()
    [failed] = events(loop, "failed")
    assert failed["cause"] == "error"
    assert "The image cannot be pulled" in failed["error"]["message"]


@pytest.mark.slow
def test_a_queue_that_does_not_exist_is_refused_at_once(runs, server):
    runs.args["queue"] = "nowhere"
    loop = runs.run()
    [failed] = events(loop, "failed")
    assert "there is no job queue 'nowhere'" in failed["error"]["message"]
    assert submissions(server) == 0


@pytest.mark.slow
def test_no_more_tasks_run_side_by_side_than_the_user_allows(runs, server, monkeypatch):
    monkeypatch.setenv("METAFLOW_MAX_WORKERS", "2")
    Path("do-a").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: len(server.running("a")) == 2)
    loop.told += loop.advance(3.0)
    assert submissions(server) == 2
    Path("go").touch()
    assert runs.finish(loop).status == "completed", runs.said(loop)
    assert submissions(server) == 5


@pytest.mark.slow
def test_an_interrupt_ends_all_jobs(runs, server):
    Path("do-a").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    loop.interrupt()
    advance_until(loop, lambda: not server.running("a"))


@pytest.mark.slow
def test_a_scheduler_that_died_finds_its_jobs(runs, server):
    Path("do-a").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    runs.kill_scheduler(loop, "1")
    before = submissions(server)
    second = runs.begin(resume={"run": None, "step": None})
    second.advance(1.0)
    assert submissions(server) == before
    Path("go").touch()
    assert runs.finish(second).status == "completed"
    assert len(runs.ran()) == 6


def test_it_is_refused_before_anything_is_written(runs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delenv("METAFLOW_BATCH_CONTAINER_IMAGE")
        with pytest.raises(BackendError, match="has no container image"):
            runs.begin()
    runs.args = {"inferentia": 1, "trainium": 1}
    with pytest.raises(BackendError, match="'inferentia' and 'trainium' exclude each other"):
        runs.begin()
    runs.args = {}
    with pytest.raises(BackendError, match="cannot reach the datastore"):
        runs.begin()
    monkeypatch.delenv("METAFLOW_BATCH_JOB_QUEUE")
    with pytest.raises(BackendError, match="nothing can run with 'aws_batch'"):
        runs.begin()
    assert not os.path.exists(os.path.join(runs.root, "flows"))
