import os
import shutil
import tempfile
from pathlib import Path

import pytest
from metaflow_core.client import Session
from metaflow_core.errors import Corrupted, StoreError, StoreTooNew, UnknownOption
from metaflow_core.settings import load_settings
from metaflow_core.store.open import open_store
from suites.made_runs import RunMaker
from suites.processes import as_nobody, make_read_only, remove_tree


@pytest.fixture
def settings(tmp_path):
    return load_settings(arguments={"datastore_root": str(tmp_path / "root")})


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; those of pytest are private."""
    folder = Path(tempfile.mkdtemp(prefix="metaflow-test-"))
    folder.chmod(0o755)
    yield folder
    remove_tree(folder)


def test_opening_and_looking_creates_nothing(settings):
    store = open_store(settings)
    assert store.runs.list_flows() == store.index.flows() == store.index.runs() == []
    store.close()
    assert not os.path.exists(settings.datastore_root)


def test_a_store_is_what_it_was_when_it_is_opened_again(settings):
    RunMaker(open_store(settings)).branch()
    store = open_store(settings)
    assert store.runs.list_runs("F") == ["1"]
    assert sorted(os.listdir(settings.datastore_root)) == [
        "blobs",
        "flows",
        "format.json",
        "index.db",
        "index.db-shm",
        "index.db-wal",
        "tmp",
    ]
    assert store.index.run("F", "1")["status"] == "completed"


def test_a_newer_store_is_refused(settings):
    os.makedirs(settings.datastore_root)
    with open(os.path.join(settings.datastore_root, "format.json"), "w") as file:
        file.write('{"store_format": 7}')
    with pytest.raises(StoreTooNew) as caught:
        open_store(settings)
    assert "format 7" in caught.value.message and settings.datastore_root in caught.value.message


def test_a_damaged_format_file_is_named(settings):
    os.makedirs(settings.datastore_root)
    open(os.path.join(settings.datastore_root, "format.json"), "w").close()
    with pytest.raises(Corrupted) as caught:
        open_store(settings)
    assert "format.json" in caught.value.message


def test_an_unknown_storage_or_index(tmp_path):
    root = str(tmp_path / "root")
    for wrong in ({"datastore": "locl"}, {"index": "sqlit"}, {"index": "sqlit://host/name"}):
        with pytest.raises(UnknownOption) as caught:
            open_store(load_settings(arguments={"datastore_root": root, **wrong}))
        assert "Did you mean" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no permissions to take away here")
@pytest.mark.parametrize("with_index", [True, False])
def test_a_store_that_may_only_be_read_is_read(open_folder, with_index):
    settings = load_settings(arguments={"datastore_root": str(open_folder / "root")})
    store = open_store(settings)
    RunMaker(store).branch()
    RunMaker(store, index=False).branch()
    store.close()
    if not with_index:
        os.unlink(settings.index_path)
    make_read_only(settings.datastore_root)

    def look():
        session = Session(settings)
        assert [row["status"] for row in session.runs("F")] == ["completed", "completed"]
        assert [row["status"] for row in session.tasks("F/2")] == ["done"] * 5
        assert session.locate("F/1", "best")["size"] == 4
        with pytest.raises(StoreError):
            session.add_tags("F/1", ["x"])

    as_nobody(look)


def test_a_store_that_is_deleted_and_begun_again_under_an_open_session(settings):
    session = Session(settings)
    for text in (b"before", b"after"):
        made = RunMaker(session.store)
        made.task("start", artifacts={"x": made.artifact(text)})
        made.task("end", ["start/1"], inherits="start/1/0")
        made.finish()
        assert [row["run"] for row in session.runs("F")] == ["1"]
        with open(session.locate("F/1", "x")["path"], "rb") as file:
            assert file.read() == text
        shutil.rmtree(settings.datastore_root)
        assert session.flows() == []


def test_a_store_can_be_used_after_close(settings):
    store = open_store(settings)
    RunMaker(store)
    store.close()
    assert store.index.run_ids("F") == {"1"}
