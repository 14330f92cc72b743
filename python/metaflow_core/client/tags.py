"""Tags: a run's user tags can change, its system tags cannot."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UnknownOption
from ..store.audit import AuditLog
from ..store.catalog import change_tags
from .finding import find

__all__ = ["check_tags", "replace_tags"]

Row = dict[str, Any]
LONGEST = 500  # characters of one tag


def replace_tags(session: Any, pathspec: str, remove: Iterable[str], add: Iterable[str]) -> Row:
    old, new = check_tags(remove), check_tags(add)
    found = find(session, pathspec, "run")
    system = set(found.record.get("system_tags") or ())
    fixed = sorted(system.intersection(old))
    if fixed:
        raise UnknownOption(
            f"{_quoted(fixed)} {'is a system tag' if len(fixed) == 1 else 'are system tags'} of {found.run_pathspec}"
            " and cannot be removed",
            hint="System tags say what a run is. Only tags given by `tag add`, add_tag() or run(tag = ) can go.",
            data={"tags": fixed, "pathspec": found.run_pathspec},
        )

    changes = False

    def change(tags: set[str]) -> set[str]:
        nonlocal changes
        # A system tag that is added again would be in two places: it is there already.
        changed = tags.difference(old).union(new).difference(system)
        changes = changed != tags
        return changed

    tags = change_tags(session.store, found.flow, found.run, change)
    if changes:
        AuditLog(session.store.storage).write(
            "tags changed", session.settings.user, flow=found.flow, run=found.run, added=new, removed=old
        )
    return {"pathspec": found.run_pathspec, "tags": tags["tags"], "system_tags": sorted(system)}


def check_tags(tags: Iterable[str]) -> list[str]:
    """The tags as a list without repetition; UnknownOption for what cannot be one."""
    wanted = [tags] if isinstance(tags, str) else list(tags)
    for tag in wanted:
        if not isinstance(tag, str) or not tag.strip() or len(tag) > LONGEST or not tag.isprintable():
            raise UnknownOption(
                f"{tag!r} cannot be a tag", hint=f"A tag is a text of 1 to {LONGEST} printable characters."
            )
    return list(dict.fromkeys(wanted))


def _quoted(tags: list[str]) -> str:
    return ", ".join(repr(tag) for tag in tags)
