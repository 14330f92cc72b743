"""A disk that is really full: a file system of one megabyte, in a mount namespace of the process that uses it."""

import os
import subprocess
import sys

import pytest
from metaflow_core.settings import load_settings
from metaflow_core.storages.s3 import S3Storage
from metaflow_core.store.open import open_store
from suites.processes import script

MB = 1 << 20
MOUNT = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'


@pytest.fixture
def on_full_disk(tmp_path):
    """on_full_disk(body, *arguments): what a script printed to which `disk` is such a folder."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def perform(body, *arguments):
        own = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", str(disk)]
        if subprocess.run([*own, "true"], capture_output=True).returncode != 0:
            pytest.skip("this machine does not let us mount anything")
        command = [*own, sys.executable, "-c", script(f"disk = sys.argv[1]\n{body}"), str(disk), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return perform


def test_what_is_got_from_s3(s3_root, seaweed_server, on_full_disk):
    storage = S3Storage(s3_root, seaweed_server.endpoint)
    storage.write("small", os.urandom(2 * MB))
    storage.write("large", os.urandom(20 * MB))
    storage.write("fits", b"fits")
    said = on_full_disk(
        """
import os
from metaflow_core import S3
from metaflow_core.errors import DiskFull
with S3(sys.argv[2], tmproot=disk) as s3:
    for key in ("small", "large", ("large", 0, 2 << 20)):
        try:
            s3.get_many([key])
        except DiskFull as problem:
            assert disk in problem.message, problem.message
            print(problem.message)
        left = [name for folder, _, names in os.walk(disk) for name in names]
        assert left == [], left
    print(s3.get("fits").text)
""",
        s3_root,
    )
    lines = said.splitlines()
    assert [line.split(" cannot be kept")[0] for line in lines[:3]] == [
        f"the disk is full: {s3_root}/{key}" for key in ("small", "large", "large")
    ]
    assert lines[3] == "fits"


def test_copies_of_artifacts(s3_root, seaweed_server, on_full_disk):
    store = open_store(load_settings(arguments={"datastore_root": s3_root}))
    digests = [store.blobs.put_bytes(os.urandom(size)) for size in (2 * MB, 20 * MB, 10)]
    said = on_full_disk(
        """
from metaflow_core.errors import DiskFull
from metaflow_core.settings import load_settings
from metaflow_core.store.open import open_store
store = open_store(load_settings(arguments={"datastore_root": sys.argv[2], "cache_folder": disk}))
for digest in sys.argv[3:]:
    try:
        store.blobs.path(digest)
        print("there")
    except DiskFull as problem:
        print(disk in problem.message and "METAFLOW_CACHE_FOLDER" in problem.hint)
""",
        s3_root, *digests,
    )
    assert said.split() == ["True", "True", "there"]


def test_a_datastore_in_a_folder(on_full_disk):
    said = on_full_disk("""
import os
from metaflow_core.errors import DiskFull
from metaflow_core.storages.local import LocalStorage
storage = LocalStorage(os.path.join(disk, "store"))
storage.write("k", b"before")
staged = os.path.join(os.path.dirname(disk), "staged")
with open(staged, "wb") as file:
    file.write(bytes(2 << 20))
for change in (
    lambda: storage.write("k", bytes(2 << 20)), lambda: storage.create("new", bytes(2 << 20)),
    lambda: storage.put_file(staged, "new", move=False), lambda: storage.put_file(staged, "new", move=True),
):
    try:
        change()
    except DiskFull as problem:
        print(disk in problem.message)
assert storage.read("k") == b"before" and not storage.exists("new") and os.path.exists(staged)
""")
    assert said.split() == ["True"] * 4
