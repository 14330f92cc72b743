"""A record that a task runner committed, as the scheduler wants to know it."""

from metaflow_core.engine.committed import Committed
from metaflow_core.engine.states import Task
from metaflow_core.engine.table import ArtifactTable

X, Y = {"digest": "x", "size": 1}, {"digest": "y", "size": 1}


def after(**artifacts):
    """A task that comes after one with these artifacts."""
    parent = Task("1", "before", "before", (), ())
    parent.table = ArtifactTable(artifacts, None, "before/1/0")
    return Task("2", "step", "step", (), (parent,))


def committed(**artifacts):
    return Committed({"artifacts": artifacts, "splits": None, "choice": None}, b"")


def test_what_a_task_inherits_is_not_its_own():
    assert dict(committed(x=X, y=Y).outcome(after(x=X), join=False).artifacts) == {"y": Y}


def test_what_it_assigned_anew_is():
    assert dict(committed(x=Y).outcome(after(x=X), join=False).artifacts) == {"x": Y}


def test_a_join_of_a_single_split_inherits_nothing():
    assert dict(committed(x=X, y=Y).outcome(after(x=X), join=True).artifacts) == {"x": X, "y": Y}
