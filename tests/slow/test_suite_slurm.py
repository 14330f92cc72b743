"""The backend suite on a real Slurm, and what only a cluster can do to a run."""

import collections
import getpass
import os
import re
import signal
import subprocess
import time

import pytest
from backend_suite import BackendSuite, Place, failures, kill_scheduler, until
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slow
WORDS = ["--with", "slurm"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


@pytest.fixture
def place(cluster):
    yield Place(WORDS, cluster.environment)
    cluster.ask("scancel", "--quiet", "--user", str(os.getuid()))
    cluster.mend()


def jobs_of(cluster, flow):
    return [job for job in cluster.jobs() if job["Comment"].startswith(f"metaflow {flow.name}/")]


class TestSlurm(BackendSuite):
    @pytest.fixture
    def place(self, place):
        return place

    def test_a_foreach_is_one_array_job(self, cluster, wide, place):
        before = {job["JobID"] for job in cluster.jobs()}
        wide.command("run", *place.words, "--max-workers", "2").expect(0)
        ours = [job for job in jobs_of(cluster, wide) if job["JobID"] not in before and "/work-" in job["Name"]]
        assert len({job["ArrayJobID"] for job in ours}) == 1
        assert len(ours) == 3
        assert all(re.match(r"WideFlow/1/work-2-[0-9a-f]{12}$", job["Name"]) for job in ours)
        assert {job["Comment"] for job in ours} == {"metaflow WideFlow/1/work/2/0 to WideFlow/1/work/4/0 (3 tasks)"}

    def test_nothing_of_the_jobs_is_left_in_the_datastore_but_their_specs(self, wide, place):
        wide.command("run", *place.words).expect(0)
        assert {
            path.suffix for path in (wide.root / "flows" / "WideFlow" / "1" / "_jobs").rglob("*") if path.is_file()
        } == {
            ".json",
            ".tasks",
        }

    def test_over_use_of_memory_is_an_oom(self, causes, place):
        causes.command("run", "--what", "memory", *place.words).expect(1)
        assert failures(causes) == [("work", "oom")]

    def test_a_job_that_is_cancelled_from_outside(self, cluster, causes, place):
        process = causes.start("run", "--what", "wait", *place.words, RETRIES="1")
        until(causes.notes)
        [job] = [job for job in jobs_of(cluster, causes) if job["State"] == "RUNNING"]
        cluster.ask("scancel", job["JobID"])
        causes.finish(process).expect(0)
        assert failures(causes) == [("work", "preempted")]
        assert "cancelled from outside" in causes.output()

    def test_a_node_that_dies_loses_its_tasks_which_run_again_elsewhere(self, cluster, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        node = causes.notes()[0].split()[-1]
        (causes.folder / "mended").touch()
        cluster.kill_node(node)
        causes.finish(process, 180).expect(0)
        # Slurm itself starts the job again on another node, where it may; else the engine does.
        assert [cause for _, cause in failures(causes)] in (["lost"], [])
        assert len(causes.notes()) == 2
        cluster.start_node(node)
        cluster.wait_idle()

    def test_the_controller_dies_right_after_a_submission(self, cluster, causes, place):
        """The job is lost and its id is used again, by somebody else's job, which must not be touched."""
        cluster.ask("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
        forget = cluster.remember_state()
        earlier = {job["ArrayJobID"] for job in cluster.jobs()}
        process = causes.start("run", "--what", "nothing", *place.words)
        until(lambda: {job["ArrayJobID"] for job in jobs_of(cluster, causes)} - earlier)
        lost = {job["ArrayJobID"] for job in jobs_of(cluster, causes)} - earlier
        cluster.kill_controller()
        forget()
        cluster.start_controller()
        foreign = [
            cluster.ask("sbatch", "--parsable", "--wrap", "sleep 9", "-o", "/dev/null").strip() for _ in range(3)
        ]
        assert lost <= set(foreign)
        cluster.resume_nodes()
        causes.finish(process, 180).expect(0)
        assert failures(causes) == [("start", "lost")]
        assert len(causes.notes()) == 1
        started = [
            job for job in jobs_of(cluster, causes) if "/start-" in job["Name"] and job["ArrayJobID"] not in earlier
        ]
        assert len(started) == 1
        states = [job["State"] for job in cluster.jobs() if job["JobID"] in foreign]
        assert len(states) == 3 and set(states) <= {"RUNNING", "COMPLETED", "COMPLETING"}

    def test_a_controller_that_is_away_for_a_while_is_waited_for(self, cluster, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        # What it has not saved is forgotten, and the id used again: that is the test before this one. It saves what
        # has changed within five seconds.
        time.sleep(7)
        cluster.kill_controller()
        (causes.folder / "go").touch()
        until(lambda: "work" in causes.records(1))
        cluster.start_controller()
        causes.finish(process, 180).expect(0)
        assert len(causes.notes()) == 1
        assert failures(causes) == []

    def test_the_scheduler_is_killed_during_a_wide_foreach(self, cluster, wide, place):
        process = wide.start("run", "--width", "200", "--seconds", "0.2", *place.words)
        until(lambda: len(wide.notes()) >= 40, 120, lambda: f"{wide.output()}\n{cluster.ask('squeue')}")
        kill_scheduler(process)
        before = {job["ArrayJobID"] for job in jobs_of(cluster, wide)}
        wide.command("resume", *place.words, seconds=400).expect(0)
        assert sorted(map(int, wide.notes())) == list(range(200))
        records = wide.records(2)
        assert len(records) == 203
        assert sum(record["origin"] is not None for record in records.values()) == 201
        new = [job for job in jobs_of(cluster, wide) if job["ArrayJobID"] not in before]
        assert {re.sub("-.*", "", job["Name"].split("/")[2]) for job in new} == {"join", "end"}

    def test_a_requeued_job_begins_anew(self, cluster, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        [job] = [job for job in jobs_of(cluster, causes) if job["State"] == "RUNNING"]
        (causes.folder / "mended").touch()
        cluster.ask("scontrol", "requeue", job["JobID"])
        causes.finish(process, 300).expect(0)
        assert failures(causes) == []
        assert len(causes.notes()) == 2

    def test_a_job_that_slurm_refuses_says_why(self, causes, place):
        ended = causes.command("run", "--with", "slurm:partition=nowhere").expect(1)
        assert "invalid partition specified: nowhere" in ended.output

    def test_a_job_of_higher_priority_takes_the_place_and_the_task_is_tried_again(self, cluster, causes, place):
        process = causes.start("run", "--what", "wait", *place.words, RETRIES="1")
        until(causes.notes)
        cluster.ask("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3")
        causes.finish(process, 180).expect(0)
        assert failures(causes) == [("work", "preempted")]
        assert "had to make room for a job of higher priority" in causes.output()

    def test_the_clusters_own_time_limit_is_told_apart(self, causes, place):
        """Slurm looks about once a minute."""
        causes.command("run", "--what", "sleep", "--with", "slurm:time=1", seconds=300).expect(1)
        assert failures(causes) == [("work", "timeout")]
        assert "ran longer than its time limit" in causes.output()

    def test_what_a_step_asks_of_slurm_is_what_it_gets(self, r_flow, cluster, tmp_path):
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / "solver").write_text("#%Module1.0\nsetenv SOLVER loaded\n")
        script = """
        library(metaflow)
        seen <- function(self) cat("has", Sys.getenv(c("SLURMD_NODENAME", "SOLVER", "LEVEL", "SLURM_JOB_PARTITION", "SLURM_CPUS_PER_TASK",
          "SLURM_MEM_PER_NODE", "SLURM_JOB_GPUS")), "\n")
        metaflow("AskFlow") %>%
          step(step = "start", slurm(constraint = "is_n2", gres = "gpu:1", partition = "urgent", time = "0:10:00", modules = "solver",
            setup = c("ulimit -c 0", "export LEVEL=$(( 1 + 1 ))"), extra = c("--nice=5", "--no-requeue")),
            resources(cpu = 2, memory = 500), next_step = "end", r_function = seen) %>%
          step(step = "end", resources(gpu = 1, memory = 300), r_function = seen) %>%
          run()
        """
        flow = r_flow(script, "AskFlow", MODULEPATH=str(tmp_path / "modules"), **cluster.environment)
        flow.command("run", *WORDS).expect(0)
        first, second = (line.split("has ")[1].split() for line in flow.output().splitlines() if "has " in line)
        assert first == ["n2", "loaded", "2", "urgent", "2", "477", "0"]
        assert second[1:] == ["main", "287", "0"]
        job = next(job["JobID"] for job in jobs_of(cluster, flow) if "/start-" in job["Name"])
        shown = cluster.ask("scontrol", "show", "job", job)
        assert all(text in shown for text in ("TimeLimit=00:10:00", "Nice=5", "Requeue=0", "gpu"))

    def test_steps_here_and_there(self, r_flow, cluster):
        script = """
        library(metaflow)
        node <- function(self) cat("node '", Sys.getenv("SLURMD_NODENAME"), "'\\n", sep = "")
        fails_there <- function(self) {
          if (nzchar(Sys.getenv("SLURMD_NODENAME"))) stop("not on a node")
          cat("at home\\n")
        }
        metaflow("MixedFlow") %>%
          step(step = "start", next_step = "there", r_function = node) %>%
          step(step = "there", slurm(time = 5, cpu = 1), next_step = "moves", r_function = node) %>%
          step(step = "moves", slurm(), retry(times = 1, minutes_between_retries = 0, with = "local"),
            next_step = "end", r_function = fails_there) %>%
          step(step = "end") %>%
          run()
        """
        flow = r_flow(script, "MixedFlow", **cluster.environment)
        output = flow.command("run").expect(0).output
        assert re.findall(r"node '(n?)", output) == ["", "n"]
        assert "at home" in output


def test_without_slurm_nothing_runs_and_the_user_is_told(r_flow, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    for command in ("Rscript", "sh", "bash", "uname", "sed", "dirname"):
        os.symlink(subprocess.check_output(["which", command], text=True).strip(), empty / command)
    flow = r_flow(
        "library(metaflow)\nmetaflow('F') %>% step(step = 'start', next_step = 'end') %>% step(step = 'end') %>% run()",
        "F",
    )
    ended = flow.command("run", "--with", "slurm", PATH=str(empty)).expect(1)
    assert "this machine has no command 'sbatch'" in ended.output
    assert not (flow.root / "flows").exists()


@pytest.fixture(scope="class")
def accounts(tmp_path_factory):
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"), accounting=True, min_job_age=2, max_array_size=6)
    yield made
    made.close()


class TestAccounting:
    """With slurmdbd, and a controller that forgets jobs at once: the accounts know how they ended."""

    def test_a_foreach_that_is_longer_than_an_array_may_be_is_several(self, accounts, r_flow):
        from backend_suite import WIDE

        accounts.ask("sacctmgr", "--immediate", "create", "account", "lab")
        accounts.ask("sacctmgr", "--immediate", "create", "user", getpass.getuser(), "account=lab")
        flow = r_flow(WIDE, "WideFlow", **accounts.environment)
        flow.command("run", "--width", "14", "--with", "slurm:account=lab,qos=normal", seconds=300).expect(0)
        assert sorted(map(int, flow.notes())) == list(range(14))

        def accounted():
            """Each element of the run's arrays, as the accounts have it."""
            lines = accounts.ask(
                "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,JobName%255,Account,QOS"
            ).splitlines()
            return [line.split("|") for line in lines if "WideFlow/1/work-" in line]

        # The controller tells the accounts in its own time, so a job can end before they have it.
        until(lambda: len(accounted()) >= 14, explain=lambda: str(accounted()))
        ours = accounted()
        sizes = collections.Counter(job.partition("_")[0] for job, *_ in ours)
        assert sorted(sizes.values()) == [2, 6, 6]
        assert {tuple(line[2:]) for line in ours} == {("lab", "normal")}

    def test_a_run_and_a_job_that_ended_long_ago(self, accounts, r_flow):
        from backend_suite import CAUSES

        flow = r_flow(CAUSES, "CauseFlow", **accounts.environment)
        flow.command("run", *WORDS).expect(0)
        process = flow.start("run", "--what", "wait", *WORDS)
        until(lambda: len(flow.notes()) == 2)
        kill_scheduler(process)
        [job] = [job for job in accounts.jobs() if job["State"] == "RUNNING"]
        accounts.ask("scancel", "--signal=KILL", "--full", job["JobID"])
        until(lambda: not [j for j in accounts.jobs() if j["JobID"] == job["JobID"]])
        (flow.folder / "mended").touch()
        flow.command("resume", *WORDS).expect(0)
        assert set(flow.records(3)) == {"start", "work", "end"}
        assert signal.SIGKILL
