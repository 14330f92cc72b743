import random

import pytest
from metaflow_core.engine.tail import LogTail


@pytest.fixture
def log(tmp_path):
    def append(content, stream="stdout"):
        with open(tmp_path / f"{stream}.log", "ab") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    append.tail = LogTail(str(tmp_path))
    return append


def test_nothing_yet(log):
    assert log.tail.read() == []
    assert log.tail.read(everything=True) == []


def test_lines_are_told_once_and_when_they_are_complete(log):
    log("one\ntw")
    assert log.tail.read() == [("stdout", ["one"])]
    assert log.tail.read() == []
    log("o\nthree")
    assert log.tail.read() == [("stdout", ["two"])]
    assert log.tail.read(everything=True) == [("stdout", ["three"])]
    assert log.tail.read(everything=True) == []


def test_both_streams(log):
    log("out\n")
    log("err\n", "stderr")
    assert log.tail.read() == [("stdout", ["out"]), ("stderr", ["err"])]


def test_empty_lines_are_lines(log):
    log("\n\na\n")
    assert log.tail.read() == [("stdout", ["", "", "a"])]


def test_letters_that_arrive_in_pieces_are_not_broken(log):
    encoded = "größer 漢字\n".encode()
    for byte in encoded:
        log(bytes([byte]))
        found = log.tail.read()
    assert found == [("stdout", ["größer 漢字"])]


def test_bytes_that_are_no_text_are_shown_as_such(log):
    log(b"a\xffb\n")
    assert log.tail.read() == [("stdout", ["a\ufffdb"])]


def test_lines_of_windows_end_as_others(log):
    log("a\r\nb\r\n")
    assert log.tail.read() == [("stdout", ["a", "b"])]


def test_only_line_ends_end_lines(log):
    log("form\x0cfeed next\x85line\u2028separator\n")
    assert log.tail.read() == [("stdout", ["form\x0cfeed next\x85line\u2028separator"])]


MANY = [f"line {number} of many, which is a bit longer: größer" for number in range(60_000)]


def test_the_rest_of_a_lot_is_told_when_the_task_has_ended(log):
    log("\n".join(MANY) + "\n")
    assert log.tail.read(everything=True) == [("stdout", MANY)]


def test_a_lot_is_told_bit_by_bit_while_the_task_runs(log):
    log("\n".join(MANY) + "\n")
    told = []
    while found := log.tail.read():
        told += found[0][1]
    assert told == MANY


def test_a_progress_bar_is_shown_as_it_ended(log):
    log("10%\r50%\r100%\nnext\r\n")
    assert log.tail.read() == [("stdout", ["100%", "next"])]


def test_a_line_without_an_end_is_told_in_the_end(log):
    log("x" * 3_000_000)
    assert log.tail.read() == []
    told = log.tail.read(everything=True)
    assert "".join(line for _, lines in told for line in lines) == "x" * 3_000_000


def test_whatever_the_pieces_all_lines_arrive(log):
    random_ = random.Random(1)
    text = "".join(random_.choice(["a", "é", "\n", "漢", " "]) for _ in range(3000))
    data, told = text.encode(), []
    while data:
        size = random_.randint(1, 20)
        log(data[:size])
        data = data[size:]
        told += [line for _, lines in log.tail.read() for line in lines]
    told += [line for _, lines in log.tail.read(everything=True) for line in lines]
    assert told == text.removesuffix("\n").split("\n")
