"""An index in one SQLite file, for any number of processes of one machine.

WAL mode: readers never wait for the writer. The file may be deleted or damaged at any moment;
the next call notices, makes a new one and asks `fill` for the rows of the store.
"""
from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from ..errors import StoreError, StoreTooNew
from .sql import TABLES, Sql, SqlIndex, held, statements

__all__ = ["SqliteIndex"]

_SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.2


class SqliteIndex(SqlIndex):
    """Rows of runs and tasks in the SQLite file at `path` (None: in memory, for one process)."""

    name = "sqlite"

    def __init__(
        self, path: str | None, fill: Callable[[SqliteIndex], None], identity: Callable[[], str | None] | None = None
    ):
        self._path = path
        self._fill = fill
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: Any = None  # which file the connection has open
        self._pid = 0
        self._filling = False

    # -- watching: the file is on this machine, and so are the logs; looking often costs little

    def announce(self, flow: str, run: str) -> None:
        pass

    def watch(self, flow: str, run: str, timeout_seconds: float) -> bool:
        time.sleep(min(timeout_seconds, _POLL_SECONDS))
        return True

    # -- the connection

    def close(self) -> None:
        with self._guard:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def _write(self, body: Callable[[Sql], Any], about: Iterable[tuple[str, str]] = ()) -> None:
        """Perform `body` in one transaction; it may be called again, on a new file."""
        self._mended(lambda: _in_transaction(self._open(), body))

    def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._mended(lambda: self._open().execute(sql, held(values)).fetchall())

    def _mended(self, action: Callable[[], Any]) -> Any:
        """Perform `action`; on a damaged file, throw the file away and perform it again."""
        with self._guard, _errors(self._path):
            try:
                return action()
            except sqlite3.DatabaseError as err:
                if self._filling or not (_is_damaged(err) or _is_read_only(err)):
                    raise
                if _is_read_only(err):
                    self._use_memory()
                else:
                    self._discard()
            return action()

    def _open(self) -> sqlite3.Connection:
        """The connection, to the file that is there now; filled if that file is new."""
        if self._connection is None or self._pid != os.getpid() or self._file != _identity(self._path):
            self._connect()
        return self._connection  # type: ignore[return-value]

    def _connect(self) -> None:
        if self._pid == os.getpid():
            self.close()  # after a fork the connection belongs to the parent: never touch it
        self._pid = os.getpid()
        self._connection = _connected(self._path)
        self._file = _identity(self._path)
        self._fill_if_new()

    def _fill_if_new(self) -> None:
        sql = "SELECT value FROM facts WHERE name = 'filled'"
        if self._filling or self._connection.execute(sql).fetchone():
            return
        self._filling = True
        try:
            self._fill(self)
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('filled', '1')")
        finally:
            self._filling = False

    def _use_memory(self) -> None:
        """A store that may only be read is indexed in memory, for as long as this object lives."""
        self.close()
        self._path = None

    def _discard(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")


def _in_transaction(connection: sqlite3.Connection, body: Callable[[Sql], Any]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        body(lambda sql, values=(): connection.execute(sql, held(values)))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _connected(path: str | None) -> sqlite3.Connection:
    if path is None or not os.path.isdir(os.path.dirname(path)):
        return _prepared(":memory:")  # no store yet: looking for one must not make it
    # Switching a new file to WAL mode does not wait for other processes, whatever the timeout says.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return _prepared(path)
        except sqlite3.OperationalError as err:
            if "locked" not in str(err) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _prepared(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # What a power cut does to the index is mended from the store, so nothing waits for the disk.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        _make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection, path: str) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == _SCHEMA_VERSION:
        return
    if version > _SCHEMA_VERSION:
        raise StoreTooNew(
            f"the index {path} was made by a newer version of metaflow",
            hint="Upgrade the metaflow package. Nothing but speed is lost if you delete the file instead.",
        )
    _in_transaction(connection, _remake)


def _remake(run_sql: Sql) -> None:
    if run_sql("PRAGMA user_version").fetchone()[0] == _SCHEMA_VERSION:
        return  # another process was faster
    for table in TABLES:
        run_sql(f"DROP TABLE IF EXISTS {table}")
    for statement in statements():
        run_sql(statement)
    run_sql(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _identity(path: str | None) -> Any:
    """Which file is at `path`; changes when it is deleted or replaced."""
    if path is None:
        return "memory"
    try:
        stat = os.stat(path)
    except OSError:
        # A store that appears later is noticed by its folder.
        return os.path.isdir(os.path.dirname(path))
    return stat.st_dev, stat.st_ino


def _is_damaged(err: sqlite3.DatabaseError) -> bool:
    return any(words in str(err) for words in ("malformed", "not a database", "disk I/O error"))


def _is_read_only(err: sqlite3.DatabaseError) -> bool:
    return any(words in str(err) for words in ("readonly", "unable to open"))


@contextmanager
def _errors(path: str | None) -> Iterator[None]:
    """The one edge where an error of SQLite becomes an error of ours."""
    try:
        yield
    except sqlite3.Error as err:
        raise StoreError(
            f"the index {path} failed: {err}",
            hint="It holds nothing that is not in the datastore: delete the file and it is made again.",
            data={"path": path},
        ) from err


PLUGIN = SqliteIndex
