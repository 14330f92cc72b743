"""An index in a PostgreSQL database, for any number of machines.

Every datastore has a schema of its own in the database, named after the datastore's identity, so that many share one
database. The schema is made, and brought to the version of this package, by whoever comes first. A connection that is
lost is opened again, with growing pauses; meanwhile every call is a StoreError at once, and what was missed comes in
from the datastore (store/catalog.py).

    METAFLOW_INDEX=postgresql://user@host:5432/database
"""
from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import MissingExtra, StoreError, StoreTooNew
from .sql import Sql, SqlIndex, held, statements

__all__ = ["MIGRATIONS", "PostgresIndex"]

_CONNECT = {
    "connect_timeout": 5, "application_name": "metaflow", "keepalives_idle": 30, "keepalives_interval": 10,
    "keepalives_count": 3, "tcp_user_timeout": 15_000,
}
_STATEMENT_MILLISECONDS = 60_000
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 60.0
_TRIES = 10  # transactions that got into each other's way are performed again
_CHANNEL = "metaflow"
_LONGEST_TOPIC = 2000  # PostgreSQL takes 8000 bytes
_LOCK = 0x6D657461  # "meta", the first half of our advisory locks


def _dialect(sql: str) -> str:
    # Names and texts sort by their bytes, as in SQLite, whatever language the database speaks.
    return sql.replace(" WITHOUT ROWID", "").replace("TEXT", 'TEXT COLLATE "C"')


#: What leads from each version of the schema to the next, version 0 being an empty schema. Only ever added to.
MIGRATIONS: list[list[str]] = [statements(_dialect)]


class PostgresIndex(SqlIndex):
    """Rows of runs and tasks in the database at `address`."""

    name = "postgres"
    aliases = ("postgresql",)

    def __init__(
        self, address: str, fill: Callable[[PostgresIndex], None], identity: Callable[[], str | None] | None = None
    ):
        self._psycopg = _psycopg()
        self._address = address
        self._options, self._shown = self._read(address)
        self._fill = fill
        self._identity = identity or (lambda: "default")
        self._guard = threading.RLock()
        self._connection: Any = None
        self._listener: Any = None
        self._schema: str | None = None
        self._pid = 0
        self._filling = False
        self._pause = 0.0
        self._down_until = 0.0
        self._down: StoreError | None = None

    # -- watching

    def announce(self, flow: str, run: str) -> None:
        self._write(lambda run_sql: None, [(flow, run)])

    def watch(self, flow: str, run: str, timeout_seconds: float) -> bool:
        until = time.monotonic() + timeout_seconds
        try:
            if self._listener is None or self._listener.closed:
                self._listener = self._connected()
                self._listener.execute(f"LISTEN {_CHANNEL}")
                return True  # what happened before we listened is not told again
            topic = self._topic(flow, run)
            while True:
                left = max(0.0, until - time.monotonic())
                heard = [note.payload for note in self._listener.notifies(timeout=left, stop_after=1)]
                if topic in heard:
                    # One look is enough for all that was said so far.
                    list(self._listener.notifies(timeout=0))
                    return True
                if not heard:
                    return False
        except (self._psycopg.Error, StoreError):
            self._close_listener()
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
            return True

    def _topic(self, flow: str, run: str) -> str:
        return f"{self._schema or self._schema_name()}/{flow}/{run}"[:_LONGEST_TOPIC]

    # -- transactions and queries

    def _write(self, body: Callable[[Sql], Any], about: Iterable[tuple[str, str]] = ()) -> None:
        about = [] if self._filling else sorted(about)

        def perform(connection: Any) -> None:
            with connection.transaction(), connection.pipeline(), connection.cursor() as cursor:
                body(lambda sql, values=(): cursor.execute(sql.replace("?", "%s"), held(values)))
                for flow, run in about:
                    cursor.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, self._topic(flow, run)))

        self._perform(perform)

    def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        found = self._perform(
            lambda connection: connection.execute(
                sql.replace("?", "%s"), held(values), prepare=False
            ).fetchall()
        )
        return found or []

    def _perform(self, action: Callable[[Any], Any]) -> Any:
        """`action(connection)`; None when there is no store yet, and so nothing to tell and nothing to keep."""
        errors = self._psycopg.errors
        again = (errors.DeadlockDetected, errors.SerializationFailure)
        with self._guard:
            for attempt in range(_TRIES):
                connection = self._open()
                if connection is None:
                    return None
                try:
                    return action(connection)
                except self._psycopg.Error as err:
                    gone = connection.closed or isinstance(err, (errors.UndefinedTable, errors.InvalidSchemaName))
                    if gone:
                        self._close_connection()  # the next attempt opens another, and makes the tables if need be
                    if self._filling or attempt == _TRIES - 1 or not (gone or isinstance(err, again)):
                        raise self._failure(err) from err
                    if not gone:
                        time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
        raise AssertionError("unreachable")

    # -- the connection

    def close(self) -> None:
        with self._guard:
            self._close_connection()
            self._close_listener()

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():  # after a fork it belongs to the parent
            connection.close()

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._pid == os.getpid():
            listener.close()

    def _open(self) -> Any:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        if self._pid != os.getpid():
            self._connection = self._listener = None
            self._pid = os.getpid()
        self._schema = self._schema_name()
        if self._schema is None:
            return None
        self._connection = self._connected()
        try:
            self._migrate()
            self._fill_if_new()
        except self._psycopg.Error as err:
            self._close_connection()
            raise self._failure(err) from err
        except BaseException:
            self._close_connection()
            raise
        return self._connection

    def _schema_name(self) -> str | None:
        identity = self._identity()
        return None if identity is None else f"metaflow_{identity}"

    def _connected(self) -> Any:
        if self._down is not None and time.monotonic() < self._down_until:
            raise self._down
        try:
            connection = self._psycopg.connect(self._address, autocommit=True, **self._options)
            connection.execute(f"SET statement_timeout = {_STATEMENT_MILLISECONDS}")
            connection.execute("SET client_min_messages = warning")
            if self._schema is not None:
                connection.execute(f'SET search_path TO "{self._schema}"')
        except self._psycopg.Error as err:
            self._pause = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * self._pause))
            self._down_until = time.monotonic() + self._pause * random.uniform(0.5, 1.0)
            self._down = StoreError(
                f"the index at {self._shown} cannot be reached: {_first_line(err)}",
                hint="Start the server or mend METAFLOW_INDEX. The datastore has everything: METAFLOW_INDEX=sqlite "
                "works without a server.",
                data={"address": self._shown},
            )
            raise self._down from err
        self._pause, self._down = 0.0, None
        return connection

    def _read(self, address: str) -> tuple[dict[str, Any], str]:
        """Options for what the address leaves open, and the address without its password."""
        try:
            given = self._psycopg.conninfo.conninfo_to_dict(address)
        except self._psycopg.Error as err:
            raise StoreError(
                f"METAFLOW_INDEX is not an address of a database: {_first_line(err)}",
                hint="Write postgresql://user@host:5432/database.",
            ) from err
        options = {name: value for name, value in _CONNECT.items() if name not in given}
        where = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
        return options, f"postgresql://{where}"

    def _failure(self, err: Exception) -> StoreError:
        return StoreError(
            f"the index at {self._shown} failed: {_first_line(err)}",
            hint="It holds nothing that is not in the datastore: metaflow::reindex() makes it anew.",
            data={"address": self._shown},
        )

    # -- the schema

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        connection = self._connection
        with connection.transaction():
            # Held until the end of the transaction: of many who come at once, one makes the tables.
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, self._schema))
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
            for number in range(self._version() + 1, len(MIGRATIONS) + 1):
                for statement in MIGRATIONS[number - 1]:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO facts (name, value) VALUES ('schema', %s)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value", (str(number),),
                )

    def _version(self) -> int:
        """The version of the schema that is there, 0 for none; StoreTooNew for one that we do not know."""
        there = self._connection.execute("SELECT to_regclass(%s)", (f'"{self._schema}".facts',)).fetchone()[0]
        if there is None:
            return 0
        row = self._connection.execute("SELECT value FROM facts WHERE name = 'schema'").fetchone()
        version = int(row[0]) if row else 0
        known = len(MIGRATIONS)
        if version > known:
            raise StoreTooNew(
                f"the index at {self._shown} has schema {version}; this version of metaflow knows up to {known}",
                hint="Upgrade the metaflow package, or set METAFLOW_INDEX to another database.",
                data={"schema": version, "supported": known},
            )
        return version

    def _fill_if_new(self) -> None:
        if self._filling or self._connection.execute("SELECT 1 FROM facts WHERE name = 'filled'").fetchone():
            return
        self._filling = True
        try:
            self._fill(self)
            self._connection.execute("INSERT INTO facts VALUES ('filled', '1') ON CONFLICT DO NOTHING")
        finally:
            self._filling = False


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as err:
        raise MissingExtra(
            "METAFLOW_INDEX names a PostgreSQL database, and the Python package psycopg is not installed",
            hint='Install it: pip install "psycopg[binary]>=3.2".',
        ) from err
    return psycopg


def _first_line(err: Exception) -> str:
    lines = str(err).strip().splitlines()
    return lines[0] if lines else type(err).__name__


PLUGIN = PostgresIndex
