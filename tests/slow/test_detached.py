"""`run --detach` on a real Slurm: the scheduler is a job, is suspended and continued, dies with its node, is stopped."""

import os
from pathlib import Path

import pytest
from backend_suite import CAUSES, WIDE, failures, until
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slow
WORDS = ["--with", "slurm", "--detach"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


@pytest.fixture
def place(cluster):
    yield cluster.environment
    cluster.ask("scancel", "--quiet", "--user", str(os.getuid()))
    cluster.mend()


@pytest.fixture
def wide(r_flow, place):
    return r_flow(WIDE, "WideFlow", **place)


@pytest.fixture
def causes(r_flow, place):
    return r_flow(CAUSES, "CauseFlow", **place)


def scheduler_of(cluster, flow):
    jobs = [job for job in cluster.jobs() if job["Name"].startswith(f"{flow.name}/1/scheduler-")]
    return jobs[-1] if jobs else None


def said(flow) -> str:
    """What the scheduler printed, in all of its lives."""
    return "".join(path.read_text() for path in Path(flow.root).glob("flows/*/1/_jobs/*/scheduler.log"))


def ended(flow, status, seconds=180):
    until(lambda: flow.status(1)["status"] == status, seconds, lambda: f"{flow.status(1)}\n{said(flow)}")


def test_the_run_goes_on_without_the_session(wide):
    started = wide.command("run", *WORDS).expect(0)
    assert "[WideFlow/1] Goes on as job" in started.output
    ended(wide, "completed")
    assert sorted(map(int, wide.notes())) == [0, 1, 2]
    assert "total 14" in said(wide)
    assert wide.status(1)["detached"]["backend"] == "slurm"


def test_what_cannot_be_is_refused_before_anything_is_written(wide):
    refused = wide.command("run", "--with", "slurm", "--detach-with", "retry:times=2").expect(1)
    assert "cannot keep the scheduler of a run" in refused.output
    refused = wide.command("run", "--with", "slurm", "--detach-with", "slurm:partition=nowhere").expect(1)
    assert "Slurm refuses the job of the scheduler" in refused.output
    assert wide.status(1)["status"] == "failed"


def test_it_is_suspended_at_the_end_of_its_time_and_goes_on_in_the_same_run(cluster, wide):
    wide.command("run", "--width", "60", "--seconds", "0.5", *WORDS).expect(0)
    until(lambda: len(wide.notes()) >= 5)
    job = scheduler_of(cluster, wide)["JobID"]
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    until(lambda: "waits to be continued" in said(wide), explain=lambda: said(wide))
    ended(wide, "completed", 400)
    assert "Goes on:" in said(wide)
    assert sorted(map(int, wide.notes())) == list(range(60))
    records = wide.records(1)
    assert len(records) == 63
    assert not any(record.get("origin") for record in records.values())
    assert scheduler_of(cluster, wide)["JobID"] == job


def test_its_node_dies(cluster, causes):
    causes.command("run", "--what", "wait", *WORDS).expect(0)
    until(causes.notes)
    node = scheduler_of(cluster, causes)["NodeList"]
    cluster.kill_node(node)
    (causes.folder / "mended").touch()
    (causes.folder / "go").touch()
    ended(causes, "completed", 500)
    assert [cause for _, cause in failures(causes)] in (["lost"], [])
    cluster.start_node(node)
    cluster.wait_idle()


def test_it_is_stopped(cluster, causes):
    causes.command("run", "--what", "wait", *WORDS).expect(0)
    until(causes.notes)
    (causes.folder / "stop.R").write_text(
        'library(metaflow); handle <- mf_attach("CauseFlow/1"); cat(handle$status(), handle$kill(), "\\n")'
    )
    import subprocess

    told = subprocess.run(
        ["Rscript", "stop.R"], cwd=causes.folder, env=causes.environment({}), capture_output=True, text=True, timeout=120
    )
    assert told.stdout.split() == ["running", "interrupted"], told.stderr + said(causes)
    until(lambda: all(job["State"] not in ("RUNNING", "PENDING") for job in cluster.jobs()))
    (causes.folder / "mended").touch()
    causes.command("resume", "--with", "slurm").expect(0)


def test_its_jobs_are_listed_and_ended(cluster, causes):
    causes.command("run", "--what", "wait", *WORDS).expect(0)
    until(causes.notes)
    listed = causes.command("slurm", "list").expect(0).output
    assert "scheduler" in listed and "work" in listed
    assert "2 jobs ended" in causes.command("slurm", "kill", "--run-id", "1").expect(0).output
    until(lambda: all(job["State"] not in ("RUNNING", "PENDING") for job in cluster.jobs()))
