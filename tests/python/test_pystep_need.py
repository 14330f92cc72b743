import hashlib
import os

import pytest
from metaflow_core.backends.need import answer_need
from metaflow_core.errors import Corrupted
from metaflow_core.pystep.failure import WorkerError
from metaflow_core.pystep.need import ask_for_blobs
from metaflow_core.pystep.state import TaskState
from metaflow_core.rdata.artifact import encode

BYTES = b"".join(bytes(piece) for piece in encode([1, 2, 3]).pieces)
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def state(tmp_path):
    """A task one of whose artifacts is not on this machine; `fetch` brings it when it is set to True."""
    blobs = tmp_path / "blobs"
    made = TaskState({"artifacts": {"x": f"{DIGEST} 0 {len(BYTES)} {DIGEST}"}}, str(blobs), {}, {})
    made.asked = []

    def fetch(digests):
        made.asked.append(list(digests))
        if made.problem:
            raise made.problem
        if not made.there:
            return made.asked[-1]
        (blobs / DIGEST[:2]).mkdir(parents=True, exist_ok=True)
        (blobs / DIGEST[:2] / DIGEST).write_bytes(BYTES)
        return []

    def send(t, file):
        assert t == "need"
        answer_need(file, fetch)

    made.problem, made.there = None, True
    made.ask = lambda digests: ask_for_blobs(digests, str(tmp_path), send)
    return made


def test_a_blob_that_is_missing_is_asked_for_once(state, tmp_path):
    for _ in range(2):
        assert state.read(state.refs["x"], "artifact 'x'") == [1, 2, 3]
    assert state.asked == [[DIGEST]]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("need-")]


def test_a_copy_that_is_there_is_asked_for_too_so_that_it_is_checked(state):
    place = os.path.join(state.blobs, DIGEST[:2], DIGEST)
    os.makedirs(os.path.dirname(place))
    with open(place, "wb") as file:
        file.write(BYTES[:-1] + b"?")
    assert state.read(state.refs["x"], "artifact 'x'") == [1, 2, 3]
    os.unlink(place)  # it made room for others
    assert state.read(state.refs["x"], "artifact 'x'") == [1, 2, 3]
    assert state.asked == [[DIGEST], [DIGEST]]


def test_a_blob_that_nobody_has_names_the_artifact(state):
    state.there = False
    with pytest.raises(WorkerError, match="artifact 'x' are missing"):
        state.read(state.refs["x"], "artifact 'x'")


def test_an_error_of_the_store_is_told(state):
    state.problem = Corrupted("blob ab is damaged", hint="Mend it.")
    with pytest.raises(WorkerError) as caught:
        state.read(state.refs["x"], "artifact 'x'")
    assert (caught.value.message, caught.value.hint) == ("blob ab is damaged", "Mend it.")
