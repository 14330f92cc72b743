"""Flows, as seen through the namespace."""
from __future__ import annotations

from typing import Any

from ..errors import NamespaceMismatch
from ..ids import parse_pathspec
from ..store.catalog import catch_up_runs
from . import runs
from .finding import flow_missing

__all__ = ["get_flow", "list_flows"]

Row = dict[str, Any]


def list_flows(session: Any) -> list[Row]:
    catch_up_runs(session.store)
    return [_with_newest(session, row) for row in session.store.index.flows(session.namespace)]


def get_flow(session: Any, flow: str) -> Row:
    parse_pathspec(flow, "flow")
    catch_up_runs(session.store, flow)
    for row in session.store.index.flows(session.namespace):
        if row["flow"] == flow:
            return _with_newest(session, row)
    if not session.store.index.run_ids(flow):
        raise flow_missing(session, flow)
    raise NamespaceMismatch(
        f"{flow} has no run in the namespace {session.namespace!r}",
        hint="Use set_namespace(NULL) to see everything.",
        data={"pathspec": flow, "namespace": session.namespace},
    )


def _with_newest(session: Any, row: Row) -> Row:
    newest = runs.shown(session, session.store.index.run(row["flow"], row["newest"]))
    return {**row, "pathspec": row["flow"], "status": newest["status"], "created_at": newest["created_at"]}
