"""What indexes in SQL databases share: their tables, their statements and how rows become dicts.

The statements are in the SQL that SQLite and PostgreSQL both understand, with "?" where a value goes. A database adds
how a transaction is performed (`_write`), how rows are asked for (`_select`), and its own connection.
"""
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ..contracts.index import TASK_COLUMNS, Row, check_where
from ..errors import StoreError

__all__ = ["TABLES", "Sql", "SqlIndex", "held", "statements"]

Sql = Callable[..., Any]  # (statement, values)

TABLES = ("facts", "runs", "run_tags", "tasks")
_CHANGE_SECONDS = 60.0  # a change that takes longer was killed; its mark is dropped when settled
_ALL = 1 << 62  # a limit that is none
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
  flow TEXT NOT NULL, run BIGINT NOT NULL,
  status TEXT, status_version BIGINT NOT NULL, created_at DOUBLE PRECISION, started_at DOUBLE PRECISION,
  finished_at DOUBLE PRECISION, heartbeat_at DOUBLE PRECISION, host TEXT, pid BIGINT, pid_start TEXT, "user" TEXT,
  namespace TEXT, script TEXT, origin_run TEXT, done BIGINT, failed BIGINT, cloned BIGINT, message TEXT,
  system_tags TEXT NOT NULL, tags TEXT NOT NULL, tags_version BIGINT NOT NULL,
  changing BIGINT NOT NULL DEFAULT 0, changing_at DOUBLE PRECISION,
  PRIMARY KEY (flow, run)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_creation ON runs (created_at);
CREATE INDEX IF NOT EXISTS runs_unsettled ON runs (flow, run) WHERE status = 'running' OR changing > 0;
CREATE TABLE IF NOT EXISTS run_tags (
  flow TEXT NOT NULL, tag TEXT NOT NULL, run BIGINT NOT NULL, system BIGINT NOT NULL,
  PRIMARY KEY (flow, tag, run, system)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_tags_by_run ON run_tags (flow, run);
CREATE TABLE IF NOT EXISTS tasks (
  flow TEXT NOT NULL, run BIGINT NOT NULL, step TEXT NOT NULL, task BIGINT NOT NULL, attempt BIGINT NOT NULL,
  position TEXT, status TEXT, started_at DOUBLE PRECISION, finished_at DOUBLE PRECISION, cause TEXT, message TEXT,
  origin TEXT, max_rss_bytes BIGINT, user_seconds DOUBLE PRECISION,
  PRIMARY KEY (flow, run, step, task, attempt)
) WITHOUT ROWID;
"""
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


def statements(dialect: Callable[[str], str] = str) -> list[str]:
    """What makes the tables, one statement each, as `dialect` writes them."""
    return [dialect(statement) for statement in _SCHEMA.split(";") if statement.strip()]


def held(values: Iterable[Any]) -> list[Any]:
    """These values as a database can hold them: texts are UTF-8, and without NUL, which PostgreSQL refuses."""
    return [_held_text(value) if isinstance(value, str) and not value.isprintable() else value for value in values]


def _held_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _named(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)  # "user" is a word of SQL


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({_named(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _assign(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}" = excluded."{column}"' for column in columns)


# What a run began with never changes; its status follows the newest version.
_PUT_RUN = (
    _insert("runs", _RUN_COLUMNS)
    + f" ON CONFLICT (flow, run) DO UPDATE SET {_assign(_STATUS_COLUMNS)}"
    + " WHERE excluded.status_version >= runs.status_version"
)
_PUT_STATUS = (
    f"UPDATE runs SET {', '.join(f'{column} = ?' for column in _STATUS_COLUMNS)}"
    " WHERE flow = ? AND run = ? AND status_version <= ?"
)
_PUT_TASK = (
    _insert("tasks", TASK_COLUMNS)
    + f" ON CONFLICT (flow, run, step, task, attempt) DO UPDATE SET {_assign(TASK_COLUMNS[5:])}"
)
_KEEP_TASK = _PUT_TASK + " WHERE tasks.status = 'running'"
_PUT_TAG = "INSERT INTO run_tags (flow, tag, run, system) VALUES (?, ?, ?, 1) ON CONFLICT DO NOTHING"
# The row of the run is updated first and so stays ours until the end of the transaction. What follows asks whether
# that update was the newest word.
_PUT_TAGS = "UPDATE runs SET tags = ?, tags_version = ? WHERE flow = ? AND run = ? AND tags_version <= ?"
_OURS = "EXISTS (SELECT 1 FROM runs WHERE flow = ? AND run = ? AND tags_version = ?)"
_DROP_USER_TAGS = f"DELETE FROM run_tags WHERE flow = ? AND run = ? AND system = 0 AND {_OURS}"
_PUT_USER_TAG = (
    "INSERT INTO run_tags (flow, tag, run, system)"
    f" SELECT flow, ?, run, 0 FROM runs WHERE flow = ? AND run = ? AND {_OURS} ON CONFLICT DO NOTHING"
)
_LATEST = (
    "attempt = (SELECT max(attempt) FROM tasks AS other WHERE other.flow = tasks.flow AND"
    " other.run = tasks.run AND other.step = tasks.step AND other.task = tasks.task)"
)


class SqlIndex:
    """The verbs of contracts/index.py, for whoever can perform a transaction and a query."""

    def _write(self, body: Callable[[Sql], Any], about: Iterable[tuple[str, str]] = ()) -> None:
        """Perform `body(run_sql)` in one transaction. It may be called again. `about`: the (flow, run) it changes."""
        raise NotImplementedError

    def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    # -- writing

    def record_run(self, record: Row, status: Row, tags: Row) -> None:
        self.record_runs([(record, status, tags)])

    def record_runs(self, triples: Iterable[tuple[Row, Row, Row]]) -> None:
        # In one order, whoever writes: two who write the same rows then never wait for each other.
        triples = sorted(triples, key=lambda triple: (triple[0]["flow"], int(triple[0]["run"])))
        rows = [(_run_values(*triple), *triple) for triple in triples]

        def put(run_sql: Sql) -> None:
            for values, record, _status, tags in rows:
                run_sql(_PUT_RUN, values)
                flow, run = record["flow"], int(record["run"])
                for tag in sorted(record.get("system_tags") or ()):
                    run_sql(_PUT_TAG, (flow, tag, run))
                _put_user_tags(run_sql, flow, run, tags)

        self._write(put, [(record["flow"], record["run"]) for _values, record, _status, _tags in rows])

    def record_status(self, flow: str, run: str, status: Row) -> None:
        values = (*_status_values(status), flow, int(run), status["version"])
        self._write(lambda run_sql: run_sql(_PUT_STATUS, values), [(flow, run)])

    def record_tags(self, flow: str, run: str, tags: Row) -> None:
        less = "CASE WHEN changing > 0 THEN changing - 1 ELSE 0 END"
        done = f"UPDATE runs SET changing = {less} WHERE flow = ? AND run = ?"

        def put(run_sql: Sql) -> None:
            _put_user_tags(run_sql, flow, int(run), tags)
            run_sql(done, (flow, int(run)))

        self._write(put, [(flow, run)])

    def mark_changing(self, flow: str, run: str) -> None:
        # Marks of writers that were killed would add up for ever: an old one is replaced, not added to.
        mark = (
            "UPDATE runs SET changing = CASE WHEN changing_at < ? THEN 1 ELSE changing + 1 END, changing_at = ?"
            " WHERE flow = ? AND run = ?"
        )
        now = time.time()
        self._write(lambda run_sql: run_sql(mark, (now - _CHANGE_SECONDS, now, flow, int(run))))

    def record_tasks(self, rows: Iterable[Row], keep: bool = False) -> None:
        rows = list(rows)
        values = [tuple(row.get(column) for column in TASK_COLUMNS) for row in rows]

        def put(run_sql: Sql) -> None:
            for row in values:
                run_sql(_KEEP_TASK if keep else _PUT_TASK, row)

        self._write(put, {(row["flow"], row["run"]) for row in rows})

    def forget_runs(self, flow: str, runs: Iterable[str]) -> None:
        numbers = sorted(int(run) for run in runs)

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
            f"SELECT {_named(_RUN_ROW)} FROM runs {conditions}"
            f" ORDER BY {order} {direction}, run {direction}, flow LIMIT ? OFFSET ?"
        )
        return [_run_row(row) for row in self._select(sql, (*values, _ALL if limit is None else limit, offset))]

    def run(self, flow: str, run: str) -> Row | None:
        rows = self._select(f"SELECT {_named(_RUN_ROW)} FROM runs WHERE flow = ? AND run = ?", (flow, int(run)))
        return _run_row(rows[0]) if rows else None

    def run_ids(self, flow: str) -> set[str]:
        return {str(run) for (run,) in self._select("SELECT run FROM runs WHERE flow = ?", (flow,))}

    def unsettled(self, flow: str | None = None) -> list[tuple[str, str]]:
        sql = "SELECT flow, run FROM runs WHERE (status = 'running' OR changing > 0)"
        order = " ORDER BY flow, run"
        rows = self._select(sql + order) if flow is None else self._select(sql + " AND flow = ?" + order, (flow,))
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
            conditions.append(_LATEST)
        sql = (
            f"SELECT {', '.join(TASK_COLUMNS)} FROM tasks WHERE {' AND '.join(conditions)}"
            " ORDER BY step, task, attempt LIMIT ? OFFSET ?"
        )
        return [_task_row(row) for row in self._select(sql, (*values, _ALL if limit is None else limit, offset))]

    def counts(self, flow: str, run: str) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        sql = f"SELECT step, status, count(*) FROM tasks WHERE flow = ? AND run = ? AND {_LATEST} GROUP BY step, status"
        for step, status, count in self._select(sql, (flow, int(run))):
            counts.setdefault(step, {})[status] = count
        return counts

    def spans(self, flow: str, run: str) -> dict[str, tuple[float | None, float | None]]:
        sql = "SELECT step, min(started_at), max(finished_at) FROM tasks WHERE flow = ? AND run = ? GROUP BY step"
        return {step: (started, finished) for step, started, finished in self._select(sql, (flow, int(run)))}


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
    version = tags["version"]
    run_sql(_PUT_TAGS, (json.dumps(sorted(tags["tags"])), version, flow, run, version))
    run_sql(_DROP_USER_TAGS, (flow, run, flow, run, version))
    for tag in sorted(tags["tags"]):
        run_sql(_PUT_USER_TAG, (tag, flow, run, flow, run, version))


def _run_row(row: tuple[Any, ...]) -> Row:
    named = dict(zip(_RUN_ROW, row))
    named["run"] = str(named["run"])
    named["tasks"] = {kind: named.pop(kind) for kind in ("done", "failed", "cloned")}
    named["system_tags"] = list(_texts(named["system_tags"]))
    named["tags"] = list(_texts(named["tags"]))
    return named


@lru_cache(maxsize=4096)
def _texts(stored: str) -> tuple[str, ...]:
    """Most runs have the tags of many others."""
    return tuple(json.loads(stored))


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
        add(f"status IN ({', '.join('?' * len(wanted))})" if wanted else "1 = 0", *wanted)
    for column in ("user", "origin_run"):
        if where.get(column) is not None:
            add(f'"{column}" = ?', where[column])
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
