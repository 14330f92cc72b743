import base64

import pytest
from metaflow_core.backends.split_values import MOST_BYTES, with_values


@pytest.fixture
def blobs(tmp_path):
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "abc").write_bytes(b"0123456789" * 1000)
    return str(tmp_path)


def order(*refs):
    return {"step": "s", "stack": [{"index": i, "count": 3, "ref": ref} for i, ref in enumerate(refs)]}


def test_the_innermost_element_comes_with_the_order(blobs):
    given = order("abc 0 5 d", "abc 13 4 e")
    told = with_values(given, blobs)
    assert "value" not in told["stack"][0]
    assert base64.b64decode(told["stack"][1]["value"]) == b"3456"
    assert {**told["stack"][1], "value": None} == {**given["stack"][1], "value": None}
    assert "value" not in given["stack"][1], "the order is what result.json repeats"


@pytest.mark.parametrize(
    "ref",
    [
        f"abc 0 {MOST_BYTES + 1} d",
        "abd 0 5 d",  # not on this machine
        "abc 9998 5 d",  # shorter than it should be: the worker says so
        "abc -1 5 -",  # an included file
    ],
)
def test_what_is_large_or_not_at_hand_is_left_to_the_worker(blobs, ref):
    assert with_values(order(ref), blobs) == order(ref)


def test_a_task_outside_of_a_foreach_is_told_as_it_is(blobs):
    assert with_values({"step": "s"}, blobs) == {"step": "s"}
    assert with_values({"step": "s", "stack": []}, blobs) == {"step": "s", "stack": []}
