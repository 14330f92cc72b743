"""What is said to Slurm and how its answers are read; the cluster itself is in tests/slow."""

import os
from types import SimpleNamespace

import pytest
from metaflow_core.backends.jobs import Job, JobState
from metaflow_core.backends.slurm_answers import (
    ended_state,
    is_refusal,
    max_array_size,
    parse_sacct,
    parse_squeue,
    with_output,
)
from metaflow_core.backends.slurm_script import batch_script, job_name, sbatch_options
from metaflow_core.contracts.backend import BackendContext
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.decorators.policy import effective
from metaflow_core.graph.decorator import DecoratorSpec
from metaflow_core.settings import load_settings


def policy(*decorators):
    return effective([DecoratorSpec.from_dict({"name": name, "args": args}) for name, args in decorators])


def job(count=3, policy=None, name="fit-2-0123456789ab"):
    policy = policy or StepPolicy(backend="slurm")
    paths = [f"F/1/fit/{2 + number}/0" for number in range(count)]
    return Job(name, f"/shared/store/flows/F/1/_jobs/{name}.json", "F", "1", "fit", paths, [policy] * count)


def context(**more):
    settings = load_settings(arguments={"datastore_root": "/shared/store"}, environ={"USER": "alice"})
    made = {"python": "/usr/bin/python3", "core": "/lib/metaflow/python", **more}
    return BackendContext(settings, SimpleNamespace(), "F", "1", {}, {}, **made)


class TestOptions:
    def test_nothing_asked_for_is_nothing_said(self):
        assert sbatch_options(policy(("slurm", {}))) == []

    def test_resources_are_translated(self):
        found = sbatch_options(policy(("resources", {"cpu": 1.5, "memory": 1000, "gpu": 1}), ("slurm", {})))
        assert found == ["--cpus-per-task=2", "--mem=954M", "--gres=gpu:1"]

    def test_the_decorators_own_numbers_win(self):
        found = sbatch_options(
            policy(("resources", {"cpu": 8, "memory": 64000}), ("slurm", {"cpu": 2, "memory": 1000}))
        )
        assert found == ["--cpus-per-task=2", "--mem=954M"]

    def test_a_retry_with_more_memory_has_it(self):
        wanted = policy(("slurm", {"memory": 1000}), ("retry", {"times": 1, "memory": 3000})).for_attempt(1)
        assert sbatch_options(wanted) == ["--mem=2862M"]

    def test_places_and_limits(self):
        args = {"partition": "long", "account": "lab", "qos": "high", "constraint": "avx2", "time": "1-12"}
        args["gres"] = "gpu:a100:2"
        assert sbatch_options(policy(("slurm", {**args, "extra": ["--exclusive", "--nice=10"]}))) == [
            "--partition=long", "--account=lab", "--qos=high", "--constraint=avx2", "--gres=gpu:a100:2", "--time=1-12",
            "--exclusive", "--nice=10",
        ]  # fmt: skip

    def test_slurm_waits_longer_than_the_runner(self):
        assert sbatch_options(policy(("slurm", {}), ("timeout", {"minutes": 10}))) == ["--time=15"]


class TestScript:
    def test_the_whole_script(self, monkeypatch):
        for name in [name for name in os.environ if name in ("LANG", "TZ") or name.startswith("LC_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
        wanted = policy(("slurm", {"modules": "R/4.3", "setup": "ulimit -c 0"}))
        text = batch_script(context(max_workers=2), job(policy=wanted), "/out/50%")
        assert text == (
            "#!/bin/bash -l\n"
            "#SBATCH --job-name=F/1/fit-2-0123456789ab\n"
            '#SBATCH --comment="metaflow F/1/fit/2/0 to F/1/fit/4/0 (3 tasks)"\n'
            "#SBATCH --array=0-2%2\n"
            "#SBATCH --output=/out/50%%/%a.log\n"
            "#SBATCH --ntasks=1\n"
            "#SBATCH --open-mode=append\n"
            "unset R_HOME R_SHARE_DIR R_INCLUDE_DIR R_DOC_DIR R_ARCH R_SESSION_TMPDIR RETICULATE_PYTHON LC_ALL\n"
            "module load R/4.3\n"
            "export METAFLOW_USER=alice\n"
            "export LC_ALL=de_DE.UTF-8\n"
            "export PYTHONPATH=/lib/metaflow/python\n"
            "ulimit -c 0\n"
            "exec /usr/bin/python3 -S -m metaflow_core.runners.task "
            "/shared/store/flows/F/1/_jobs/fit-2-0123456789ab.json "
            '--task "$SLURM_ARRAY_TASK_ID" --job "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"\n'
        )

    def test_no_limit_unless_the_user_gave_one(self):
        assert "--array=0-2\n" in batch_script(context(), job(), None)
        assert "--array=0-2\n" in batch_script(context(max_workers=3), job(), None)

    def test_a_long_name_keeps_its_end(self):
        long = Job("fit-2-0123456789ab", "", "F" * 250, "1", "fit", ["a"])
        assert len(job_name(long)) == 200
        assert job_name(long).endswith("/1/fit-2-0123456789ab")


class TestSqueue:
    def test_an_array_in_all_states(self):
        text = (
            "7|0|COMPLETED|0|n1|None|F/1/fit-2-aa      \n"
            "7|1|FAILED|256|n1|NonZeroExitCode|F/1/fit-2-aa\n"
            "7|2|RUNNING|0|n2|None|F/1/fit-2-aa\n"
            "7|4-9%2|PENDING|0||JobArrayTaskLimit|F/1/fit-2-aa\n"
            "8|N/A|RUNNING|0|n2|None|bash\n"
            "not a line of ours\n"
        )
        array = parse_squeue(text)["fit-2-aa"]
        assert array.job_id == "7"
        assert [getattr(array.state(number), "phase", None) for number in (0, 1, 2, 3, 4, 9, 10)] == [
            "ended", "ended", "running", None, "waiting", "waiting", None,
        ]  # fmt: skip
        assert array.state(0).told
        assert array.state(1).told

    def test_of_two_jobs_with_a_name_the_later_one_counts(self):
        text = "9|0|RUNNING|0|n1|None|F/1/a-1-bb\n8|0|CANCELLED|0|n1|None|F/1/a-1-bb\n"
        assert parse_squeue(text)["a-1-bb"].state(0).phase == "running"

    def test_a_job_that_slurm_put_aside_never_starts(self):
        text = (
            "5|199|PENDING|0||launch failed requeued held|F/1/a-1-bb\n"
            "5|3-4|PENDING|0||Resources|F/1/a-1-bb\n"
            "5|7|PENDING|0||JobHeldUser|F/1/a-1-bb\n"
        )
        array = parse_squeue(text)["a-1-bb"]
        held = array.state(199)
        assert (held.phase, held.cause, held.told) == ("ended", "lost", False)
        assert held.message == "Slurm could not start job 5_199 and holds it (launch failed requeued held)."
        assert [array.state(number).phase for number in (3, 4, 7)] == ["waiting"] * 3

    def test_accounts(self):
        text = (
            "12_0|OUT_OF_MEMORY|0:125|n1|None|F/1/fit-2-aa\n"
            "12_1|CANCELLED by 1000|0:15|n1|None|F/1/fit-2-aa\n"
            "12_2|RUNNING|0:0|n1|None|F/1/fit-2-aa\n"
            "12_[3-5]|PENDING|0:0|None assigned|None|F/1/fit-2-aa\n"
        )
        found = parse_sacct(text)
        causes = {place: state.cause for place, state in found.items()}
        assert causes == {("fit-2-aa", 0): "oom", ("fit-2-aa", 1): "preempted"}


@pytest.mark.parametrize(
    "state, status, cause",
    [
        ("FAILED", (70, 0), "crash"), ("FAILED", (0, 9), "crash"), ("FAILED", (75, 0), "lost"), ("NODE_FAIL", (0, 0), "lost"),
        ("BOOT_FAIL", (0, 0), "lost"), ("TIMEOUT", (0, 0), "timeout"), ("DEADLINE", (0, 0), "timeout"),
        ("OUT_OF_MEMORY", (0, 125), "oom"), ("PREEMPTED", (0, 15), "preempted"), ("CANCELLED", (0, 15), "preempted"),
    ],
)  # fmt: skip
def test_causes(state, status, cause):
    assert ended_state(state, status, "n1", "None", "7_0").cause == cause


def test_words_about_memory_are_an_oom():
    dead = ended_state("FAILED", (0, 9), "n1", "JobLaunchFailure", "7_0")
    output = "slurmstepd: error: StepId=7.batch exceeded memory limit (1600 > 256), being killed\n"
    assert with_output(dead, output) == JobState(
        "ended", "oom", "Slurm job 7_0 used more memory than it had reserved and was killed."
    )
    assert with_output(dead, "first\n\nlast words\n").message.endswith("left no result.\nfirst\nlast words")


def test_largest_array():
    assert max_array_size("MaxArraySize            = 1001\n") == 1001
    assert max_array_size("") == 1000


@pytest.mark.parametrize(
    "text, refusal",
    [
        ("sbatch: error: invalid partition specified: x", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", False),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", False),
        ("", False),
    ],
)
def test_no_answer_is_no_refusal(text, refusal):
    assert is_refusal(text) is refusal


class TestScheduler:
    def test_the_whole_script(self):
        from metaflow_core.backends.slurm_scheduler import scheduler_script

        args = {"partition": "long", "time": 8, "setup": "ulimit -c 0"}
        script = scheduler_script("F/1/scheduler-ab", "/out/5 0%", ["Rscript", "-e", "f()"], {"TZ": "UTC"}, args)
        assert script == (
            "#!/bin/bash\n"
            "#SBATCH --job-name=F/1/scheduler-ab\n"
            '#SBATCH --comment="metaflow scheduler of F/1"\n'
            '#SBATCH --output="/out/5 0%%/scheduler.log"\n'
            "#SBATCH --ntasks=1\n"
            "#SBATCH --open-mode=append\n"
            "#SBATCH --requeue\n"
            "#SBATCH --signal=B:USR1@120\n"
            "#SBATCH --partition=long\n"
            "#SBATCH --cpus-per-task=1\n"
            "#SBATCH --mem=1908M\n"
            "#SBATCH --time=8\n"
            "unset R_HOME R_SHARE_DIR R_INCLUDE_DIR R_DOC_DIR R_ARCH R_SESSION_TMPDIR RETICULATE_PYTHON LC_ALL\n"
            "export TZ=UTC\n"
            "ulimit -c 0\n"
            "cd '/out/5 0%' || exit 1\n"
            "rm -f suspend suspended stop\n"
            "trap 'touch suspend' USR1\n"
            "trap 'touch stop' INT\n"
            "Rscript -e 'f()' &\n"
            "driver=$!\n"
            "status=129\n"
            'while [ "$status" -gt 128 ] && kill -0 "$driver" 2>/dev/null; do wait "$driver"; status=$?; done\n'
            'if [ -e suspended ]; then trap "" INT USR1; scontrol requeue "$SLURM_JOB_ID" && sleep 60; fi\n'
            'exit "$status"\n'
        )

    def test_a_signal_comes_early_enough_and_not_at_the_start(self):
        from metaflow_core.backends.slurm_scheduler import signal_seconds

        assert [signal_seconds(time) for time in (None, "1-00:00:00", 600, 8, 1)] == [300, 300, 300, 120, 15]

    def test_what_steps_say_about_where_jobs_run_counts_for_the_scheduler_too(self):
        from metaflow_core.backends.slurm_scheduler import SCHEDULER

        of_steps = {"partition": "long", "account": "a", "memory": 8000, "time": 5, "gres": "gpu:1"}
        assert SCHEDULER.arguments({}, of_steps) == {"partition": "long", "account": "a"}
        assert SCHEDULER.arguments({"time": 60}, of_steps) == {"time": 60}

    def test_elements_of_arrays_are_counted(self):
        from metaflow_core.backends.slurm_listing import _count

        assert [_count(text) for text in ("N/A", "7", "[0-3,9%2]", "0-199%4")] == [1, 1, 5, 200]
