"""Namespaces: a namespace is a tag, and a run is in it when it has the tag, its own or one of the system."""
from __future__ import annotations

from typing import Any

from ..errors import NamespaceMismatch

__all__ = ["check_namespace", "in_namespace", "namespace_tags"]

Row = dict[str, Any]


def in_namespace(namespace: str | None, record: Row, tags: Row) -> bool:
    """`record` is run.json, `tags` tags.json; every run is in the namespace None."""
    return namespace is None or namespace in tags["tags"] or namespace in (record.get("system_tags") or ())


def check_namespace(namespace: str | None, record: Row, tags: Row) -> None:
    """NamespaceMismatch that says how the run can be seen."""
    if in_namespace(namespace, record, tags):
        return
    pathspec = f"{record['flow']}/{record['run']}"
    owner = next((tag for tag in record.get("system_tags") or () if tag.startswith("user:")), None)
    instead = f' or set_namespace("{owner}")' if owner else ""
    raise NamespaceMismatch(
        f"{pathspec} is not in the namespace {namespace!r}",
        hint=f"Use set_namespace(NULL) to see everything{instead}.",
        data={"pathspec": pathspec, "namespace": namespace, "owner": owner},
    )


def namespace_tags(namespace: str | None, user: str) -> list[str]:
    """Tags that a new run has for its namespaces: that of its user, and one that a team shares. Nobody's else."""
    own = f"user:{user}"
    return [own] if namespace is None or namespace.startswith("user:") else [own, namespace]
