import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.errors import InternalError, NotFound, StoreConflict, StoreError, UnknownOption
from metaflow_core.registry import plugins
from metaflow_core.storages import check_plugin
from metaflow_core.storages import local as local_module
from metaflow_core.storages.local import LocalStorage
from metaflow_core.storages.memory import MemoryStorage
from suites.processes import as_nobody, in_processes, remove_tree, script
from suites.storage import StorageSuite


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; those of pytest are private."""
    folder = Path(tempfile.mkdtemp(prefix="metaflow-test-"))
    folder.chmod(0o755)
    yield folder
    remove_tree(folder)


class TestMemoryStorage(StorageSuite):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()


class TestLocalStorage(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path):
        return LocalStorage(str(tmp_path / "root"))

    def test_reading_creates_nothing(self, storage):
        storage.exists("a")
        storage.list_dirs()
        storage.read_many(["a"])
        storage.sweep(0.0)
        storage.sync()
        assert not os.path.exists(storage.root)

    def test_nothing_half_written_stays_behind(self, storage, monkeypatch):
        storage.write("k", b"old")

        def full(handle, data):
            os.write(handle, data[:1])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(local_module, "_write_all", full)
        for call in (storage.write, storage.create, lambda key, data: storage.write_if(key, data, None)):
            with pytest.raises(StoreError) as caught:
                call("new", b"data")
            assert "No space left" in caught.value.message and "disk is full" in caught.value.hint
        assert storage.read("k") == b"old" and not storage.exists("new")
        assert [name for name in os.listdir(os.path.join(storage.root, "tmp")) if name != "locks"] == []

    def test_a_write_is_a_handful_of_system_calls(self, storage):
        # Counted at the edge of the os module: no listing, no reading back, no fsync, mkdir only when needed.
        storage.write("d/warm", b"")
        with counted(os) as calls:
            storage.write("d/k", b"data")
        assert calls == ["open", "write", "close", "replace"]
        with counted(os) as calls:
            storage.create("d/new", b"data")
        assert calls == ["open", "write", "close", "link", "unlink"]

    def test_without_hard_links_create_is_still_exclusive(self, storage, monkeypatch):
        def no_links(source, target):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
        assert storage.create("d/k", b"1") is True
        assert storage.create("d/k", b"2") is False
        assert storage.read("d/k") == b"1"

    def test_a_file_of_another_disk_is_copied(self, storage, tmp_path, monkeypatch):
        source = tmp_path / "source"
        source.write_bytes(b"x" * 3_000_000)
        real = os.replace

        def replace(a, b):
            if str(a) == str(source):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real(a, b)

        monkeypatch.setattr(os, "replace", replace)
        storage.put_file(str(source), "d/k")
        assert storage.read("d/k") == b"x" * 3_000_000
        assert not source.exists()

    def test_a_staged_file_is_linked_and_not_copied(self, storage):
        storage.write("flows/F/1/fit/7/0/staged", b"content")
        staged = storage.local_path("flows/F/1/fit/7/0/staged")
        for _ in range(2):  # the second time the content is there already
            storage.put_file(staged, "blobs/aa/x", move=False)
            assert os.path.samefile(staged, storage.local_path("blobs/aa/x"))
        assert storage.list_files("tmp") == []
        os.unlink(staged)
        assert storage.read("blobs/aa/x") == b"content"

    def test_sweep_takes_what_is_old_and_its_own(self, storage):
        storage.write("k", b"")
        tmp = os.path.join(storage.root, "tmp")
        for name, age in (("w-old", 100), ("w-new", 0), ("of-somebody-else", 100)):
            path = os.path.join(tmp, name)
            open(path, "w").close()
            os.utime(path, (time.time() - age, time.time() - age))
        assert storage.sweep(50.0) == 1
        assert sorted(name for name in os.listdir(tmp) if name != "locks") == ["of-somebody-else", "w-new"]

    def test_a_root_that_is_a_file(self, tmp_path):
        (tmp_path / "root").write_text("x")
        storage = LocalStorage(str(tmp_path / "root"))
        assert storage.list_dirs() == [] and not storage.exists("k")
        with pytest.raises(StoreError) as caught:
            storage.write("k", b"")
        assert str(tmp_path / "root") in caught.value.message

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no permissions to take away here")
    def test_a_root_that_may_not_be_written(self, open_folder):
        storage = LocalStorage(str(open_folder / "root"))
        storage.write("k", b"content")
        for folder in (storage.root, storage.root + "/tmp"):
            os.chmod(folder, 0o555)

        def look_and_write():
            assert storage.read("k") == b"content"
            with pytest.raises(StoreError) as caught:
                storage.write("k", b"")
            assert "Permission denied" in caught.value.message and "METAFLOW_DATASTORE_ROOT" in caught.value.hint

        as_nobody(look_and_write)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no permissions to take away here")
    def test_a_file_of_somebody_else_is_touched_by_a_copy(self, open_folder):
        storage = LocalStorage(str(open_folder / "root"))
        storage.write("d/k", b"content")
        for folder in (storage.root, storage.root + "/tmp", storage.root + "/d"):
            os.chmod(folder, 0o777)
        os.utime(storage.local_path("d/k"), (1.0, 1.0))

        def touch():
            assert storage.touch("d/k") is True

        as_nobody(touch)
        assert storage.stat("d/k").modified_at > 1.0 and storage.read("d/k") == b"content"

    def test_walking_leaves_out_what_writers_stage(self, storage):
        storage.write("tmp/not-a-place-for-keys", b"")
        storage.write("d/tmp/k", b"")
        assert [entry.key for entry in storage.walk()] == ["d/tmp/k"]

    def test_new_files_follow_the_umask(self, storage):
        before = os.umask(0o027)
        try:
            storage.write("k", b"")
        finally:
            os.umask(before)
        assert os.stat(storage.local_path("k")).st_mode & 0o777 == 0o640

    def test_two_objects_of_one_folder_are_one_storage(self, storage):
        other = LocalStorage(storage.root)
        version = storage.write_if("k", b"1", None)
        other.write_if("k", b"2", version)
        with pytest.raises(StoreConflict):
            storage.write_if("k", b"3", version)

    def test_without_syncfs_written_files_are_flushed(self, storage, monkeypatch):
        monkeypatch.setattr(local_module, "_HAS_SYNCFS", False)
        flushed = []
        monkeypatch.setattr(os, "fsync", flushed.append)
        storage.write("a", b"x")
        storage.create("b", b"x")
        storage.write("gone", b"x")
        storage.delete(["gone"])
        storage.sync()
        assert len(flushed) == 2
        storage.sync()
        assert len(flushed) == 2

    def test_processes_that_count_together_lose_nothing(self, storage):
        storage.write("n", b"0")
        in_processes(
            4,
            """
            from metaflow_core.storages.local import LocalStorage
            from metaflow_core.errors import StoreConflict
            storage = LocalStorage(sys.argv[1])
            for _ in range(25):
                while True:
                    data, version = storage.read_versioned("n")
                    try:
                        storage.write_if("n", str(int(data) + 1).encode(), version)
                        break
                    except StoreConflict:
                        pass
        """,
            storage.root,
        )
        assert storage.read("n") == b"100"

    @pytest.mark.parametrize("verb", ["write", "write_if"])
    def test_kill_9_in_the_middle_of_writes_leaves_whole_content(self, storage, verb):
        # The writer replaces one key by 2 MB of one letter after the other; whenever it dies,
        # a reader finds 2 MB of one letter.
        storage.write("k", b"a" * 2_000_000)
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script("""
                import itertools
                from metaflow_core.storages.local import LocalStorage
                storage = LocalStorage(sys.argv[1])
                for letter in itertools.cycle(b"abc"):
                    data = bytes([letter]) * 2_000_000
                    if sys.argv[2] == "write":
                        storage.write("k", data)
                    else:
                        storage.write_if("k", data, storage.read_versioned("k")[1])
                    print("wrote", flush=True)
            """),
                storage.root,
                verb,
            ],
            stdout=subprocess.PIPE,
        )
        for _ in range(5):
            process.stdout.readline()
        time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        data = storage.read("k")
        assert len(data) == 2_000_000 and len(set(data)) == 1
        storage.write_if("k", b"the lock is free", storage.read_versioned("k")[1])
        storage.sweep(-1.0)
        assert os.listdir(os.path.join(storage.root, "tmp")) == ["locks"]


class counted:
    """The names of the os functions that are called inside of the block."""

    def __init__(self, module):
        self.module = module
        self.calls = []

    def __enter__(self):
        self.names = [
            "open",
            "write",
            "close",
            "replace",
            "link",
            "unlink",
            "stat",
            "read",
            "mkdir",
            "fsync",
            "scandir",
            "listdir",
        ]
        self.real = {name: getattr(self.module, name) for name in self.names}
        for name in self.names:
            setattr(self.module, name, self._recorder(name))
        return self.calls

    def _recorder(self, name):
        def call(*args, **kwargs):
            self.calls.append(name)
            return self.real[name](*args, **kwargs)

        return call

    def __exit__(self, *exc):
        for name, function in self.real.items():
            setattr(self.module, name, function)


def test_storages_are_found_by_name():
    assert plugins("storages").names() == ["local", "memory", "s3"]
    assert plugins("storages").get("local") is LocalStorage
    with pytest.raises(UnknownOption):
        plugins("storages").get("locla")


def test_a_storage_that_breaks_the_contract_says_how():
    class Half:
        name = "half"

        def read(self, key):
            pass

    with pytest.raises(InternalError) as caught:
        check_plugin("half", Half)
    assert "write_if" in caught.value.message and "capabilities" in caught.value.message
    assert " read," not in caught.value.message


KEYS = st.sampled_from(["a", "d/a", "d/b", "d/e/a", "f"])
DATA = st.binary(max_size=5)
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["write", "create"]), KEYS, DATA),
    st.tuples(st.sampled_from(["read", "size", "exists"]), KEYS),
    st.tuples(st.just("read_range"), KEYS, st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.sampled_from(["list_dirs", "list_files"]), st.sampled_from(["", "d", "d/e", "nothing"])),
    st.tuples(st.just("delete"), st.lists(KEYS, max_size=2)),
    st.tuples(st.just("delete_tree"), st.sampled_from(["d", "d/e", "nothing"])),
    st.tuples(st.just("change"), KEYS, DATA),
)


def performed(storage, operation):
    """What an operation of the test says, errors included."""
    verb, *arguments = operation
    try:
        if verb == "change":
            key, data = arguments
            version = storage.read_versioned(key)[1] if storage.exists(key) else None
            storage.write_if(key, data, version)
            return "changed"
        return getattr(storage, verb)(*arguments)
    except NotFound:
        return "not found"


@given(operations=st.lists(OPERATIONS, max_size=25))
@settings(max_examples=60)
def test_a_folder_and_a_dict_tell_the_same_story(operations):
    with tempfile.TemporaryDirectory() as folder:
        local, memory = LocalStorage(os.path.join(folder, "root")), MemoryStorage()
        for operation in operations:
            mine, theirs = performed(local, operation), performed(memory, operation)
            if operation[0] == "list_dirs":
                # A folder outlives its files, and tmp/ is the storage's own: neither holds keys.
                assert set(theirs) <= set(mine)
            else:
                assert mine == theirs, operation
