"""What every storage must do. To test one:

class TestMyStorage(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path):
        return MyStorage(...)
"""

import threading
import time

import pytest
from metaflow_core.contracts.storage import Storage, StorageCapabilities
from metaflow_core.errors import NotFound, StoreConflict, StoreError

BAD_KEYS = ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", "a\\b", "a\x00b", "a\nb", None, 3]


class StorageSuite:
    @pytest.fixture
    def storage(self):
        raise NotImplementedError("give a fresh, empty storage")

    def test_it_has_every_verb_of_the_contract(self, storage):
        assert isinstance(storage, Storage)
        assert isinstance(storage.capabilities, StorageCapabilities)
        assert isinstance(storage.name, str) and isinstance(storage.root, str)

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_a_bad_key_is_refused_by_every_verb(self, storage, tmp_path, key):
        source = tmp_path / "source"
        source.write_bytes(b"x")
        for call in [
            lambda: storage.read(key),
            lambda: storage.write(key, b""),
            lambda: storage.create(key, b""),
            lambda: storage.exists(key),
            lambda: storage.size(key),
            lambda: storage.stat(key),
            lambda: storage.touch(key),
            lambda: storage.read_range(key, 0, 1),
            lambda: storage.read_versioned(key),
            lambda: storage.write_if(key, b"", None),
            lambda: storage.read_many([key]),
            lambda: storage.delete([key]),
            lambda: storage.local_path(key),
            lambda: storage.put_file(str(source), key),
            lambda: storage.fetch_file(key, str(tmp_path / "to")),
        ]:
            with pytest.raises(StoreError):
                call()
        assert source.exists()

    @pytest.mark.parametrize("key", ["a", "a/b/c", "a.b", "..a/b..", "a b/c+d@é", "a/..b", "x" * 200])
    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 17])
    def test_what_is_written_is_read(self, storage, key, data):
        storage.write(key, data)
        assert storage.read(key) == data
        assert storage.size(key) == len(data)
        assert storage.exists(key)

    def test_a_missing_key(self, storage, tmp_path):
        storage.write("a/b", b"x")
        for key in ("nothing", "a", "a/b/c", "a/c"):
            assert not storage.exists(key)
            assert storage.size(key) is None
            for call in (storage.read, storage.read_versioned, lambda k: storage.read_range(k, 0, 1)):
                with pytest.raises(NotFound) as caught:
                    call(key)
                assert key in caught.value.message
            with pytest.raises(NotFound):
                storage.fetch_file(key, str(tmp_path / "to"))
        assert list(tmp_path.glob("to*")) == []

    def test_write_replaces(self, storage):
        storage.write("k", b"a longer text")
        storage.write("k", b"short")
        assert storage.read("k") == b"short"

    def test_create_is_for_new_keys_only(self, storage):
        assert storage.create("d/k", b"first") is True
        assert storage.create("d/k", b"second") is False
        assert storage.read("d/k") == b"first"

    @pytest.mark.parametrize(
        "offset, size, expected",
        [(0, 3, b"012"), (4, 3, b"456"), (8, 9, b"89"), (10, 1, b""), (99, 1, b""), (3, 0, b"")],
    )
    def test_ranges(self, storage, offset, size, expected):
        storage.write("k", b"0123456789")
        assert storage.read_range("k", offset, size) == expected

    def test_read_many_leaves_out_what_is_missing(self, storage):
        storage.write("a", b"1")
        storage.write("d/b", b"2")
        assert storage.read_many(iter(["a", "nothing", "d/b", "d"])) == {"a": b"1", "d/b": b"2"}
        assert storage.read_many([]) == {}

    # -- conditional writes

    def test_a_conditional_write_needs_the_version_that_was_read(self, storage):
        first = storage.write_if("k", b"1", None)
        assert storage.read_versioned("k") == (b"1", first)
        second = storage.write_if("k", b"2", first)
        assert second != first
        with pytest.raises(StoreConflict) as caught:
            storage.write_if("k", b"3", first)
        assert "k" in caught.value.message
        assert storage.read_versioned("k") == (b"2", second)

    def test_none_means_that_the_key_must_be_missing(self, storage):
        storage.write("k", b"1")
        with pytest.raises(StoreConflict):
            storage.write_if("k", b"2", None)
        storage.delete(["k"])
        with pytest.raises(StoreConflict):
            storage.write_if("k", b"2", "some version")
        storage.write_if("k", b"2", None)
        assert storage.read("k") == b"2"

    def test_threads_that_count_together_lose_nothing(self, storage):
        storage.write("n", b"0")

        def count():
            for _ in range(20):
                while True:
                    data, version = storage.read_versioned("n")
                    try:
                        storage.write_if("n", str(int(data) + 1).encode(), version)
                        break
                    except StoreConflict:
                        continue

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert storage.read("n") == b"80"

    def test_one_of_many_threads_creates(self, storage):
        won, barrier = [], threading.Barrier(8)

        def create(number):
            barrier.wait()
            if storage.create("deep/down/k", str(number).encode()):
                won.append(number)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert storage.read("deep/down/k") == str(won[0]).encode()

    # -- files

    @pytest.mark.parametrize("move", [True, False])
    def test_a_file_is_taken_in(self, storage, tmp_path, move):
        source = tmp_path / "source"
        source.write_bytes(b"content")
        storage.put_file(str(source), "d/k", move=move)
        assert storage.read("d/k") == b"content"
        assert source.exists() is (not move)

    def test_a_copied_file_is_independent_of_its_source(self, storage, tmp_path):
        source = tmp_path / "source"
        source.write_bytes(b"content")
        storage.put_file(str(source), "k", move=False)
        with open(source, "r+b") as file:
            file.write(b"CHANGED")
        assert storage.read("k") == b"content"

    def test_a_file_that_is_missing_changes_nothing(self, storage, tmp_path):
        for move in (True, False):
            with pytest.raises(StoreError) as caught:
                storage.put_file(str(tmp_path / "nowhere"), "k", move=move)
            assert "nowhere" in caught.value.message
        assert not storage.exists("k")

    def test_fetch_file(self, storage, tmp_path):
        storage.write("k", b"content")
        target = tmp_path / "target"
        target.write_bytes(b"old")
        storage.fetch_file("k", str(target))
        assert target.read_bytes() == b"content"
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("target")] == ["target"]

    def test_local_path_is_the_content_or_none(self, storage):
        storage.write("d/k", b"content")
        path = storage.local_path("d/k")
        assert (path is not None) is storage.capabilities.local_paths
        if path is not None:
            with open(path, "rb") as file:
                assert file.read() == b"content"

    # -- listing and deleting

    def test_listing_has_one_level(self, storage):
        for key in ("f", "a/1", "a/x", "a/b/2", "a/b/c/3", "d/e/4"):
            storage.write(key, b"")
        assert storage.list_dirs("a") == ["b"]
        assert storage.list_dirs("a/") == ["b"]
        assert storage.list_files("a") == ["a/1", "a/x"]
        assert {"a", "d"} <= set(storage.list_dirs())
        assert storage.list_files() == ["f"]
        assert storage.list_dirs("nothing") == storage.list_files("nothing") == storage.list_dirs("f") == []

    def test_walking_has_all_levels(self, storage):
        sizes = {"f": 1, "a/1": 2, "a/b/2": 3, "a/b/c/3": 4, "ab/4": 5, "a b/é": 6}
        for key, size in sizes.items():
            storage.write(key, b"x" * size)
        assert {entry.key: entry.size for entry in storage.walk()} == sizes
        assert sorted(entry.key for entry in storage.walk("a")) == ["a/1", "a/b/2", "a/b/c/3"]
        assert sorted(entry.key for entry in storage.walk("a/b/")) == ["a/b/2", "a/b/c/3"]
        assert list(storage.walk("nothing")) == list(storage.walk("f")) == []

    def test_a_key_says_when_it_was_written(self, storage):
        storage.write("d/k", b"12345")
        first = storage.stat("d/k")
        assert (first.key, first.size) == ("d/k", 5)
        assert list(storage.walk("d")) == [first]
        # A day off is allowed: the clock is that of the storage.
        assert abs(first.modified_at - time.time()) < 86400
        assert storage.stat("d") is None and storage.stat("nothing") is None

    def test_touch_makes_a_key_young_and_leaves_its_content(self, storage):
        storage.write("d/k", b"12345")
        before = storage.stat("d/k").modified_at
        time.sleep(1.1)  # S3 counts whole seconds
        assert storage.touch("d/k") is True
        assert storage.stat("d/k").modified_at > before
        assert storage.read("d/k") == b"12345"
        assert storage.touch("nothing") is storage.touch("d") is False
        assert not storage.exists("nothing")

    def test_a_prefix_is_a_folder_not_a_beginning(self, storage):
        storage.write("ab/c/1", b"")
        assert storage.list_dirs("a") == []
        storage.delete_tree("a")
        assert storage.exists("ab/c/1")

    def test_delete(self, storage):
        storage.write("a/1", b"")
        storage.write("a/2", b"")
        storage.delete(["a/1", "nothing"])
        assert storage.list_files("a") == ["a/2"]
        storage.delete_tree("a")
        storage.delete_tree("nothing")
        assert storage.list_files("a") == []
        storage.write("a/1", b"again")
        assert storage.read("a/1") == b"again"

    def test_sweep_leaves_content_alone(self, storage):
        storage.write("a/1", b"x")
        storage.sweep(0.0)
        assert storage.read("a/1") == b"x"

    def test_sync_can_be_called_at_any_time(self, storage):
        storage.sync()
        storage.write("a", b"x")
        storage.sync()
        assert storage.read("a") == b"x"
