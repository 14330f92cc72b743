import os

import pytest

from metaflow_core.errors import Corrupted, StoreTooNew, UnknownOption
from metaflow_core.settings import load_settings
from metaflow_core.store.open import open_store
from suites.made_runs import RunMaker


@pytest.fixture
def settings(tmp_path):
    return load_settings(arguments={"datastore_root": str(tmp_path / "root")})


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
        "blobs", "flows", "format.json", "index.db", "index.db-shm", "index.db-wal", "tmp",
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
    for wrong in ({"datastore": "locl"}, {"index": "sqlit"}):
        with pytest.raises(UnknownOption) as caught:
            open_store(load_settings(arguments={"datastore_root": root, **wrong}))
        assert "Did you mean" in caught.value.hint


def test_a_store_can_be_used_after_close(settings):
    store = open_store(settings)
    RunMaker(store)
    store.close()
    assert store.index.run_ids("F") == {"1"}
