"""A server of the tests that does not come up leaves no process behind, whatever was started of it by then."""

import os
import socket
from pathlib import Path

import pytest
from seaweed import SeaweedServer
from slurm_cluster import SlurmCluster
from suites.postgres import PostgresServer

pytestmark = pytest.mark.slow


class Broken(BaseException):
    """As an interrupt: nobody catches it by accident."""


def processes(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and int(pid) != os.getpid():
            found.append(words.split(b"\0")[0])
    return found


def broken(*words):
    raise Broken


@pytest.mark.parametrize("accounting", [False, True], ids=["without accounts", "with accounts"])
def test_a_slurm_whose_nodes_do_not_come_up(tmp_path, monkeypatch, accounting):
    seen = []
    monkeypatch.setattr(SlurmCluster, "wait_idle", lambda self: seen.extend(processes(tmp_path)) or broken())
    with pytest.raises(Broken):
        SlurmCluster(tmp_path, accounting=accounting)
    assert len(seen) >= (5 if accounting else 3)
    assert processes(tmp_path) == []


def test_a_slurm_without_a_program(tmp_path, monkeypatch):
    monkeypatch.setattr(SlurmCluster, "start_controller", broken)
    with pytest.raises(Broken):
        SlurmCluster(tmp_path)
    assert processes(tmp_path) == []


def test_a_postgres_whose_port_is_taken():
    made = PostgresServer()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", made.port))
        taken.listen()
        with pytest.raises(AssertionError, match="pg_ctl failed"):
            made.start()
    assert processes(made.folder) == []
    assert not os.path.exists(made.folder)


def test_a_seaweed_that_never_answers(monkeypatch):
    folders = []
    monkeypatch.setattr(SeaweedServer, "_wait", lambda self: folders.append(self._folder) or broken())
    with pytest.raises(Broken):
        SeaweedServer()
    [folder] = folders
    assert processes(folder) == []
    assert not os.path.exists(folder)
