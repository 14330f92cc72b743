import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from metaflow_core.backends.local import LocalBackend
from metaflow_core.contracts.backend import Submission
from metaflow_core.contracts.decorator import StepPolicy
from watched_processes import alive, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")

WORKER = str(Path(__file__).resolve().parent / "fake_worker.py")


def numbers(prefix):
    """The numbers in names of files of the working directory, which is that of the workers: "pid-12" -> 12."""
    return [int(name[len(prefix) :]) for name in os.listdir(".") if name.startswith(prefix)]


@pytest.fixture
def backend():
    made = []

    def make(slots=2, mode="fork", **init):
        command = [sys.executable, "-S", WORKER, mode]
        made.append(LocalBackend(command, {"ADDED": "1"}, init, slots, one_task_each=mode == "fresh"))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
    for pid in numbers("daemon-") + numbers("pid-"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def submit(backend, key, do="end", **order):
    backend.submit([Submission(key, f"F/1/s/{key}/0", {"task": key, "do": do, **order}, StepPolicy())])


def reports(backend, count, seconds=60):
    """The next reports, at least so many, in the order they came."""
    found, until = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < until, f"only {found} after {seconds} seconds"
        found += backend.poll(0.1)
    return found


def finish(backend, count, **more):
    return {report.key: report for report in reports(backend, count, **more)}


def pids_of(task):
    return [int(line) for line in Path(f"ran-{task}").read_text().split()]


def wait_running(backend, *tasks):
    wait_until(lambda: backend.poll(0.01) == [] and all(os.path.exists(f"ran-{task}") for task in tasks))


# -- tasks that end


@pytest.mark.parametrize("mode", ["fork", "fresh"])
def test_tasks_run_and_are_reported(backend, mode):
    backend = backend(slots=2, mode=mode)
    for number in range(6):
        while backend.free_slots() == 0:
            backend.poll(0.1)
        submit(backend, str(number))
    wait_until(lambda: backend.poll(0.05) is not None and backend.free_slots() == 2)
    pids = [pids_of(number)[0] for number in range(6)]
    assert len(set(pids)) == (6 if mode == "fresh" else len(set(pids)))
    if mode == "fork":
        assert len(set(pids)) <= 2


def test_a_report_names_the_task_and_how_it_ended(backend):
    backend = backend()
    submit(backend, "good")
    submit(backend, "bad", "vanish")
    found = finish(backend, 2)
    assert (found["good"].kind, found["good"].finished, found["good"].exit) == ("ended", True, None)
    assert (found["bad"].kind, found["bad"].finished) == ("ended", False)


def test_slots_are_counted_from_submission_to_report(backend):
    backend = backend(slots=2)
    assert backend.free_slots() == 2
    submit(backend, "1")
    submit(backend, "2", "sleep")
    assert backend.free_slots() == 0
    finish(backend, 1)
    assert backend.free_slots() == 1


def test_no_more_workers_than_slots_and_no_more_than_needed(backend):
    backend = backend(slots=4)
    submit(backend, "1")
    finish(backend, 1)
    for number in range(2, 6):
        submit(backend, str(number))
        finish(backend, 1)
    assert len({pids_of(number)[0] for number in range(1, 6)}) == 1


def test_nothing_to_report_is_no_report(backend):
    backend = backend()
    assert backend.poll(0) == []
    submit(backend, "1", "sleep")
    wait_running(backend, "1")
    before = time.monotonic()
    assert backend.poll(0.2) == []
    assert time.monotonic() - before >= 0.19


def test_a_message_in_pieces_is_one_message(backend):
    backend = backend()
    submit(backend, "1", pieces=5)
    assert finish(backend, 1)["1"].finished is True


def test_orders_larger_than_a_pipe_arrive_whole(backend):
    backend = backend(slots=1)
    for number in range(3):
        submit(backend, str(number), "length", payload="x" * 3_000_000)
        finish(backend, 1)
        assert Path(f"told-{number}").read_text() == "3000000"


def test_a_large_first_order_arrives_whole_though_the_worker_is_still_starting(backend):
    backend = backend(slots=1, payload="x" * 1_000_000)
    submit(backend, "1", "env")
    finish(backend, 1)
    assert len(json.loads(Path("told-1").read_text())["init"]["payload"]) == 1_000_000


def test_workers_have_the_environment_and_their_own_additions_and_the_working_directory(backend, monkeypatch):
    monkeypatch.setenv("SOMETHING", "set by the user")
    backend = backend()
    submit(backend, "1", "env")
    finish(backend, 1)
    told = json.loads(Path("told-1").read_text())
    assert (told["environment"]["SOMETHING"], told["environment"]["ADDED"]) == ("set by the user", "1")
    assert told["environment"]["METAFLOW_WORKER"]
    assert told["cwd"] == os.getcwd()


# -- workers that die


@pytest.mark.parametrize(("do", "status", "exit"), [("die", None, "signal 9"), ("exit", 3, 3), ("exit", 0, 0)])
def test_a_worker_that_dies_takes_its_task_along(backend, do, status, exit):
    backend = backend(slots=1)
    submit(backend, "1", do, status=status)
    report = finish(backend, 1)["1"]
    assert (report.kind, report.finished, report.exit) == ("ended", False, exit)
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True


def test_others_go_on_when_a_worker_dies(backend):
    backend = backend(slots=2)
    submit(backend, "1", "die")
    submit(backend, "2")
    found = finish(backend, 2)
    assert (found["1"].finished, found["2"].finished) == (False, True)


def test_an_idle_worker_that_died_is_replaced(backend):
    backend = backend(slots=1)
    submit(backend, "1")
    finish(backend, 1)
    os.kill(pids_of("1")[0], signal.SIGKILL)
    wait_until(lambda: not alive(pids_of("1")[0]))
    submit(backend, "2")
    found = finish(backend, 1)["2"]
    if not found.finished:  # it was handed to the dead worker, and the engine tries it again
        submit(backend, "2")
        assert finish(backend, 1)["2"].finished is True


def test_what_a_dead_worker_started_is_killed(backend):
    backend = backend(slots=1)
    submit(backend, "1", "children")
    wait_running(backend, "1")
    wait_until(lambda: len(numbers("pid-")) == 2)
    in_group = [pid for pid in numbers("pid-") if os.getpgid(pid) == pids_of("1")[0]]
    os.kill(pids_of("1")[0], signal.SIGKILL)
    assert finish(backend, 1)["1"].finished is False
    wait_until(lambda: not any(alive(pid) for pid in in_group))


def test_what_a_vanished_task_started_is_killed_and_its_worker_replaced(backend):
    backend = backend(slots=1)
    submit(backend, "1", "vanish", background=True)
    assert finish(backend, 1)["1"].finished is False
    (left,) = numbers("pid-")
    wait_until(lambda: not alive(left) and not alive(pids_of("1")[0]))
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True
    assert pids_of("2") != pids_of("1")


# -- workers that do not start


def test_a_worker_that_says_why_it_cannot_work(backend):
    backend = backend(start="broken")
    submit(backend, "1")
    (report,) = reports(backend, 1)
    assert (report.kind, report.message) == ("broken", "no such package")


def test_workers_that_end_at_once_are_given_up_after_a_few(backend):
    backend = backend(slots=1, start="end")
    submit(backend, "1")
    (report,) = reports(backend, 1)
    assert report.kind == "broken"
    assert "7" in report.message
    assert "fake_worker.py" in report.message


def test_a_command_that_does_not_exist_is_reported(tmp_path):
    backend = LocalBackend([str(tmp_path / "no" / "Rscript")], {}, {}, 1)
    submit(backend, "1")
    (report,) = reports(backend, 1)
    assert report.kind == "broken"
    assert "Rscript" in report.message
    backend.close()


# -- cancelling


def test_cancel_kills_the_task_with_all_that_it_started(backend):
    backend = backend(slots=2)
    submit(backend, "1", "children")
    submit(backend, "2", "sleep")
    wait_running(backend, "1", "2")
    wait_until(lambda: len(numbers("pid-")) == 2)
    backend.cancel(["1"])
    assert finish(backend, 1)["1"].finished is False
    wait_until(lambda: not any(alive(pid) for pid in [*pids_of("1"), *numbers("pid-")]))
    assert alive(pids_of("2")[0])
    submit(backend, "3")
    assert finish(backend, 1)["3"].finished is True


def test_a_task_that_waits_for_its_worker_can_be_cancelled(backend):
    """A limit of one second can be over before R has started: the task must still be reported as ended."""
    backend = backend(slots=1, slowly=0.5)
    submit(backend, "1")
    backend.cancel(["1"])
    report = finish(backend, 1)["1"]
    assert (report.kind, report.finished) == ("ended", False)
    assert backend.free_slots() == 1
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True
    assert not os.path.exists("ran-1")


def test_cancelling_twice_or_after_the_end_is_fine(backend):
    backend = backend()
    submit(backend, "1", "sleep")
    wait_running(backend, "1")
    backend.cancel(["1"])
    backend.cancel(["1"])
    finish(backend, 1)
    backend.cancel(["1"])
    backend.cancel(["never heard of"])
    assert backend.poll(0.1) == []
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True


def test_a_daemon_that_holds_the_pipe_does_not_hold_up_the_report(backend):
    backend = backend(slots=1)
    submit(backend, "1", "daemon")
    wait_running(backend, "1")
    wait_until(lambda: numbers("daemon-"))
    backend.cancel(["1"])
    assert finish(backend, 1, seconds=5)["1"].finished is False
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="only Linux tells the environment of a process")
def test_cancel_kills_daemons_too(backend):
    backend = backend(slots=1)
    submit(backend, "1", "shell daemon")
    wait_running(backend, "1")
    wait_until(lambda: numbers("pid-"))
    backend.cancel(["1"])
    wait_until(lambda: not any(alive(pid) for pid in numbers("pid-")))


# -- closing


def test_close_ends_idle_workers_and_kills_busy_ones(backend):
    backend = backend(slots=3)
    submit(backend, "1")
    finish(backend, 1)
    submit(backend, "2", "children")
    submit(backend, "3", "sleep")
    wait_running(backend, "2", "3")
    wait_until(lambda: len(numbers("pid-")) == 2)
    backend.close()
    pids = [pid for task in "123" for pid in pids_of(task)] + numbers("pid-")
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_close_kills_workers_that_are_still_starting(backend):
    backend = backend(slots=1, slowly=600)
    submit(backend, "1")
    backend.poll(0.3)
    pids = [worker.pid for worker in backend._workers]
    assert all(alive(pid) for pid in pids)
    backend.close()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_closing_twice_is_fine(backend):
    backend = backend()
    submit(backend, "1")
    finish(backend, 1)
    backend.close()
    backend.close()


def test_no_descriptor_is_left_open(backend):
    def count():
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(3):
        made = backend(slots=2)
        submit(made, "1")
        submit(made, "2", "die")
        finish(made, 2)
        made.close()
    assert count() == before


def test_no_zombie_is_left(backend):
    made = backend(slots=1)
    submit(made, "1", "sleep")
    wait_running(made, "1")
    made.cancel(["1"])
    finish(made, 1)
    made.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(pids_of("1")[0], os.WNOHANG)


# -- workers that somebody else started


@pytest.fixture
def adopted(backend):
    """A backend with a worker that was started before it, and that worker's process."""
    process = subprocess.Popen(
        [sys.executable, "-S", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "METAFLOW_WORKER": "its own"},
    )
    made = backend(slots=1)
    made.adopt(process.pid, process.stdin.fileno(), process.stdout.fileno(), "its own")
    process.stdin.close()
    process.stdout.close()
    yield made, process
    process.kill()
    process.wait()


def test_an_adopted_worker_works_like_others(adopted):
    backend, process = adopted
    submit(backend, "1")
    assert finish(backend, 1)["1"].finished is True
    assert pids_of("1") == [process.pid]


def test_a_dead_adopted_worker_is_replaced(adopted):
    backend, process = adopted
    submit(backend, "1", "die")
    assert finish(backend, 1)["1"].finished is False
    submit(backend, "2")
    assert finish(backend, 1)["2"].finished is True
    assert pids_of("2") != [process.pid]


def test_an_adopted_worker_with_pipes_that_do_not_block_gets_long_orders_whole(adopted):
    backend, _ = adopted
    for worker in backend._workers:
        assert os.get_blocking(worker.stdin)
    submit(backend, "1", "length", payload="x" * 2_000_000)
    finish(backend, 1)
    assert Path("told-1").read_text() == "2000000"
