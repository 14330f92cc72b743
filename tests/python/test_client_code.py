import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from metaflow_core.bridge.texts import METHODS
from metaflow_core.client import Session
from metaflow_core.errors import Corrupted, NotFound, StoreError
from metaflow_core.settings import load_settings
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.package import extract_package, pack_files, read_package_file
from suites.made_runs import RunMaker

FILES = {
    "flow.R": b"library(metaflow)\n",
    "R/fit.R": b"fit <- 1\n",
    "data/x.bin": b"\x00\xff",
    "gr\xc3\xb6\xc3\x9fe.R".encode("latin1").decode("utf8"): b"1\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "project"


@pytest.fixture
def package(folder):
    return pack_files([(name, str(folder / name)) for name in FILES])


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    yield session
    session.close()


@pytest.fixture(params=["tar", "gzip"])
def packed(request, session, package):
    data = package if request.param == "tar" else gzip.compress(package, mtime=0)
    RunMaker(
        session.store, package=session.store.blobs.put_bytes(data), code=session.store.blobs.put_bytes(b"functions")
    )
    return session


def test_the_same_files_make_the_same_package(folder, package):
    for name in FILES:
        os.utime(folder / name, (1, 1))
    assert pack_files([(name, str(folder / name)) for name in reversed(list(FILES))]) == package


def test_files_of_a_run(packed):
    assert packed.code_files("F/1") == [{"name": name, "size_bytes": len(FILES[name])} for name in sorted(FILES)]
    assert packed.code_file("F/1", "flow.R") == {"name": "flow.R", "text": "library(metaflow)\n", "base64": None}
    assert packed.code_file("F/1", "data/x.bin") == {"name": "data/x.bin", "text": None, "base64": "AP8="}


def test_what_differs_between_two_packages_is_known_by_digests(packed, session):
    assert packed.code_digests("F/1") == {name: digest_of(data) for name, data in FILES.items()}
    RunMaker(session.store, run="2", package=None)
    assert session.code_digests("F/2") == {}


def test_texts_side_by_side():
    assert METHODS["unified"](["a", "b"], ["a", "c"], "old", "new") == [
        "--- old", "+++ new", "@@ -1,2 +1,2 @@", " a", "-b", "+c",
    ]
    assert METHODS["unified"](["a"], ["a"], "old", "new") == []


def test_a_file_that_is_not_in_the_package(packed):
    with pytest.raises(NotFound) as caught:
        packed.code_file("F/1", "flow.r2")
    assert caught.value.hint == "Did you mean 'flow.R'?"


def test_extracting(packed, tmp_path):
    target = tmp_path / "new" / "place"
    paths = packed.code_extract("F/1", str(target))
    assert {os.path.relpath(path, target): Path(path).read_bytes() for path in paths} == FILES
    with pytest.raises(StoreError) as caught:
        packed.code_extract("F/1", str(target))
    assert "exists already" in caught.value.message


def test_extracting_over_a_file_changes_nothing(packed, tmp_path):
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "fit.R").write_text("mine")
    with pytest.raises(StoreError):
        packed.code_extract("F/1", str(tmp_path))
    assert (tmp_path / "R" / "fit.R").read_text() == "mine"
    assert not (tmp_path / "flow.R").exists()


def test_permission_to_execute_is_kept(tmp_path, folder):
    os.chmod(folder / "flow.R", 0o755)
    path = tmp_path / "p.tar"
    path.write_bytes(pack_files([("flow.R", str(folder / "flow.R")), ("fit.R", str(folder / "R/fit.R"))]))
    run, plain = sorted(extract_package(str(path), str(tmp_path / "out")), reverse=True)
    assert os.access(run, os.X_OK) and os.stat(plain).st_mode & 0o111 == 0


def test_a_run_without_code(session):
    RunMaker(session.store)
    for call, what in ((session.code_files, "code package"), (session.captured_code, "captured code")):
        with pytest.raises(NotFound) as caught:
            call("F/1")
        assert caught.value.message == f"F/1 was made without a {what}" or "captured code" in caught.value.message


def test_captured_code(packed):
    place = packed.captured_code("F/1")
    with open(place["path"], "rb") as file:
        assert file.read() == b"functions"
    assert place["size"] == 9


def test_a_damaged_package(packed):
    path = packed.store.blobs.path(packed.run("F/1")["package"])
    with open(path, "r+b") as file:
        file.write(b"garbage")
    with pytest.raises(Corrupted):
        packed.code_files("F/1")


def test_what_is_no_package(tmp_path):
    path = tmp_path / "p.tar"
    path.write_bytes(b"not a tar" * 100)
    with pytest.raises(Corrupted):
        read_package_file(str(path), "x")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a//b", "C:/evil", "a\\..\\evil", "./a"])
def test_nothing_leaves_the_folder(tmp_path, name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    path = tmp_path / "p.tar"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(StoreError):
        extract_package(str(path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil").exists()
    source = tmp_path / "source"
    source.write_text("x")
    with pytest.raises(StoreError):
        pack_files([(name, str(source))])


def test_links_and_devices_are_not_unpacked(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    path = tmp_path / "p.tar"
    path.write_bytes(buffer.getvalue())
    assert extract_package(str(path), str(tmp_path / "out")) == []
