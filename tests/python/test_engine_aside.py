import threading
import time

import pytest
from metaflow_core.engine.aside import Aside


def collected(aside):
    until = time.monotonic() + 30
    while len(aside) and time.monotonic() < until:
        aside.collect()
        time.sleep(0.002)


def test_without_threads_everything_happens_at_once():
    aside, seen = Aside(0), []
    aside.do(lambda: 1, seen.append, pytest.fail)
    assert seen == [1] and len(aside) == 0
    aside.do(lambda: 1 / 0, pytest.fail, lambda problem: seen.append(type(problem)))
    assert seen == [1, ZeroDivisionError]


def test_what_follows_happens_in_the_thread_that_collects():
    aside, seen = Aside(4), []
    here = threading.get_ident()
    for number in range(20):
        aside.do(
            lambda n=number: (n, threading.get_ident()),
            lambda value: seen.append((*value, threading.get_ident())),
            pytest.fail,
        )
    assert seen == [] and len(aside) == 20
    collected(aside)
    assert sorted(number for number, _, _ in seen) == list(range(20))
    assert all(there != here and then == here for _, there, then in seen)
    aside.close()


def test_what_follows_may_ask_for_more():
    aside, seen = Aside(2), []
    aside.do(lambda: 1, lambda value: aside.do(lambda: value + 1, seen.append, pytest.fail), pytest.fail)
    collected(aside)
    assert seen == [2]


def test_a_problem_of_either_part_is_told():
    aside, seen = Aside(2), []
    aside.do(lambda: 1 / 0, pytest.fail, seen.append)
    aside.do(lambda: 1, lambda value: {}[value], seen.append)
    collected(aside)
    assert sorted(type(problem).__name__ for problem in seen) == ["KeyError", "ZeroDivisionError"]


def test_waiting_has_an_end():
    aside, go = Aside(1), threading.Event()
    aside.do(go.wait, lambda value: None, pytest.fail)
    aside.wait(0.05)
    assert len(aside) == 1
    go.set()
    aside.wait(30)
    assert len(aside) == 0
