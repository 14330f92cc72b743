import os

import pytest
from metaflow_core import S3
from metaflow_core.errors import (
    AccessDenied,
    InvalidRange,
    NotFound,
    StoreConflict,
    StoreError,
    UnknownOption,
)
from metaflow_core.s3 import retry

MB = 1 << 20


@pytest.fixture(params=["seaweed", "moto"])
def s3_server(request):
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def s3(s3_root):
    with S3(s3_root) as client:
        yield client


def keys(objects):
    return [each.key for each in objects]


def test_what_is_put_is_got(s3, s3_root, tmp_path):
    assert s3.put("a", "text ä") == f"{s3_root}/a"
    assert s3.put_many([("d/b", b"\x00\xff"), ("d/e/c", "")]) == [
        ("d/b", f"{s3_root}/d/b"),
        ("d/e/c", f"{s3_root}/d/e/c"),
    ]
    large = tmp_path / "large"
    large.write_bytes(os.urandom(9 * MB))
    s3.put_files([("large", str(large))], content_type="application/x-large", metadata={"colour": "red"})
    assert s3.get("a").text == "text ä"
    assert [each.blob for each in s3.get_many(["d/e/c", "d/b", "d/e/c"])] == [b"", b"\x00\xff", b""]
    got = s3.get("large")
    with open(got.path, "rb") as file:
        assert file.read() == large.read_bytes()
    assert (got.size, got.content_type, got.metadata) == (9 * MB, "application/x-large", {"colour": "red"})
    s3.put("a", "new")
    assert s3.get("a").text == "new"


def test_ranges(s3):
    s3.put("a", "0123456789")
    assert s3.get("a", range=(3, 4)).text == "3456"
    assert [each.text for each in s3.get_many([("a", 8, 9), "a", ("a", 0, 1)])] == ["89", "0123456789", "0"]
    for part in ((10, 1), (-1, 2), (0, 0)):
        with pytest.raises(InvalidRange):
            s3.get("a", range=part)
    s3.put("large", b"x" * 9 * MB + b"end")
    assert s3.get("large", range=(9 * MB - 1, 10)).text == "xend"


def test_what_is_missing(s3, s3_root):
    s3.put("a", "1")
    for call in (
        lambda: s3.get("b"), lambda: s3.get_many(["a", "b"]), lambda: s3.info("b"), lambda: s3.get("b", range=(0, 1))
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert f"{s3_root}/b" in caught.value.message
    found = s3.get_many(["b", "a"], missing_ok=True)
    assert [each.exists for each in found] == [False, True]
    assert [each.exists for each in s3.info_many(["b", "a"], missing_ok=True)] == [False, True]
    with pytest.raises(NotFound):
        s3.put_files([("x", "/no/such/file")])
    with pytest.raises(StoreError, match="bucket"):
        S3("s3://there-is-no-such-bucket/x").get("a")


def test_listing(s3, s3_root):
    s3.put_many([("a", "1"), ("d/b", "22"), ("d/e/c", "333"), ("dx", "4")])
    found = s3.list_paths()
    assert sorted(keys(found)) == ["a", "d/", "dx"]
    assert keys(s3.list_paths(["d"])) == ["d/b", "d/e/"]
    listed = s3.list_recursive(["d"])
    assert [(each.key, each.url, each.size, each.downloaded) for each in listed] == [
        ("d/b", f"{s3_root}/d/b", 2, False), ("d/e/c", f"{s3_root}/d/e/c", 3, False)
    ]
    assert listed[0].text == "22" and listed[0].downloaded
    assert sorted(keys(s3.list_recursive())) == ["a", "d/b", "d/e/c", "dx"]
    assert {each.key: each.text for each in s3.get_recursive(["d"])} == {"d/b": "22", "d/e/c": "333"}
    assert len(s3.get_all()) == 4
    with S3() as anywhere:
        assert [each.url for each in anywhere.list_recursive([f"{s3_root}/d"])] == [
            f"{s3_root}/d/b",
            f"{s3_root}/d/e/c",
        ]
        assert anywhere.get(f"{s3_root}/a").text == "1"
        for call in (lambda: anywhere.get("a"), anywhere.list_paths, anywhere.get_all, lambda: anywhere.get("s3://x")):
            with pytest.raises(UnknownOption):
                call()


def test_without_overwriting(s3, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(os.urandom(9 * MB))
    assert s3.put_files([("l", str(large))], overwrite=False)
    s3.put("a", "1", overwrite=False)
    with pytest.raises(StoreConflict):
        s3.put("a", "2", overwrite=False)
    with pytest.raises(StoreConflict):
        s3.put_files([("l", str(large))], overwrite=False)
    assert s3.get("a").text == "1"


def test_info_says_what_is_known_without_the_content(s3):
    s3.put("a", "123", content_type="text/plain", metadata={"k": "v"})
    info = s3.info("a")
    assert (info.size, info.content_type, info.metadata, info.downloaded) == (3, "text/plain", {"k": "v"}, False)
    assert abs(info.modified_at - s3.list_paths()[0].modified_at) < 2
    assert info.text == "123"


def test_many_small_files(s3):
    items = [(f"n/{number}", str(number)) for number in range(300)]
    s3.put_many(items)
    assert [each.text for each in s3.get_many([key for key, _ in items])] == [text for _, text in items]


def test_files_of_runs(s3_root, monkeypatch):
    monkeypatch.setenv("METAFLOW_DATASTORE_ROOT", s3_root)
    with S3(run="Flow/12") as mine, S3(run=("Flow", "13")) as other:
        assert mine.put("a", "1") == f"{s3_root}/data/Flow/12/a"
        assert not other.info("a", missing_ok=True).exists
    monkeypatch.setenv("METAFLOW_S3_ROOT", f"{s3_root}/elsewhere")
    assert str(S3(run="Flow/12").root) == f"{s3_root}/elsewhere/Flow/12"
    monkeypatch.delenv("METAFLOW_S3_ROOT")
    monkeypatch.delenv("METAFLOW_DATASTORE_ROOT")
    with pytest.raises(UnknownOption) as caught:
        S3(run="Flow/12")
    assert "METAFLOW_S3_ROOT" in caught.value.hint
    with pytest.raises(UnknownOption):
        S3(root=s3_root, run="Flow/12")


def test_what_was_downloaded_goes_with_the_client(s3_root):
    with S3(s3_root) as s3:
        s3.put("a", "1")
        path = s3.get("a").path
        assert os.path.exists(path)
    assert not os.path.exists(path)


@pytest.mark.parametrize("s3_server", ["seaweed"], indirect=True)  # moto accepts any
def test_wrong_credentials_are_refused(s3, s3_root, monkeypatch):
    s3.put("a", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessDenied, match="SignatureDoesNotMatch"):
        S3(s3_root).get("a")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AccessDenied, match="no credentials"):
        S3(s3_root).get("a")


def test_waits_grow_and_are_random():
    waits = []

    def fails(tries):
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        retry.repeated(fails, sleep=waits.append, draw=lambda low, high: (low, high))
    assert waits[:3] == [(0.0, 0.1), (0.0, 0.2), (0.0, 0.4)] and waits[-1] == (0.0, 5.0)
    assert len(waits) == retry.TRIES - 1
