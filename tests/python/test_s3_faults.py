"""A network that breaks requests: what is stored is right, or the error says what is not."""

import os
import random

import pytest
from fault_proxy import FAULTS, FaultProxy
from metaflow_core.errors import Corrupted, StoreConflict, StoreError
from metaflow_core.s3 import connection, retry
from metaflow_core.storages.s3 import S3Storage

MB = 1 << 20


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_SECONDS", 0.005)
    monkeypatch.setattr(retry, "_LONGEST_SECONDS", 0.2)


@pytest.fixture
def through(s3_root, seaweed_server):
    """through(fault, every): a storage behind a proxy that breaks every so many requests."""
    proxies = []

    def open_storage(fault, every=3):
        proxies.append(FaultProxy(seaweed_server.port, fault, every).__enter__())
        storage = S3Storage(s3_root, proxies[-1].endpoint)
        storage.proxy = proxies[-1]
        return storage

    yield open_storage
    for proxy in proxies:
        proxy.__exit__()


def content(size, seed=0):
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_stored_is_right(through, tmp_path, fault):
    storage = through(fault, every=8 if fault == "stall" else 3)
    small = {f"small/{number}": content(20_000, number) for number in range(20)}
    for key, data in small.items():
        storage.write(key, data)
    large = tmp_path / "large"
    large.write_bytes(content(20 * MB))
    even = tmp_path / "even"
    even.write_bytes(b"an even text " * 2 * MB)  # travels compressed
    for path in (large, even):
        storage.put_file(str(path), path.name, move=False)
    assert storage.read_many(small) == small
    for path in (large, even):
        storage.fetch_file(path.name, str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert storage.size("even") == even.stat().st_size
    assert storage.read_range("even", 13, 13) == b"an even text "
    assert storage.read_range("large", 8 * MB - 5, 10) == large.read_bytes()[8 * MB - 5 : 8 * MB + 5]
    assert storage.proxy.injected > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_conditional_writes_decide_once(through, fault):
    storage = through(fault, every=8 if fault == "stall" else 3)
    for number in range(10):
        assert storage.create(f"claim/{number}", b"mine") is True
        assert storage.create(f"claim/{number}", b"mine") is False
    version = storage.write_if("n", b"0", None)
    for number in range(1, 10):
        with pytest.raises(StoreConflict):
            storage.write_if("n", b"x", "another version")
        version = storage.write_if("n", str(number).encode(), version)
    assert storage.read_versioned("n") == (b"9", version)
    assert storage.proxy.injected > 0


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(through, monkeypatch):
    monkeypatch.setattr(connection, "_READ_SECONDS", 0.5)  # a quarter of a stall
    storage = through("stall", every=5)
    for number in range(6):
        storage.write(f"k/{number}", content(20_000, number))
        assert storage.create(f"claim/{number}", b"mine") is True
    assert storage.read_many(f"k/{number}" for number in range(6)) == {
        f"k/{number}": content(20_000, number) for number in range(6)
    }
    assert storage.proxy.injected > 0 and storage.proxy.requests > 18


def test_damage_that_stays_names_the_key(through, s3_root, tmp_path):
    through(None).write("d/k", content(50_000))
    broken = through("flip", every=1)
    target = tmp_path / "target"
    for call in (
        lambda: broken.read("d/k"),
        lambda: broken.read_range("d/k", 10, 10),
        lambda: broken.fetch_file("d/k", str(target)),
    ):
        with pytest.raises(Corrupted) as caught:
            call()
        assert f"{s3_root}/d/k" in caught.value.message
    assert os.listdir(tmp_path) == [] or not target.exists()
    with pytest.raises(StoreError) as caught:
        broken.write("d/new", b"x")
    assert f"{s3_root}/d/new" in caught.value.message
    assert not through(None).exists("d/new")


def test_damage_where_it_is_kept_names_the_key(through, s3_root, tmp_path):
    storage = through(None)
    storage.write("k", content(9 * MB))
    client, bucket = storage._bucket.connection.client, storage._bucket.name
    key = f"{s3_root.rpartition('/')[2]}/k"
    metadata = client.head_object(Bucket=bucket, Key=key)["Metadata"]
    client.put_object(Bucket=bucket, Key=key, Body=content(9 * MB, 1), Metadata=metadata)
    for call in (lambda: storage.read("k"), lambda: storage.fetch_file("k", str(tmp_path / "to"))):
        with pytest.raises(Corrupted, match="/k does not have the content"):
            call()
    assert not any(name.startswith("to") for name in os.listdir(tmp_path))


def test_a_server_that_is_never_there_is_a_clear_error(s3_root):
    with pytest.raises(StoreError) as caught:
        S3Storage(s3_root, "http://127.0.0.1:1").read("k")
    assert "http://127.0.0.1:1" in caught.value.message and f"{s3_root}/k" in caught.value.message
    assert "METAFLOW_S3_ENDPOINT_URL" in caught.value.hint
