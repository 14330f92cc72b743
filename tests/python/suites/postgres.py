"""A PostgreSQL server of the tests' own: in a folder of its own, on a free port of loopback, gone when they end."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

USER = "postgres"


class PostgresServer:
    """`new_database()` is what METAFLOW_INDEX wants. It can be stopped and started again, rows and all."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="metaflow-postgres-")
        # The server refuses to run as root. Its own user must reach its folder, wherever TMPDIR is.
        self._as = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, USER, USER)
        self.port = free_port()
        self._data = f"{self.folder}/data"
        self._bin = _programs()
        self._databases = 0
        try:
            self._perform("initdb", "-A", "trust", "-U", USER, "-N", "-E", "UTF8", "--locale=C", "-D", self._data)
        except BaseException:
            self.close()
            raise

    @property
    def address(self):
        return self.address_of("postgres")

    def address_of(self, database):
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """The address of an empty database."""
        import psycopg

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address_of(name)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1 -c max_connections=60"
        try:
            self._perform(
                "pg_ctl", "-D", self._data, "-l", f"{self.folder}/log", "-w", "-t", "60", "-o", options, "start"
            )
        except BaseException:
            self.close()  # one that is too slow may be there in spite of that
            raise
        return self

    def stop(self, mode="immediate"):
        """As a crash does, by default: connections are cut."""
        self._perform("pg_ctl", "-D", self._data, "-w", "-t", "60", "-m", mode, "stop")

    def close(self):
        if os.path.exists(f"{self._data}/postmaster.pid"):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _perform(self, program, *arguments):
        # Into a file: the server inherits what pg_ctl has open, and a pipe of ours would stay open as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [f"{self._bin}/{program}", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, check=False, env={"PATH": os.defpath, "LANG": "C", "TZ": "UTC"}, **self._as,
            )
            output.seek(0)
            assert done.returncode == 0, f"{program} failed:\n{output.read()}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _programs():
    """The folder with initdb and pg_ctl, which Debian keeps out of PATH. Installed by tools/test.sh."""
    found = _installed()
    if found is None:
        subprocess.run([str(Path(__file__).resolve().parents[3] / "tools" / "apt.sh"), "postgresql"], check=True)
        found = _installed()
    assert found is not None, "PostgreSQL is needed: tools/apt.sh postgresql"
    return found


def _installed():
    on_path = shutil.which("initdb")
    folders = [os.path.dirname(on_path)] if on_path else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return next((folder for folder in reversed(folders) if os.path.exists(f"{folder}/initdb")), None)
