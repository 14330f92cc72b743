import hashlib
import json
import os

import pytest
from metaflow_core.engine import outcome
from metaflow_core.engine.outcome import discard_staged, read_result, splits_from_record, store_staged
from metaflow_core.errors import StoreError
from metaflow_core.storages.local import LocalStorage
from metaflow_core.store.blobs import BlobStore


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Folder:
    """The folder of an attempt in a datastore, and the files a worker stages in it."""

    def __init__(self, root):
        self.storage = LocalStorage(str(root))
        self.blobs = BlobStore(self.storage)
        self.path = self.storage.local_path("flows/F/1/a/2/0")
        os.makedirs(self.path)

    def write(self, name, content):
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(content)

    def pack(self, name="pack", **values):
        """The items of a result for values that are packed into one file."""
        self.write(name, b"".join(values.values()))
        items, offset = {}, 0
        for key, content in values.items():
            items[key] = {
                "file": name,
                "offset": offset,
                "size": len(content),
                "class": ["raw"],
                "dim": None,
                "length": 1,
            }
            offset += len(content)
        return items

    def store(self, result):
        return store_staged(self.blobs, self.path, result)

    def read(self, record):
        """The bytes of an artifact, verified against its record."""
        return self.blobs.read(
            record.get("blob") or record["digest"], record.get("offset") or 0, record["size"], expect=record["digest"]
        )

    def names(self):
        return sorted(os.listdir(self.path))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "store")


def test_a_value_in_a_file_of_its_own_is_a_blob(folder):
    kept = folder.store({"artifacts": folder.pack("pack-1", big=b"x" * 100)})
    assert kept["artifacts"]["big"] == {
        "digest": sha(b"x" * 100),
        "size": 100,
        "encoding": "r-serialize-3",
        "class": ["raw"],
        "length": 1,
    }
    assert folder.read(kept["artifacts"]["big"]) == b"x" * 100


def test_values_in_a_pack_have_their_own_digest_and_the_packs_blob(folder):
    kept = folder.store({"artifacts": folder.pack(a=b"aaa", b=b"bb", c=b"")})["artifacts"]
    pack = sha(b"aaabb")
    assert (kept["a"]["digest"], kept["a"]["blob"], kept["a"].get("offset")) == (sha(b"aaa"), pack, None)
    assert (kept["b"]["digest"], kept["b"]["blob"], kept["b"]["offset"], kept["b"]["size"]) == (sha(b"bb"), pack, 3, 2)
    assert [folder.read(kept[name]) for name in "abc"] == [b"aaa", b"bb", b""]


def test_a_pack_of_many_values_larger_than_what_is_hashed_in_memory(folder, monkeypatch):
    monkeypatch.setattr(outcome, "HASH_IN_MEMORY_BYTES", 1000)
    values = {f"x{number}": bytes([number]) * 60 for number in range(50)}
    kept = folder.store({"artifacts": folder.pack(**values)})["artifacts"]
    assert {name: folder.read(record) for name, record in kept.items()} == values
    assert {name: record["digest"] for name, record in kept.items()} == {
        name: sha(value) for name, value in values.items()
    }


def test_equal_values_have_equal_digests_wherever_they_are(folder):
    one = folder.store({"artifacts": folder.pack(a=b"same", b=b"other")})["artifacts"]["a"]
    two = folder.store({"artifacts": folder.pack("pack-7", a=b"same")})["artifacts"]["a"]
    assert one["digest"] == two["digest"]


def test_a_data_frame_keeps_what_it_is(folder):
    items = folder.pack(df=b"...")
    items["df"].update({"class": ["tbl_df", "data.frame"], "dim": [3, 2], "length": 2})
    kept = folder.store({"artifacts": items})["artifacts"]["df"]
    assert (kept["class"], kept["dim"], kept["length"]) == (["tbl_df", "data.frame"], [3, 2], 2)


def test_a_failed_task_keeps_its_condition(folder):
    result = {"artifacts": {}, "error_value": folder.pack("error", condition=b"simpleError")["condition"]}
    assert folder.read(folder.store(result)["condition"]) == b"simpleError"


@pytest.mark.parametrize("artifacts", [None, {}, []])
def test_a_task_that_leaves_nothing(folder, artifacts):
    assert folder.store({"artifacts": artifacts}) == {"artifacts": {}, "splits": None, "condition": None, "dump": None}


# -- splits


def test_splits_are_slices_of_one_blob(folder):
    folder.write("splits", b"oneTWOO3")
    kept = folder.store({"foreach": {"count": 3, "file": "splits", "sizes": [3, 4, 1], "labels": ["a", "b", "c"]}})
    assert kept["splits"] == {"count": 3, "blob": sha(b"oneTWOO3"), "sizes": [3, 4, 1], "labels": ["a", "b", "c"]}
    splits = splits_from_record(kept["splits"])
    assert (splits.count, list(splits.labels)) == (3, ["a", "b", "c"])
    assert [folder.blobs.read(v["blob"], v["offset"], v["size"]) for v in splits.values] == [b"one", b"TWOO", b"3"]


def test_a_foreach_over_nothing_needs_no_file(folder):
    kept = folder.store({"foreach": {"count": 0, "file": "splits", "sizes": [], "labels": None}})
    assert kept["splits"] == {"count": 0}
    assert splits_from_record(kept["splits"]).count == 0


def test_a_task_without_foreach_has_no_splits():
    assert splits_from_record(None) is None


def test_counts_and_sizes_that_r_wrote_as_doubles(folder):
    folder.write("splits", b"ab")
    kept = folder.store({"foreach": {"count": 2.0, "file": "splits", "sizes": [1.0, 1.0]}})
    assert json.dumps(kept["splits"]) == json.dumps({"count": 2, "blob": sha(b"ab"), "sizes": [1, 1]})


# -- a crash at any moment


def test_storing_again_after_a_crash_gives_the_same(folder):
    result = {"artifacts": {**folder.pack(a=b"1", b=b"2"), **folder.pack("pack-3", c=b"3" * 10)}}
    first = folder.store(result)
    assert folder.names() == ["pack", "pack-3"]
    assert folder.store(result) == first
    discard_staged(folder.path)
    assert [folder.read(first["artifacts"][name]) for name in "abc"] == [b"1", b"2", b"3" * 10]


def test_a_blob_that_a_crash_left_half_written_is_replaced(folder):
    items = folder.pack(a=b"whole value")
    key = f"blobs/{sha(b'whole value')[:2]}/{sha(b'whole value')}"
    folder.storage.write(key, b"whole")
    assert folder.read(folder.store({"artifacts": items})["artifacts"]["a"]) == b"whole value"


def test_bytes_in_the_store_do_not_change_when_the_staged_file_is_removed_or_made_anew(folder):
    kept = folder.store({"artifacts": folder.pack(a=b"first")})["artifacts"]["a"]
    discard_staged(folder.path)
    folder.write("pack", b"other")
    assert folder.read(kept) == b"first"


def test_what_was_committed_keeps_its_record_and_its_logs(folder):
    folder.pack(a=b"1")
    for name, content in (
        ("task.json", b"{}"),
        ("result.json", b"{}"),
        ("stdout.log", b"hello"),
        ("stderr.log", b""),
        ("quit", b""),
    ):
        folder.write(name, content)
    discard_staged(folder.path)
    assert folder.names() == ["stdout.log", "task.json"]
    discard_staged(folder.path)
    assert folder.names() == ["stdout.log", "task.json"]


def test_what_cannot_be_removed_does_not_undo_a_commit(folder):
    os.mkdir(os.path.join(folder.path, "somebody's"))
    folder.write("pack", b"1")
    discard_staged(folder.path)
    assert folder.names() == ["somebody's"]
    discard_staged(os.path.join(folder.path, "missing"))


def test_a_staged_file_that_is_missing_is_an_error_that_names_it(folder):
    items = folder.pack(a=b"1")
    os.unlink(os.path.join(folder.path, "pack"))
    with pytest.raises((StoreError, OSError), match="pack"):
        folder.store({"artifacts": items})


def test_a_result_cannot_reach_out_of_its_folder(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises((StoreError, OSError)):
        folder.store({"artifacts": {"a": {"file": "../../../../../../secret", "offset": 0, "size": 6}}})


# -- result.json


def test_no_result_yet(folder):
    folder.write("result.json.part", b'{"ok": tr')
    assert read_result(folder.path) is None


def test_a_result(folder):
    folder.write("result.json", '{"ok": true, "word": "größer"}'.encode())
    assert read_result(folder.path) == {"ok": True, "word": "größer"}


def test_an_included_file_is_kept_as_it_is_and_its_reference_says_so(tmp_path):
    from metaflow_core.engine.commit import reference
    from metaflow_core.storages.memory import MemoryStorage
    from metaflow_core.store.blobs import BlobStore, digest_of

    blobs = BlobStore(MemoryStorage())
    (tmp_path / "included-1").write_bytes(b"a,b\n1,2\n")
    item = {"file": "included-1", "offset": 0, "size": 8, "encoding": "file-text", "class": ["character"], "length": 1}
    record = store_staged(blobs, str(tmp_path), {"artifacts": {"data": item}})["artifacts"]["data"]
    digest = digest_of(b"a,b\n1,2\n")
    assert (record["digest"], record["encoding"], "blob" in record) == (digest, "file-text", False)
    assert reference(record) == f"{digest} -1 8 {digest}"
    assert reference({**record, "encoding": "file-bytes"}) == f"{digest} -2 8 {digest}"
