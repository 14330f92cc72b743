import hashlib
import os

import pytest
from metaflow_core.errors import Corrupted, NotFound, StoreError
from metaflow_core.storages.local import LocalStorage
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.blobs import BlobStore, digest_of, digest_of_file
from metaflow_core.store.cache import BlobCache
from metaflow_core.store.layout import blob_key


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path):
    return LocalStorage(str(tmp_path / "root")) if request.param == "local" else MemoryStorage()


@pytest.fixture
def blobs(storage):
    return BlobStore(storage)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content of a file")
    return str(path)


def test_the_name_is_the_sha256(blobs, storage):
    digest = blobs.put_bytes(b"hello")
    assert digest == hashlib.sha256(b"hello").hexdigest()
    assert storage.list_files(f"blobs/{digest[:2]}") == [f"blobs/{digest[:2]}/{digest}"]
    assert blobs.has(digest) and blobs.size(digest) == 5
    assert blobs.read(digest) == b"hello"


def test_nothing_is_a_blob_too(blobs):
    assert blobs.read(blobs.put_bytes(b"")) == b""


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1])
def test_digests_of_files(tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "f"
    path.write_bytes(data)
    assert digest_of_file(str(path)) == digest_of(data)
    assert digest_of_file(str(path), 3, 10) == digest_of(data[3:13])
    assert digest_of_file(str(path), 0, 0) == digest_of(b"")


def test_the_same_bytes_are_kept_once_and_written_once(blobs, storage, file):
    digest = blobs.put_file(file, move=False)
    writes = []
    storage.write = storage.put_file = lambda *args, **kwargs: writes.append(args)
    assert blobs.put_bytes(b"content of a file") == digest
    assert blobs.put_file(file) == digest
    assert writes == []
    assert not os.path.exists(file)


def test_a_file_moves_in_unless_it_is_to_stay(blobs, file):
    digest = blobs.put_file(file, move=False)
    assert os.path.exists(file)
    assert blobs.read(digest) == b"content of a file"


def test_a_digest_that_is_known_is_not_computed(blobs, file, monkeypatch):
    digest = digest_of(b"content of a file")
    monkeypatch.setattr("metaflow_core.store.blobs.digest_of_file", lambda *args: pytest.fail("a pass over the bytes"))
    assert blobs.put_file(file, digest) == digest
    assert blobs.has(digest)


def test_a_blob_of_the_wrong_size_is_replaced(blobs, storage, file):
    digest = digest_of(b"content of a file")
    storage.write(blob_key(digest), b"cut off by a power c")
    blobs.put_file(file)
    assert blobs.read(digest) == b"content of a file"
    storage.write(blob_key(digest), b"")
    blobs.put_bytes(b"content of a file")
    assert blobs.read(digest) == b"content of a file"


def test_parts_of_a_pack(blobs):
    pack = b"first" + b"second" + b"third"
    digest = blobs.put_bytes(pack)
    assert blobs.read(digest, 5, 6) == b"second"
    assert blobs.read(digest, 5, 6, expect=digest_of(b"second")) == b"second"
    assert blobs.read(digest, 11) == b"third"
    assert blobs.read(digest, 0, 0) == b""


def test_a_part_with_its_digest_is_read_alone(blobs, storage, monkeypatch):
    digest = blobs.put_bytes(b"firstsecond")
    monkeypatch.setattr(storage, "read", lambda key: pytest.fail("read the whole pack"))
    assert blobs.read(digest, 5, 6, expect=digest_of(b"second")) == b"second"


def test_a_corrupt_blob_is_named(blobs, storage):
    digest = blobs.put_bytes(b"firstsecond")
    storage.write(blob_key(digest), b"firstsecxnd")
    for call in [
        lambda: blobs.read(digest),
        lambda: blobs.read(digest, 0, 5),
        lambda: blobs.verify(digest),
        lambda: blobs.read(digest, 5, 6, expect=digest_of(b"second")),
        lambda: blobs.verify(digest, 5, 6, digest_of(b"second")),
    ]:
        with pytest.raises(Corrupted) as caught:
            call()
        assert blob_key(digest) in caught.value.message
        assert caught.value.data["key"] == blob_key(digest)
        assert caught.value.hint
    # The other part of the pack is well.
    assert blobs.read(digest, 0, 5, expect=digest_of(b"first")) == b"first"


def test_a_blob_cut_short(blobs, storage):
    digest = blobs.put_bytes(b"firstsecond")
    storage.write(blob_key(digest), b"first")
    with pytest.raises(Corrupted):
        blobs.read(digest, 5, 6, expect=digest_of(b"second"))
    with pytest.raises(Corrupted):
        blobs.read(digest)


def test_a_missing_blob(blobs):
    digest = digest_of(b"never stored")
    assert not blobs.has(digest) and blobs.size(digest) is None
    for call in (blobs.read, blobs.path, blobs.verify, lambda d: blobs.read(d, 0, 1, expect=d)):
        with pytest.raises(NotFound) as caught:
            call(digest)
        assert blob_key(digest) in caught.value.message and "blob" in caught.value.message


@pytest.mark.parametrize("name", ["", "abc", "../../etc/passwd", "A" * 64, "g" * 64, None, "a" * 63 + "\n", "a" * 65])
def test_what_is_no_digest_is_refused(blobs, file, name):
    for call in (blobs.has, blobs.path, blobs.read, blobs.size):
        with pytest.raises(StoreError):
            call(name)
    if name is not None:
        with pytest.raises(StoreError):
            blobs.put_file(file, name)
    assert os.path.exists(file)


def test_a_missing_file_is_named(blobs, tmp_path):
    with pytest.raises(StoreError) as caught:
        blobs.put_file(str(tmp_path / "nowhere"), "a" * 64)
    assert "nowhere" in caught.value.message


def test_path_is_a_local_file_with_the_bytes(blobs):
    digest = blobs.put_bytes(b"hello")
    for path in (blobs.path(digest), blobs.verify(digest)):
        with open(path, "rb") as opened:
            assert opened.read() == b"hello"


def test_a_remote_blob_is_fetched_once(tmp_path):
    storage = MemoryStorage()
    blobs = BlobStore(storage, BlobCache(str(tmp_path / "cache"), 1e6))
    path = blobs.path(blobs.put_bytes(b"hello"))
    assert path.startswith(str(tmp_path / "cache"))
    storage.fetch_many = lambda *args: pytest.fail("fetched again")
    assert blobs.path(digest_of(b"hello")) == path


def test_without_a_cache_a_remote_store_leaves_nothing_behind():
    blobs = BlobStore(MemoryStorage())
    path = blobs.path(blobs.put_bytes(b"hello"))
    assert os.path.exists(path)
    del blobs
    import gc

    gc.collect()
    assert not os.path.exists(path)
