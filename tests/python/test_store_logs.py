from types import SimpleNamespace

import pytest
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.logs import LogStore, LogUploader

PLACE = ("F", "1", "s", "2", 0)


@pytest.fixture
def store():
    storage = MemoryStorage()
    return SimpleNamespace(storage=storage, logs=LogStore(storage))


def read(store, offset=0, max_bytes=None, stream="stdout"):
    return store.logs.read(*PLACE, stream, offset=offset, max_bytes=max_bytes)


def test_a_log_is_read_while_it_grows_and_is_one_object_in_the_end(store, tmp_path):
    log = tmp_path / "stdout.log"
    uploader = LogUploader(store, PLACE, str(tmp_path))
    assert uploader.push() == {"stdout": 0, "stderr": 0}
    written = b""
    for number in range(5):
        with open(log, "ab") as file:
            file.write(b"line %d\n" % number)
        written += b"line %d\n" % number
        assert uploader.push() == {"stdout": len(written), "stderr": 0}
        assert uploader.push() == {"stdout": len(written), "stderr": 0}
        assert read(store) == written
        assert store.logs.sizes(*PLACE) == {"stdout": len(written), "stderr": 0}
    for offset in range(len(written) + 2):
        for most in (1, 7, 8, 100):
            assert read(store, offset, most) == written[offset : offset + most]
    with open(log, "ab") as file:
        file.write(b"end")
    assert uploader.push(final=True) == {"stdout": len(written) + 3, "stderr": 0}
    assert [entry.key for entry in store.storage.walk()] == ["flows/F/1/s/2/0/stdout.log"]
    assert read(store) == written + b"end"
    with open(log, "ab") as file:
        file.write(b"after the end")
    assert uploader.push() == {"stdout": len(written) + 3, "stderr": 0}
    assert read(store) == written + b"end"


def test_who_takes_over_removes_what_the_dead_one_left(store, tmp_path):
    (tmp_path / "stderr.log").write_bytes(b"abc")
    LogUploader(store, PLACE, str(tmp_path)).push()
    (tmp_path / "stderr.log").write_bytes(b"abcdef")
    LogUploader(store, PLACE, str(tmp_path), begun=True).push(final=True)
    assert [entry.key for entry in store.storage.walk()] == ["flows/F/1/s/2/0/stderr.log"]
    assert read(store, stream="stderr") == b"abcdef"


def test_a_log_that_is_finished_while_it_is_read(store, tmp_path):
    (tmp_path / "stdout.log").write_bytes(b"abc")
    uploader = LogUploader(store, PLACE, str(tmp_path))
    uploader.push()
    real = store.storage.read_many

    def finished_meanwhile(keys):
        uploader.push(final=True)
        return real(keys)

    store.storage.read_many = finished_meanwhile
    assert read(store) == b"abc"
