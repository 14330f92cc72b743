import ctypes
import sys
from types import SimpleNamespace

import pytest
from metaflow_core.bridge import interrupts


@pytest.fixture
def reticulate(monkeypatch):
    """reticulate's module of a session, and R's two flags."""
    module = SimpleNamespace(_callback="reticulate's own")
    monkeypatch.setitem(sys.modules, "rpytools.signals", module)
    flags = {"R_interrupts_pending": ctypes.c_int(0), "R_interrupts_suspended": ctypes.c_int(0)}
    in_dll = SimpleNamespace(in_dll=lambda library, name: flags[name])
    monkeypatch.setattr(ctypes, "c_int", in_dll)
    return module, flags["R_interrupts_pending"], flags["R_interrupts_suspended"]


def test_the_answer_is_what_r_has_in_its_memory(reticulate):
    module, pending, suspended = reticulate
    assert interrupts.answer_without_r() is True
    assert module._callback(False) is False
    pending.value = 1
    assert module._callback(False) is True
    suspended.value = 1
    assert module._callback(False) is False
    module._callback(True)
    assert pending.value == 1, "R handles it when it takes interrupts again"
    suspended.value = 0
    assert module._callback(True) is False
    assert pending.value == 0


def test_a_python_without_r_and_a_newer_reticulate_are_left_alone(monkeypatch):
    monkeypatch.delitem(sys.modules, "rpytools.signals", raising=False)
    assert interrupts.answer_without_r() is False
    module = SimpleNamespace(initialize=None)
    monkeypatch.setitem(sys.modules, "rpytools.signals", module)
    assert interrupts.answer_without_r() is False
    assert not hasattr(module, "_callback")


def test_an_r_that_keeps_its_flags_to_itself_is_left_alone(monkeypatch):
    module = SimpleNamespace(_callback="reticulate's own")
    monkeypatch.setitem(sys.modules, "rpytools.signals", module)
    assert interrupts.answer_without_r() is False
    assert module._callback == "reticulate's own"
