"""Slow tests use what the quick ones have: the flows of tests/cross, run by `Rscript`, and the Python core of this tree."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in ("python", "tests/cross", "tests/python", "tests/slow"):
    sys.path.insert(0, str(ROOT / folder))

from rflow import RFlow  # noqa: E402


@pytest.fixture
def r_flow(tmp_path):
    """Makes flows in folders of their own; whatever they leave running on this machine is killed."""
    made = []

    def make(script, name, folder="flow", **env):
        made.append(RFlow(tmp_path / folder, {"flow.R": script}, name, **env))
        return made[-1]

    yield make
    for flow in made:
        flow.kill_all()
