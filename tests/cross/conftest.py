"""Flows run through the installed R package; `make test` installs the one of this tree first."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session", autouse=True)
def installed():
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    done = subprocess.run(["Rscript", "-e", "library(metaflow)"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the R package is not installed (make install does that):\n{done.stderr}"


@pytest.fixture
def r_flow(tmp_path):
    """Makes flows in folders of their own. Whatever they leave running is killed, and is a failure."""
    from rflow import RFlow

    made = []

    def make(script, name="CrossFlow", folder="flow", **env):
        made.append(RFlow(tmp_path / folder, {"flow.R": script}, name, **env))
        return made[-1]

    yield make
    left = processes_of(made)
    # Workers end by themselves when their run has ended; on a busy machine that takes a moment.
    until = time.monotonic() + 60
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = processes_of(made)
    for flow in made:
        flow.kill_all()
    assert not left, "these were left running"


def processes_of(flows):
    return {pid: line for flow in flows for pid, line in flow.processes().items()}
