import pytest
from metaflow_core.client import Session
from metaflow_core.errors import UnknownOption
from metaflow_core.settings import load_settings
from suites.made_runs import RunMaker
from suites.processes import in_processes


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    RunMaker(session.store, tags=["first"]).branch()
    yield session
    session.close()


def test_tags_are_added_removed_and_replaced(session):
    assert session.add_tags("F/1", ["b", "a", "b"]) == {
        "pathspec": "F/1",
        "tags": ["a", "b", "first"],
        "system_tags": ["user:alice"],
    }
    assert session.remove_tags("F/1", ["a", "never there"])["tags"] == ["b", "first"]
    assert session.replace_tags("F/1", ["b", "first"], ["c"])["tags"] == ["c"]
    assert session.run("F/1")["tags"] == session.runs("F")[0]["tags"] == ["c"]


def test_one_tag_needs_no_list(session):
    assert session.add_tags("F/1", "one tag")["tags"] == ["first", "one tag"]
    assert session.replace_tags("F/1", "one tag", "another")["tags"] == ["another", "first"]


def test_a_system_tag_cannot_be_removed(session):
    for call in (session.remove_tags, lambda p, t: session.replace_tags(p, t, ["x"])):
        with pytest.raises(UnknownOption) as caught:
            call("F/1", ["first", "user:alice"])
        assert caught.value.message == "'user:alice' is a system tag of F/1 and cannot be removed"
        assert caught.value.hint
    assert session.run("F/1")["tags"] == ["first"]


def test_a_system_tag_that_is_added_is_there_already(session):
    assert session.add_tags("F/1", ["user:alice"])["tags"] == ["first"]


@pytest.mark.parametrize("tag", ["", "  ", "two\nlines", "bell\x07", "x" * 501, 3, None])
def test_what_cannot_be_a_tag(session, tag):
    with pytest.raises(UnknownOption) as caught:
        session.add_tags("F/1", ["fine", tag])
    assert "cannot be a tag" in caught.value.message
    assert session.run("F/1")["tags"] == ["first"]


@pytest.mark.parametrize("tag", ["größe", "数据", "a b", "key:value", "x" * 500, 'it\'s "quoted"', "100%_"])
def test_what_can_be_a_tag(session, tag):
    session.add_tags("F/1", [tag])
    assert [row["run"] for row in session.runs("F", {"tags_all": [tag]})] == ["1"]


def test_two_sessions_change_tags_at_once(session):
    in_processes(
        2,
        """
        from metaflow_core.client import Session
        from metaflow_core.settings import load_settings
        session = Session(load_settings(arguments={"datastore_root": sys.argv[1]}))
        me = sys.argv[2]
        for n in range(15):
            session.add_tags("F/1", [f"{me}-{n}", f"{me}-gone"])
            session.remove_tags("F/1", [f"{me}-gone"])
    """,
        session.store.storage.root,
    )
    expected = sorted(["first", *(f"{p}-{n}" for p in range(2) for n in range(15))])
    assert session.run("F/1")["tags"] == expected
    assert session.runs("F")[0]["tags"] == expected
