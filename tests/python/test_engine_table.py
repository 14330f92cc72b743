import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaflow_core.engine import table
from metaflow_core.engine.table import DEEP, FLAT, ArtifactTable

names = st.sampled_from("abcdefgh")
contents = st.dictionaries(names, st.integers())


def chain(*contents):
    """The tables of tasks one after the other, the task number i being "step/i/0"."""
    now = ArtifactTable.empty()
    for number, new in enumerate(contents):
        now = now.extended(new, f"step/{number}/0")
    return now


def numbered(count, value=0):
    return {f"x{number}": value for number in range(count)}


@pytest.mark.parametrize(("flat", "deep"), [(64, 8), (0, 8), (2, 1), (0, 0), (3, 3)])
@given(st.lists(contents, max_size=12))
def test_a_table_is_what_its_tasks_left_the_last_word_winning(flat, deep, all_contents):
    before = table.FLAT, table.DEEP
    table.FLAT, table.DEEP = flat, deep
    try:
        now = chain(*all_contents)
    finally:
        table.FLAT, table.DEEP = before
    expected = {}
    for content in all_contents:
        expected.update(content)
    assert now.flat() == expected
    assert all(now.get(name) == expected.get(name) for name in "abcdefgh")
    assert len(list(now.layers())) <= deep + 2


def test_small_tables_are_complete_in_every_record():
    now = chain({"a": 1}, {"b": 2})
    assert (now.own, now.inherits, now.home) == ({"a": 1, "b": 2}, None, "step/1/0")


def test_a_large_table_is_not_copied_into_the_tables_after_it():
    now = chain(numbered(FLAT + 1), {"y": 1})
    assert (now.own, now.inherits) == ({"y": 1}, "step/0/0")
    assert now.get("x3") == 0


def test_a_table_of_just_the_limit_is_still_copied():
    assert chain(numbered(FLAT), {"y": 1}).inherits is None


def test_a_long_row_of_tasks_does_not_make_a_long_chain_of_records():
    depths = []
    now = ArtifactTable.empty().extended(numbered(FLAT + 1), "step/0/0")
    for number in range(1, 40):
        now = now.extended({f"y{number}": number}, f"step/{number}/0")
        depths.append(len(list(now.layers())))
    assert max(depths) <= DEEP + 1
    assert len(now.flat()) == FLAT + 1 + 39


def test_ten_thousand_splits_share_one_table():
    base = chain(numbered(1000))
    splits = [base.extended({"y": index}, f"fit/{index}/0") for index in range(10_000)]
    assert all(split.base is base and len(split.own) == 1 for split in splits)


def test_null_like_values_are_values():
    assert chain({"a": 1}, {"a": None}).flat() == {"a": None}
