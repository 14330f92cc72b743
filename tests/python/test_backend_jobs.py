"""Runs on a cluster of processes: real task runners, real records, a cluster that fails in every way it can."""

import os
import signal
import time
from pathlib import Path

import pytest
from metaflow_core.backends.jobs import Refused, Unanswered
from metaflow_core.contracts.decorator import DecoratorType
from metaflow_core.engine.start import begin_run
from metaflow_core.errors import BackendError
from metaflow_core.registry import plugins
from process_cluster import ROOT, WORKERS, ProcessDriver, Processes, backend_type
from scripted_backend import Engine, ScriptedBackend, events, succeed

FLOW = {
    "name": "F",
    "steps": [
        {"name": "start", "next": ["a"], "foreach": "xs"},
        {"name": "a", "next": ["j"]},
        {"name": "j", "next": ["end"], "join": True},
        {"name": "end", "next": []},
    ],
}


def flow(**decorators):
    """FLOW with decorators: a=[("retry", {...})]."""
    steps = [
        {**step, "decorators": [{"name": name, "args": args} for name, args in decorators.get(step["name"], ())]}
        for step in FLOW["steps"]
    ]
    return {**FLOW, "steps": steps}


@pytest.fixture
def processes(monkeypatch):
    """The cluster; `drivers` are those that runs made, the newest last."""
    cluster = Processes()
    cluster.drivers = []
    decorator = DecoratorType("processes", "Runs on the test cluster.", policy=lambda args: {"backend": "processes"})
    for kind, plugin in (("backends", backend_type(cluster, cluster.drivers)), ("decorators", decorator)):
        registry = plugins(kind)
        registry._load_module(plugin.name)
        monkeypatch.setitem(registry._plugins, "processes", plugin)
    yield cluster
    cluster.close()


@pytest.fixture
def engine(tmp_path, processes):
    return Cluster(str(tmp_path / "store"), flow(), processes)


class Cluster(Engine):
    def __init__(self, root, spec, processes):
        super().__init__(root, spec)
        self.processes = processes

    def begin(self, behave=succeed, slots=2, store=None, **request):
        staging = os.path.join(os.path.dirname(self.root), "staging")
        os.makedirs(staging, exist_ok=True)
        Path(staging, "code").write_bytes(b"the code of the flow")
        request = {
            "spec": self.spec, "staging": staging, "code": "code", "seed": 1, "cwd": os.getcwd(),
            "with": [{"name": "processes", "args": {}}], **request,
        }
        local = ScriptedBackend(behave, slots)
        import sys

        machine = {"workers": WORKERS, "python": sys.executable, "core": str(ROOT / "python")}
        return begin_run(store or self.open(), self.settings, request, lambda init, count: local, machine), local

    def finish(self, loop, seconds=60):
        loop.told, until = [], time.monotonic() + seconds
        while not loop.finished:
            assert time.monotonic() < until, f"the run does not end: {loop.progress()}"
            loop.told += loop.advance(0.1)
        return loop


def ran():
    return Path("ran").read_text().split("\n")[:-1] if Path("ran").exists() else []


def advance_until(loop, condition, seconds=60):
    loop.told, until = getattr(loop, "told", []), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        loop.told += loop.advance(0.05)


def test_a_run_on_a_cluster_leaves_what_a_local_one_leaves(engine, tmp_path):
    loop = engine.run()
    assert loop.status == "completed"
    local = Engine(str(tmp_path / "other" / "store"), FLOW)
    local.run(lambda order: succeed(order, count=3))
    assert engine.artifacts("1") == local.artifacts("1")
    assert sorted(ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))


def test_a_foreach_is_one_submission(engine, processes):
    engine.run()
    assert [len(paths) for paths in processes.submissions] == [1, 3, 1, 1]


def test_nothing_is_left_behind_but_records_and_specs(engine):
    engine.run()
    files = [path for path in Path(engine.root, "flows").rglob("*") if path.is_file()]
    names = {path.name for path in files if path.parent.name not in ("_jobs", "_tasks")}
    assert names == {"run.json", "status.json", "task.json"}


def test_what_tasks_print_is_told(engine):
    Path("do-a").write_text("print")
    loop = engine.run()
    lines = [line for event in events(loop, "output") for line in event["lines"]]
    assert sorted(lines) == ["hello from a[0]", "hello from a[1]", "hello from a[2]"]


@pytest.mark.parametrize("what, cause", [("error", "error"), ("die", "crash")])
def test_a_step_that_fails_is_told_as_on_this_machine(engine, what, cause):
    Path("do-j").write_text(what)
    loop = engine.run()
    assert loop.status == "failed"
    assert [event["cause"] for event in events(loop, "failed")] == [cause]


def test_the_runner_enforces_the_time_limit(engine):
    engine.spec = flow(j=[("timeout", {"seconds": 1})])
    Path("do-j").write_text("sleep")
    loop = engine.run()
    assert [event["cause"] for event in events(loop, "failed")] == ["timeout"]


def test_a_lost_answer_is_not_answered_by_a_second_submission(engine, processes):
    loop, _ = engine.begin()
    processes.drivers[-1].lose_answers = 2
    assert engine.finish(loop).status == "completed"
    assert [len(paths) for paths in processes.submissions] == [1, 3, 1, 1]


def test_after_a_lost_answer_a_no_to_the_question_for_the_job_says_nothing_about_it(engine, processes):
    loop, _ = engine.begin()
    driver = processes.drivers[-1]
    driver.lose_answers, driver.denies = 1, "the token has expired"
    advance_until(loop, lambda: len(processes.submissions) == 1)
    loop.advance(1.5)
    driver.denies = ""
    assert engine.finish(loop).status == "completed"
    assert [len(paths) for paths in processes.submissions] == [1, 3, 1, 1]


@pytest.mark.parametrize("silence", [{"silent": True}, {"denies": "the token has expired"}], ids=["silent", "denies"])
def test_a_cluster_that_does_not_answer_for_a_while_is_waited_for(engine, processes, silence):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: len(ran()) == 4)
    vars(processes.drivers[-1]).update(silence)
    Path("go").touch()
    advance_until(loop, lambda: all(process.poll() is not None for process in processes.jobs[list(processes.jobs)[1]]))
    loop.advance(1.0)
    vars(processes.drivers[-1]).update(silent=False, denies="")
    assert engine.finish(loop).status == "completed"
    assert len(ran()) == 6


def test_a_cluster_that_never_tells_how_jobs_are_ends_the_run(engine, processes):
    loop, _ = engine.begin()
    processes.drivers[-1].denies = "you may not list jobs"
    assert engine.finish(loop).status == "failed"
    message = engine.open().runs.read_status("F", "1")["error"]["message"]
    assert message == "The test cluster cannot be used any more: you may not list jobs"


def test_how_a_job_ended_is_told_even_when_why_is_not(engine, processes):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    asked = []

    def denied(*words):
        asked.append(words)
        raise Refused("you may not read logs")

    processes.drivers[-1].diagnose = denied
    advance_until(loop, lambda: len(ran()) == 4)
    for process in processes.jobs[list(processes.jobs)[1]]:
        process.kill()
    loop.told = []
    assert engine.finish(loop).status == "failed"
    assert asked
    assert {event["cause"] for event in events(loop, "failed")} == {"crash"}


def test_a_job_that_the_cluster_lost_is_submitted_again_once_without_retry(engine, processes):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: len(ran()) == 4)
    processes.forget(list(processes.jobs)[1])
    Path("go").touch()
    loop.told = []
    assert engine.finish(loop).status == "completed"
    assert {event["cause"] for event in events(loop, "failed")} == {"lost"}
    assert sorted(ran()) == sorted(
        [f"a[{i}] attempt {k}" for i in range(3) for k in (0, 1)] + [f"{p} attempt 0" for p in ("start", "j", "end")]
    )


def test_a_refused_job_fails_with_the_clusters_words(engine, processes):
    loop, _ = engine.begin()
    processes.drivers[-1].refuses = "no such partition"
    loop = engine.finish(loop)
    assert loop.status == "failed"
    [failed] = events(loop, "failed")
    assert "no such partition" in failed["error"]["message"]


def test_a_runner_that_is_killed_is_a_crash(engine, processes):
    Path("do-j").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: "j attempt 0" in ran())
    for process in processes.all():
        if process.poll() is None:
            process.kill()
    assert [event["cause"] for event in events(engine.finish(loop), "failed")] == ["crash"]


def test_an_interrupt_cancels_all_jobs(engine, processes):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: len(ran()) == 4)
    loop.kill_local()
    assert processes.drivers[-1].cancelled == []
    loop.interrupt()
    assert loop.status == "interrupted"
    assert len(processes.drivers[-1].cancelled) == 3
    until = time.monotonic() + 60
    while any(process.poll() is None for process in processes.all()):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def narrow(engine, processes):
    """A run of whose three splits two may run; the cluster knows no such limit."""
    Path("do-a").write_text("wait")
    loop, _ = engine.begin(max_workers=2)
    processes.drivers[-1].limits_arrays = False
    advance_until(loop, lambda: len(ran()) == 3)
    loop.advance(1.0)
    assert [len(paths) for paths in processes.submissions] == [1, 2]
    return loop


def test_a_cluster_whose_arrays_know_no_limit_gets_tasks_as_others_end(engine, processes, narrow):
    Path("go").touch()
    assert engine.finish(narrow).status == "completed"
    assert [len(paths) for paths in processes.submissions] == [1, 2, 1, 1, 1]
    assert len(ran()) == 6


def test_what_waits_for_its_turn_never_starts_after_an_interrupt(processes, narrow):
    narrow.interrupt()
    assert narrow.status == "interrupted"
    assert [len(paths) for paths in processes.submissions] == [1, 2]


def test_a_job_whose_submission_was_not_answered_does_not_outlive_an_interrupt(engine, processes):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    driver = processes.drivers[-1]
    submit = driver.submit

    def submitted(job):
        submit(job)
        if job.step == "a":
            driver.silent = True
            raise Unanswered("the answer was lost")

    driver.submit = submitted
    advance_until(loop, lambda: len(ran()) == 4)
    loop.interrupt()
    assert len(driver.cancelled) == 3
    for process in processes.all():
        assert process.wait(60) is not None


def kill_scheduler(loop, engine, run):
    """The scheduler is gone without a word: nothing is cancelled, the status says running."""
    loop._backend._made["processes"]._thread = None
    with loop._backend._made["processes"]._lock:
        loop._backend._made["processes"]._watched.clear()
        loop._backend._made["processes"]._stopping = True
        loop._backend._made["processes"]._lock.notify()
    engine.open().runs.update_status("F", run, lambda status: {**status, "pid": 2**22 + 1, "pid_start": "gone"})


def test_resume_waits_for_jobs_that_outlived_their_scheduler(engine, processes):
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: len(ran()) == 4)
    kill_scheduler(loop, engine, "1")
    submitted = len(processes.submissions)
    second, _ = engine.begin(resume={"run": None, "step": None})
    second.advance(1.0)
    assert len(processes.submissions) == submitted
    kill_scheduler(second, engine, "2")
    third, _ = engine.begin(resume={"run": None, "step": None})
    third.advance(0.5)
    Path("go").touch()
    assert engine.finish(third).status == "completed"
    assert sorted(ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))
    assert engine.records("3")["a[1]"]["origin"].startswith("F/1/a/")
    assert len(engine.artifacts("3")) == 6


def test_a_cluster_that_is_silent_at_a_resume_costs_nothing(engine, processes, monkeypatch):
    """Not what still runs there, nor what is done: the resume that failed leaves no tasks, and is not resumed itself."""
    Path("do-a").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: len(ran()) == 4)
    kill_scheduler(loop, engine, "1")
    submitted = len(processes.submissions)

    def silent(self, jobs):
        raise Unanswered("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(ProcessDriver, "look", silent)
        patch.setattr("metaflow_core.backends.jobs._PATIENCE_SECONDS", (0.1, 0.1))
        with pytest.raises(BackendError, match="The test cluster does not say which tasks .* connection refused"):
            engine.begin(resume={"run": None, "step": None})
    assert engine.open().runs.read_status("F", "2")["status"] == "failed"
    third, _ = engine.begin(resume={"run": None, "step": None})
    third.advance(1.0)
    assert len(processes.submissions) == submitted
    assert engine.open().runs.read_run("F", "3")["origin"] == {"run": "1"}
    Path("go").touch()
    assert engine.finish(third).status == "completed"
    assert len(ran()) == 6


def test_a_step_that_was_to_be_run_again_is_so_by_the_resume_of_a_resume_that_failed(engine, processes, monkeypatch):
    engine.run()
    with monkeypatch.context() as patch:
        patch.setattr("metaflow_core.engine.start.RunLoop", None)
        with pytest.raises(TypeError):
            engine.begin(resume={"run": None, "step": "j"})
    second, _ = engine.begin(resume={"run": None, "step": None})
    assert engine.finish(second).status == "completed"
    assert [name for name in ran() if name.startswith(("j", "end"))] == ["j attempt 0", "end attempt 0"] * 2
    assert len(ran()) == 8


def test_a_retry_can_move(engine, processes):
    engine.spec = flow(j=[("retry", {"times": 1, "minutes_between_retries": 0, "with": "local"})])
    Path("do-j").write_text("die")
    loop, local = engine.begin()
    assert engine.finish(loop).status == "completed"
    assert local.submitted == ["j attempt 1"]


def test_steps_run_where_they_say(engine, processes):
    engine.spec = flow(a=[("processes", {})])
    loop, local = engine.begin(lambda order: succeed(order, count=3), **{"with": []})
    assert engine.finish(loop).status == "completed"
    assert local.submitted == ["start attempt 0", "j attempt 0", "end attempt 0"]
    assert [len(paths) for paths in processes.submissions] == [3]


def test_a_job_that_is_started_again_does_the_task_once(engine, processes):
    """As a requeued job: the runner finds its task done, or begins anew."""
    engine.run()
    [(name, [process])] = [(n, p) for n, p in processes.jobs.items() if n.startswith("end")]
    import subprocess

    again = subprocess.run(process.args, env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, check=False)
    assert again.returncode == 75
    assert ran().count("end attempt 0") == 1


def test_a_stopped_runner_leaves_the_folder_to_the_next_one(engine, processes):
    Path("do-j").write_text("wait")
    loop, _ = engine.begin()
    advance_until(loop, lambda: "j attempt 0" in ran())
    [(name, [process])] = [(n, p) for n, p in processes.jobs.items() if n.startswith("j")]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    import subprocess

    Path("go").touch()
    processes.jobs[name] = [subprocess.Popen(process.args, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})]
    assert engine.finish(loop).status == "completed"


def test_the_runner_says_how_it_is_started(capsys):
    """The recipe of the image asks for it, to see that it starts."""
    from metaflow_core.runners.task import main

    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("metaflow-task SPEC [--task N]")
    assert main([]) == main(["--task", "1"]) == main(["--nonsense"]) == 2
    assert "metaflow-task SPEC" in capsys.readouterr().err
