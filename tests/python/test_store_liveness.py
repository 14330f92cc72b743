import os
import subprocess
import sys

import pytest
from metaflow_core.store.liveness import HEARTBEAT_TIMEOUT_SECONDS, host_name, process_start, shown_status


def status(**more):
    return {
        "status": "running",
        "host": host_name(),
        "pid": os.getpid(),
        "pid_start": process_start(),
        "heartbeat_at": 0.0,
        **more,
    }


@pytest.fixture
def ended():
    """A process that ended and was collected, so its id is free."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_of_this_machine_is_as_alive_as_its_process(ended):
    assert shown_status(status()) == "running"
    assert shown_status(status(pid_start=None)) == "running"
    assert shown_status(status(pid=ended, pid_start=None)) == "lost"
    assert shown_status(status(pid=ended)) == "lost"


@pytest.mark.skipif(process_start() is None, reason="this system does not tell when a process started")
def test_a_reused_process_id_is_not_mistaken():
    assert shown_status(status(pid_start="the one before")) == "lost"


def test_a_process_that_nobody_collected_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    start = process_start(process.pid)
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert process_start(process.pid) is None
        assert shown_status(status(pid=process.pid, pid_start=start)) == "lost"
    finally:
        process.wait()
        process.stdout.close()


def test_a_run_of_another_machine_is_as_alive_as_its_heartbeat():
    other = status(host="another", pid=1, pid_start=None, heartbeat_at=1000.0)
    assert shown_status(other, now=1000.0 + HEARTBEAT_TIMEOUT_SECONDS) == "running"
    assert shown_status(other, now=1001.0 + HEARTBEAT_TIMEOUT_SECONDS) == "lost"
    assert shown_status({**other, "heartbeat_at": None}, now=1e9) == "lost"


@pytest.mark.parametrize("word", ["completed", "failed", "interrupted"])
def test_a_run_that_ended_stays_as_it_ended(ended, word):
    assert shown_status(status(status=word, pid=ended)) == word


def test_a_start_time_is_stable(ended):
    assert process_start() == process_start(os.getpid())
    assert process_start(ended) is None
