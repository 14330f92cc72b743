"""An index in one SQLite file, for any number of processes of one machine.

WAL mode: readers never wait for the writer. The file may be deleted or damaged at any moment;
the next call notices, makes a new one and asks `fill` for the rows of the store.
"""
from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from ..contracts.index import TASK_COLUMNS, Row, check_where
from ..errors import StoreError, StoreTooNew

__all__ = ["SqliteIndex"]

Sql = Callable[..., Any]  # execute(statement, values)

_SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0
_CHANGE_SECONDS = 60.0  # a change that takes longer was killed; its mark is dropped when settled
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
  flow TEXT NOT NULL, run INTEGER NOT NULL,
  status TEXT, status_version INTEGER NOT NULL, created_at REAL, started_at REAL, finished_at REAL,
  heartbeat_at REAL, host TEXT, pid INTEGER, pid_start TEXT, user TEXT, namespace TEXT, script TEXT,
  origin_run TEXT, done INTEGER, failed INTEGER, cloned INTEGER, message TEXT,
  system_tags TEXT NOT NULL, tags TEXT NOT NULL, tags_version INTEGER NOT NULL,
  changing INTEGER NOT NULL DEFAULT 0, changing_at REAL,
  PRIMARY KEY (flow, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_creation ON runs (created_at);
CREATE INDEX IF NOT EXISTS runs_unsettled ON runs (flow, run) WHERE status = 'running' OR changing > 0;
CREATE TABLE IF NOT EXISTS run_tags (
  flow TEXT NOT NULL, tag TEXT NOT NULL, run INTEGER NOT NULL, system INTEGER NOT NULL,
  PRIMARY KEY (flow, tag, run, system)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_tags_by_run ON run_tags (flow, run);
CREATE TABLE IF NOT EXISTS tasks (
  flow TEXT NOT NULL, run INTEGER NOT NULL, step TEXT NOT NULL, task INTEGER NOT NULL, attempt INTEGER NOT NULL,
  position TEXT, status TEXT, started_at REAL, finished_at REAL, cause TEXT, message TEXT, origin TEXT,
  max_rss_bytes INTEGER, user_seconds REAL,
  PRIMARY KEY (flow, run, step, task, attempt)
) WITHOUT ROWID;
"""
_TABLES = ("facts", "runs", "run_tags", "tasks")
_STATUS_COLUMNS = (
    "status", "status_version", "started_at", "finished_at", "heartbeat_at", "host", "pid", "pid_start",
    "done", "failed", "cloned", "message",
)
_RUN_COLUMNS = (
    "flow", "run", *_STATUS_COLUMNS, "created_at", "user", "namespace", "script", "origin_run",
    "system_tags", "tags", "tags_version",
)
_RUN_ROW = (
    "flow", "run", "status", "created_at", "started_at", "finished_at", "heartbeat_at", "host", "pid", "pid_start",
    "user", "namespace", "script", "origin_run", "message", "done", "failed", "cloned", "system_tags", "tags",
)


def _insert(table: str, columns: tuple[str, ...], verb: str = "INSERT INTO") -> str:
    return f"{verb} {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _assign(columns: tuple[str, ...], source: str) -> str:
    return ", ".join(f"{column} = {source}{column}" for column in columns)


# What a run began with never changes; its status follows the newest version.
_PUT_RUN = (
    _insert("runs", _RUN_COLUMNS)
    + f" ON CONFLICT (flow, run) DO UPDATE SET {_assign(_STATUS_COLUMNS, 'excluded.')}"
    + " WHERE excluded.status_version >= runs.status_version"
)
_PUT_STATUS = (
    f"UPDATE runs SET {', '.join(f'{column} = ?' for column in _STATUS_COLUMNS)}"
    " WHERE flow = ? AND run = ? AND status_version <= ?"
)
_PUT_TASK = _insert("tasks", TASK_COLUMNS, "INSERT OR REPLACE INTO")
_KEEP_TASK = (
    _insert("tasks", TASK_COLUMNS)
    + f" ON CONFLICT (flow, run, step, task, attempt) DO UPDATE SET {_assign(TASK_COLUMNS[5:], 'excluded.')}"
    + " WHERE tasks.status = 'running'"
)


class SqliteIndex:
    """Rows of runs and tasks in the SQLite file at `path` (None: in memory, for one process)."""

    name = "sqlite"

    def __init__(self, path: str | None, fill: Callable[[SqliteIndex], None]):
        self._path = path
        self._fill = fill
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: Any = None  # which file the connection has open
        self._pid = 0
        self._filling = False

    # -- writing

    def record_run(self, record: Row, status: Row, tags: Row) -> None:
        self.record_runs([(record, status, tags)])

    def record_runs(self, triples: Iterable[tuple[Row, Row, Row]]) -> None:
        rows = [(_run_values(*triple), *triple) for triple in triples]

        def put(run_sql: Sql) -> None:
            for values, record, _status, tags in rows:
                run_sql(_PUT_RUN, values)
                flow, run = record["flow"], int(record["run"])
                _put_tags(run_sql, flow, run, record.get("system_tags") or (), system=1)
                _put_user_tags(run_sql, flow, run, tags)

        self._write(put)

    def record_status(self, flow: str, run: str, status: Row) -> None:
        values = (*_status_values(status), flow, int(run), status["version"])
        self._write(lambda run_sql: run_sql(_PUT_STATUS, values))

    def record_tags(self, flow: str, run: str, tags: Row) -> None:
        def put(run_sql: Sql) -> None:
            _put_user_tags(run_sql, flow, int(run), tags)
            run_sql("UPDATE runs SET changing = max(0, changing - 1) WHERE flow = ? AND run = ?", (flow, int(run)))

        self._write(put)

    def mark_changing(self, flow: str, run: str) -> None:
        # Marks of writers that were killed would add up for ever: an old one is replaced, not added to.
        mark = (
            "UPDATE runs SET changing = CASE WHEN changing_at < ? THEN 1 ELSE changing + 1 END, changing_at = ?"
            " WHERE flow = ? AND run = ?"
        )
        now = time.time()
        self._write(lambda run_sql: run_sql(mark, (now - _CHANGE_SECONDS, now, flow, int(run))))

    def record_tasks(self, rows: Iterable[Row], keep: bool = False) -> None:
        values = [tuple(row.get(column) for column in TASK_COLUMNS) for row in rows]
        self._write(lambda run_sql: [run_sql(_KEEP_TASK if keep else _PUT_TASK, row) for row in values])

    def forget_runs(self, flow: str, runs: Iterable[str]) -> None:
        numbers = [int(run) for run in runs]

        def drop(run_sql: Sql) -> None:
            for table in ("runs", "run_tags", "tasks"):
                for number in numbers:
                    run_sql(f"DELETE FROM {table} WHERE flow = ? AND run = ?", (flow, number))

        self._write(drop)

    # -- reading

    def flows(self, namespace: str | None = None) -> list[Row]:
        where, values = _conditions(None, {"namespace": namespace})
        rows = self._select(f"SELECT flow, count(*), max(run) FROM runs {where} GROUP BY flow ORDER BY flow", values)
        return [{"flow": flow, "runs": runs, "newest": str(newest)} for flow, runs, newest in rows]

    def runs(
        self, flow: str | None = None, where: Row | None = None,
        limit: int | None = None, offset: int = 0, newest_first: bool = True,
    ) -> list[Row]:
        conditions, values = _conditions(flow, check_where(where))
        order = "run" if flow is not None else "created_at"
        direction = "DESC" if newest_first else "ASC"
        sql = (
            f"SELECT {', '.join(_RUN_ROW)} FROM runs {conditions}"
            f" ORDER BY {order} {direction}, run {direction}, flow LIMIT ? OFFSET ?"
        )
        return [_run_row(row) for row in self._select(sql, (*values, -1 if limit is None else limit, offset))]

    def run(self, flow: str, run: str) -> Row | None:
        rows = self._select(f"SELECT {', '.join(_RUN_ROW)} FROM runs WHERE flow = ? AND run = ?", (flow, int(run)))
        return _run_row(rows[0]) if rows else None

    def run_ids(self, flow: str) -> set[str]:
        return {str(run) for (run,) in self._select("SELECT run FROM runs WHERE flow = ?", (flow,))}

    def unsettled(self, flow: str | None = None) -> list[tuple[str, str]]:
        sql = "SELECT flow, run FROM runs WHERE (status = 'running' OR changing > 0)"
        rows = self._select(sql) if flow is None else self._select(sql + " AND flow = ?", (flow,))
        return [(name, str(run)) for name, run in rows]

    def tasks(
        self, flow: str, run: str, step: str | None = None, where: Row | None = None,
        all_attempts: bool = False, limit: int | None = None, offset: int = 0,
    ) -> list[Row]:
        conditions, values = ["flow = ?", "run = ?"], [flow, int(run)]
        for column, value in (("step", step), *(where or {}).items()):
            if column not in TASK_COLUMNS:
                raise StoreError(f"tasks cannot be filtered by {column!r}")
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        if not all_attempts:
            conditions.append(
                "attempt = (SELECT max(attempt) FROM tasks AS other WHERE other.flow = tasks.flow AND"
                " other.run = tasks.run AND other.step = tasks.step AND other.task = tasks.task)"
            )
        sql = (
            f"SELECT {', '.join(TASK_COLUMNS)} FROM tasks WHERE {' AND '.join(conditions)}"
            " ORDER BY step, task, attempt LIMIT ? OFFSET ?"
        )
        return [_task_row(row) for row in self._select(sql, (*values, -1 if limit is None else limit, offset))]

    def counts(self, flow: str, run: str) -> dict[str, dict[str, int]]:
        # With max(), SQLite takes the other columns from the row that has the maximum.
        latest = "SELECT step, task, status, max(attempt) FROM tasks WHERE flow = ? AND run = ? GROUP BY step, task"
        counts: dict[str, dict[str, int]] = {}
        rows = self._select(f"SELECT step, status, count(*) FROM ({latest}) GROUP BY step, status", (flow, int(run)))
        for step, status, count in rows:
            counts.setdefault(step, {})[status] = count
        return counts

    def spans(self, flow: str, run: str) -> dict[str, tuple[float | None, float | None]]:
        sql = "SELECT step, min(started_at), max(finished_at) FROM tasks WHERE flow = ? AND run = ? GROUP BY step"
        return {step: (started, finished) for step, started, finished in self._select(sql, (flow, int(run)))}

    # -- the connection

    def close(self) -> None:
        with self._guard:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def _write(self, body: Callable[[Sql], Any]) -> None:
        """Perform `body` in one transaction; it may be called again, on a new file."""
        self._mended(lambda: _in_transaction(self._open(), body))

    def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._mended(lambda: self._open().execute(sql, values).fetchall())

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
        body(connection.execute)
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
    for table in _TABLES:
        run_sql(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.split(";"):
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


# -- rows


def _status_values(status: Row) -> tuple[Any, ...]:
    tasks, error = status.get("tasks") or {}, status.get("error") or {}
    return (
        status.get("status"), status["version"], status.get("started_at"), status.get("finished_at"),
        status.get("heartbeat_at"), status.get("host"), status.get("pid"), status.get("pid_start"),
        tasks.get("done", 0), tasks.get("failed", 0), tasks.get("cloned", 0), error.get("message"),
    )


def _run_values(record: Row, status: Row, tags: Row) -> tuple[Any, ...]:
    return (
        record["flow"], int(record["run"]), *_status_values(status), record.get("created_at"), record.get("user"),
        record.get("namespace"), record.get("script"), (record.get("origin") or {}).get("run"),
        json.dumps(sorted(record.get("system_tags") or ())), json.dumps(sorted(tags["tags"])), tags["version"],
    )


def _put_user_tags(run_sql: Sql, flow: str, run: int, tags: Row) -> None:
    changed = run_sql(
        "UPDATE runs SET tags = ?, tags_version = ? WHERE flow = ? AND run = ? AND tags_version <= ?",
        (json.dumps(sorted(tags["tags"])), tags["version"], flow, run, tags["version"]),
    )
    if changed.rowcount:
        run_sql("DELETE FROM run_tags WHERE flow = ? AND run = ? AND system = 0", (flow, run))
        _put_tags(run_sql, flow, run, tags["tags"], system=0)


def _put_tags(run_sql: Sql, flow: str, run: int, tags: Iterable[str], system: int) -> None:
    for tag in tags:
        run_sql("INSERT OR IGNORE INTO run_tags VALUES (?, ?, ?, ?)", (flow, tag, run, system))


def _run_row(row: tuple[Any, ...]) -> Row:
    named = dict(zip(_RUN_ROW, row))
    named["run"] = str(named["run"])
    named["tasks"] = {kind: named.pop(kind) for kind in ("done", "failed", "cloned")}
    named["system_tags"] = json.loads(named["system_tags"])
    named["tags"] = json.loads(named["tags"])
    return named


def _task_row(row: tuple[Any, ...]) -> Row:
    named = dict(zip(TASK_COLUMNS, row))
    named["run"], named["task"] = str(named["run"]), str(named["task"])
    return named


# -- conditions


def _conditions(flow: str | None, where: Row) -> tuple[str, tuple[Any, ...]]:
    parts: list[str] = []
    values: list[Any] = []

    def add(part: str, *more: Any) -> None:
        parts.append(part)
        values.extend(more)

    if flow is not None:
        add("flow = ?", flow)
    if where.get("status") is not None:
        wanted = [where["status"]] if isinstance(where["status"], str) else list(where["status"])
        add(f"status IN ({', '.join('?' * len(wanted))})", *wanted)
    for column in ("user", "origin_run"):
        if where.get(column) is not None:
            add(f"{column} = ?", where[column])
    if where.get("created_after") is not None:
        add("created_at >= ?", where["created_after"])
    if where.get("created_before") is not None:
        add("created_at <= ?", where["created_before"])
    for tag in _wanted_tags(where):
        add("EXISTS (SELECT 1 FROM run_tags t WHERE t.flow = runs.flow AND t.tag = ? AND t.run = runs.run)", tag)
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), tuple(values)


def _wanted_tags(where: Row) -> list[str]:
    tags = where.get("tags_all") or []
    tags = [tags] if isinstance(tags, str) else list(tags)
    return tags if where.get("namespace") is None else [*tags, where["namespace"]]


PLUGIN = SqliteIndex
