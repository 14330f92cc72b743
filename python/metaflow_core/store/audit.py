"""Who did what when: one small record for each deed, written once and never changed.

``audit/<yyyy-mm-dd>/<time>-<random>.json``, time in UTC. Runs that start and end, tags that change and what is
deleted write one each; nothing ever reads them but `mf_audit()`.
"""
from __future__ import annotations

import os
import time
from typing import Any

from ..contracts.storage import Storage
from ..errors import MetaflowError
from .layout import AUDIT
from .liveness import host_name
from .records import decode, encode

__all__ = ["AuditLog"]

Row = dict[str, Any]


class AuditLog:
    """The audit of a datastore."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def write(self, action: str, user: str, **facts: Any) -> None:
        """Add "`user` did `action` now". `facts` may have "flow" and "run", and anything that JSON can hold."""
        now = time.time()
        moment = time.gmtime(now)
        day, clock = time.strftime("%Y-%m-%d", moment), time.strftime("%H%M%S", moment)
        key = f"{AUDIT}/{day}/{clock}.{int(now % 1 * 1e6):06d}-{os.urandom(4).hex()}.json"
        record = {"format": 1, "time": now, "action": action, "user": user, "host": host_name(), **facts}
        self._storage.create(key, encode(record, key))

    def try_write(self, action: str, user: str, **facts: Any) -> str | None:
        """The same where the deed is done and must not fail because of its record; what went wrong, or None."""
        try:
            self.write(action, user, **facts)
        except MetaflowError as problem:
            return problem.message
        return None

    def read(
        self, flow: str | None = None, run: str | None = None, since: float | None = None, until: float | None = None,
        user: str | None = None, action: str | None = None, limit: int | None = None,
    ) -> list[Row]:
        """Records that meet all conditions, newest first. Times in seconds since 1970, both ends included."""
        first = "" if since is None else time.strftime("%Y-%m-%d", time.gmtime(since))
        last = "9" if until is None else time.strftime("%Y-%m-%d", time.gmtime(until))
        wanted = {"flow": flow, "run": run, "user": user, "action": action}
        found: list[Row] = []
        for day in reversed(self._storage.list_dirs(AUDIT)):
            if not first <= day <= last:
                continue
            keys = self._storage.list_files(f"{AUDIT}/{day}")
            records = [decode(data, key) for key, data in self._storage.read_many(keys).items()]
            for record in sorted(records, key=lambda record: record["time"], reverse=True):
                if _meets(record, wanted, since, until):
                    found.append(record)
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]


def _meets(record: Row, wanted: Row, since: float | None, until: float | None) -> bool:
    if since is not None and record["time"] < since or until is not None and record["time"] > until:
        return False
    return all(value is None or record.get(name) == value for name, value in wanted.items())
