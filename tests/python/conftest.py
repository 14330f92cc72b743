"""Every test runs in its own folder, with its own home and without the METAFLOW_* variables of the machine."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    work = tmp_path / "work"
    home = tmp_path / "home"
    work.mkdir()
    home.mkdir()
    for name in list(os.environ):
        if name.startswith("METAFLOW_") or name == "KUBECONFIG":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "tester")
    monkeypatch.chdir(work)


@pytest.fixture
def repository() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def postgres_server():
    """A real PostgreSQL, started for the first test that needs one."""
    from suites.postgres import PostgresServer

    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def seaweed_server():
    """One S3 server for all tests of a session: started by the first that asks, gone with the last."""
    from seaweed import SeaweedServer

    server = SeaweedServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto_server():
    """A second opinion about what S3 is: another server by other people. What it gets wrong: test_storage_s3.py."""
    from moto_server import MotoServer

    server = MotoServer()
    yield server
    server.stop()


@pytest.fixture
def s3_server(seaweed_server):
    """The server that the S3 of a test is; a module that wants both overrides it."""
    return seaweed_server


@pytest.fixture
def s3_root(s3_server, monkeypatch):
    """s3://bucket/prefix of this test's own, with everything in the environment that leads there."""
    import uuid

    from seaweed import BUCKET, credentials

    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", s3_server.endpoint)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
