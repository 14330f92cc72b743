"""When lines were written, as noted by whoever followed the log."""

from metaflow_core.store import log_times
from metaflow_core.store.log_times import LogTimes, noted_of, times_of_lines


def test_a_line_has_the_time_at_which_it_was_first_seen():
    data = b"one\ntwo\nthree\nrest"
    assert times_of_lines(data, [(6, 1.0), (14, 2.0)]) == [1.0, 1.0, 2.0, None]
    assert times_of_lines(data, []) == [None] * 4
    assert times_of_lines(b"", [(6, 1.0)]) == []
    assert times_of_lines(b"a\n\nb\n", [(2, 1.0), (3, 2.0), (5, 3.0)]) == [1.0, 2.0, 3.0]


def test_what_prints_nothing_has_no_notes(tmp_path):
    times = LogTimes()
    (tmp_path / "stdout.log").touch()
    times.look(str(tmp_path))
    assert times.record() == {}


def test_logs_are_looked_at_as_they_grow(tmp_path, monkeypatch):
    times = LogTimes()
    for second, text in enumerate(["a\n", "a\n", "a\nb\n"]):
        monkeypatch.setattr(log_times.time, "time", lambda second=second: float(second))
        (tmp_path / "stderr.log").write_text(text)
        times.look(str(tmp_path))
    record = times.record()
    assert record == {"log_times": {"stderr": [[2, 0.0], [4, 2.0]]}}
    assert noted_of(record, "stderr") == [[2, 0.0], [4, 2.0]]
    assert noted_of(record, "stdout") == noted_of(None, "stdout") == ()


def test_a_task_that_prints_for_days_has_no_more_notes_than_another():
    times = LogTimes()
    for size in range(1, 5000):
        times.note("stdout", size)
    noted = times.record()["log_times"]["stdout"]
    assert len(noted) <= 256
    assert noted[-1][0] == 4999
    assert noted == sorted(noted)
