import pytest
from metaflow_core.engine import cause
from metaflow_core.engine.cause import oom_kills, vanished

SEGFAULT = """some output
 *** caught segfault ***
address (nil), cause 'memory not mapped'

Traceback:
 1: .Call(...)
"""


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch):
    """No other process of this machine is killed for memory while a test looks."""
    monkeypatch.setattr(cause, "oom_kills", lambda: 5)


def write(folder, name, content=""):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def told(folder, exit_status=None, timed_out_after=None, oom_before=5):
    return vanished(str(folder), exit_status, timed_out_after, oom_before)


def test_out_of_time(tmp_path):
    error = told(tmp_path, "signal 9", 2.0)
    assert (error["cause"], error["classes"]) == ("timeout", ["metaflow_timeout_error"])
    assert "limit of 2 seconds" in error["message"]


@pytest.mark.parametrize(("limit", "shown"), [(0.5, "0.5 s"), (90.0, "90 s"), (86400.0, "86400 s")])
def test_a_limit_is_shown_as_it_was_given(tmp_path, limit, shown):
    assert shown in told(tmp_path, timed_out_after=limit)["message"]


def test_quit_inside_of_a_step(tmp_path):
    write(tmp_path, "quit")
    error = told(tmp_path)
    assert error["cause"] == "quit"
    assert "quit()" in error["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SEGFAULT, "segfault, memory not mapped"),
        (
            "\n *** caught bus error ***\naddress 0x1, cause 'non-existent physical address'\n",
            "bus error, non-existent physical",
        ),
        (" *** caught segfault ***", "segfault"),
        ("x" * 10_000 + SEGFAULT, "segfault, memory not mapped"),
    ],
)
def test_a_fault_in_compiled_code(tmp_path, text, words):
    write(tmp_path, "stderr.log", text)
    error = told(tmp_path)
    assert error["cause"] == "crash"
    assert words in error["message"]


def test_a_log_of_broken_bytes_is_read_all_the_same(tmp_path):
    write(tmp_path, "stderr.log", b"\xff\xfe\n" + SEGFAULT.encode())
    assert "segfault" in told(tmp_path)["message"]


def test_out_of_memory(tmp_path):
    assert told(tmp_path, oom_before=4)["cause"] == "oom"
    assert told(tmp_path, oom_before=5)["cause"] == "crash"


def test_killed_by_somebody(tmp_path):
    error = told(tmp_path, "signal 9")
    assert error["cause"] == "crash"
    assert "(signal 9)" in error["message"]
    assert "()" not in told(tmp_path)["message"]


def test_the_cause_that_is_known_for_sure_comes_first(tmp_path):
    write(tmp_path, "quit")
    write(tmp_path, "stderr.log", SEGFAULT)
    assert told(tmp_path, timed_out_after=1.0)["cause"] == "timeout"
    assert told(tmp_path)["cause"] == "quit"


def test_every_error_is_a_complete_record(tmp_path):
    assert set(told(tmp_path)) == {"classes", "message", "call", "cause", "frames"}


def test_the_kernels_count_is_a_number():
    assert oom_kills() >= 0
