import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from metaflow_core.backends.process_tree import kill_tree
from watched_processes import alive, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")


@pytest.fixture
def family(tmp_path):
    """Starts Python code as a process in a session of its own; `pids` are those that it and its children wrote down."""
    started = []

    class Family:
        def __init__(self, code):
            self.process = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + textwrap.dedent(code)], cwd=tmp_path, start_new_session=True
            )
            started.append(self)

        @property
        def pids(self):
            return [int(name) for name in os.listdir(tmp_path) if name.isdigit()]

        def grow(self, size):
            wait_until(lambda: len(self.pids) >= size)
            return self.pids

    yield Family
    for family in started:
        for pid in [family.process.pid, *family.pids]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        family.process.wait()


PRELUDE = """
import os, signal, subprocess, sys, time
def here():
    open(str(os.getpid()), "w").close()
def sleep():
    here()
    time.sleep(600)
def child(function):
    if os.fork() == 0:
        function()
        os._exit(0)
"""


def assert_killed(family, size):
    pids = family.grow(size)
    assert all(alive(pid) for pid in pids)
    kill_tree(family.process.pid)
    family.process.wait(60)
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert family.process.returncode == -signal.SIGKILL


def test_a_process_alone(family):
    assert_killed(family("sleep()"), 1)


def test_children_and_grandchildren(family):
    assert_killed(family("child(lambda: (child(sleep), sleep())); sleep()"), 3)


def test_those_in_a_session_of_their_own(family):
    code = """
    def leave():
        os.setsid()
        child(sleep)
        sleep()
    child(leave)
    sleep()
    """
    assert_killed(family(code), 3)


def test_a_child_of_the_group_whose_parent_is_gone(family):
    """As a shell's background process: sh -c 'sleep 600 &'."""
    assert_killed(
        family(
            "subprocess.run([sys.executable, '-c', 'import os; os.fork() and os._exit(0)\\n"
            'open(str(os.getpid()), "w").close()\\nimport time; time.sleep(600)\']); sleep()'
        ),
        2,
    )


def test_those_that_ignore_polite_signals_or_are_stopped(family):
    code = """
    def stubborn():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        sleep()
    def stopped():
        here()
        os.kill(os.getpid(), signal.SIGSTOP)
    child(stubborn)
    child(stopped)
    sleep()
    """
    assert_killed(family(code), 3)


def test_those_that_keep_starting_others(family):
    code = """
    def breed():
        here()
        while True:
            if os.fork():
                time.sleep(0.001)
                os._exit(0)
    child(breed)
    sleep()
    """
    made = family(code)
    made.grow(2)
    kill_tree(made.process.pid)
    made.process.wait(60)
    group = made.process.pid
    wait_until(lambda: not members(group))


def members(group):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and alive(int(name)):
            try:
                if os.getpgid(int(name)) == group:
                    found.append(int(name))
            except ProcessLookupError:
                pass
    return found


def test_what_is_left_of_a_family_whose_head_is_gone(family):
    made = family("child(sleep); child(sleep); here(); time.sleep(0.2)")
    pids = made.grow(3)
    made.process.wait(60)
    assert sum(alive(pid) for pid in pids) == 2
    kill_tree(made.process.pid)
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_a_process_that_is_gone_is_fine():
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait()
    kill_tree(process.pid)


def test_others_are_left_alone(family):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        assert_killed(family("child(sleep); sleep()"), 2)
        assert alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_a_name_full_of_parentheses_does_not_confuse(family, tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to(sys.executable)
    code = f"""
    subprocess.Popen([{str(program)!r}, "-c", "import os, time; open(str(os.getpid()), 'w').close(); time.sleep(600)"],
                     start_new_session=True)
    sleep()
    """
    assert_killed(family(code), 2)
