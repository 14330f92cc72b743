"""Where an artifact comes from and what became of it, through tasks, runs and flows.

An artifact is known by the task that assigned it: a task that passes it on has the same digest under the same name.
What a task used is in its record: names that it read from `self` and from its inputs, its element of a foreach, and
artifacts of other runs that it read through the client. A record without that (of another version, or of a step in
another language) may have used everything it saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import MetaflowError, NotFound
from ..ids import Pathspec, parse_pathspec
from ..nearest import did_you_mean
from .finding import find

__all__ = ["lineage"]

Row = dict[str, Any]
Source = tuple[str, str]  # key of the task that assigned it ("" for a parameter), name
SIBLINGS = 3
NODES = 2000


def lineage(session: Any, pathspec: str, direction: str = "both", depth: int = 50) -> Row:
    """{"root": node, "up": nodes, "down": nodes}. A node is {"pathspec", "task", "name", "relation", "class",
    "size", "origin", "seen", "more", "children"}; `more` siblings were left out, `seen` ones stand elsewhere with their
    children.
    """
    spec = parse_pathspec(pathspec)
    found = find(session, str(Pathspec(*spec.parts[:4])), "task")
    graph = _Graph(session.store)
    run = graph.run(found.flow, found.run)
    key = f"{found.step}/{found.task}"
    if key not in run.records:
        raise NotFound(f"task {found.run_pathspec}/{key} has not finished", data={"pathspec": pathspec})
    names = [spec.artifact] if spec.artifact is not None else run.own(key)
    sources = []
    for name in names:
        source = run.source(key, name)
        if source is None:
            known = {**run.table(key), **run.parameters}
            raise NotFound(f"{found.run_pathspec}/{key} has no artifact {name!r}", hint=did_you_mean(name, known))
        sources.append(source)
    walk = _Walk(graph, depth)
    if spec.artifact is not None:
        root = graph.node(run, sources[0], "")
        up = walk.up(run, sources[0]) if direction != "down" else []
    else:
        root = graph.task_node(run, key, "")
        up = walk.used(run, key, 0) if direction != "down" else []
    walk.seen.clear()
    down = [node for source in sources for node in walk.down(run, source)] if direction != "up" else []
    return {"root": root, "up": up, "down": down}


class _Run:
    """The finished tasks of one run, by "step/task"."""

    def __init__(self, store: Any, flow: str, run: str) -> None:
        self.flow, self.run = flow, run
        self.parameters = store.runs.read_run(flow, run).get("parameters") or {}
        self.records: dict[str, Row] = {}
        for record in store.tasks.read_tasks(flow, run):
            if record["ok"]:
                self.records[f"{record['step']}/{record['task']}"] = record
        self._store = store
        self._known: dict[str, Row] = {}
        self._tables: dict[str, Row] = {}
        self._sources: dict[tuple[str, str], Source | None] = {}
        self._users: dict[Source, list[str]] | None = None

    @property
    def pathspec(self) -> str:
        return f"{self.flow}/{self.run}"

    def table(self, key: str) -> Row:
        if key not in self._tables:
            self._tables[key] = self._store.tasks.resolve_artifacts(self.records[key], self._known)
        return self._tables[key]

    def parents(self, key: str) -> list[str]:
        return [parent for parent in self.records[key].get("parents") or () if parent in self.records]

    def source(self, key: str, name: str) -> Source | None:
        """Who assigned what this task has under a name; None when it has nothing."""
        path = []
        while (key, name) not in self._sources:
            path.append((key, name))
            artifact = self.table(key).get(name)
            if artifact is None:
                self._sources[key, name] = ("", name) if name in self.parameters else None
                break
            before = next(
                (p for p in self.parents(key) if (self.table(p).get(name) or {}).get("digest") == artifact["digest"]),
                None,
            )
            if before is None:
                self._sources[key, name] = (key, name)
                break
            key = before
        found = self._sources[key, name]
        for step in path:
            self._sources[step] = found
        return found

    def own(self, key: str) -> list[str]:
        return sorted(name for name in self.table(key) if self.source(key, name) == (key, name))

    def sources_used(self, key: str) -> list[Source]:
        """What a task used of its own run, each once, in the order of their names."""
        found: dict[Source, None] = {}
        for source in self._sources_used(key):
            if source is not None:
                found.setdefault(source)
        return list(found)

    def _sources_used(self, key: str) -> Iterable[Source | None]:
        record, parents = self.records[key], self.parents(key)
        used = record.get("used")
        if used is None:
            used = sorted({f"self:{name}" for parent in parents for name in self.table(parent)})
        for note in used:
            kind, _, name = note.partition(":")
            if kind in ("self", "inputs"):
                if name in self.parameters:
                    yield "", name
                for parent in parents:
                    yield self.source(parent, name)
            elif kind in ("input", "stack"):
                frames = record.get("stack") or []
                for frame in frames[-1:] if kind == "input" else frames:
                    yield self._split(key, frame)

    def _split(self, key: str, frame: Row) -> Source | None:
        """The artifact that a foreach around the task was over."""
        waiting = [key]
        while waiting:
            place = waiting.pop()
            if place.split("/")[0] == frame["step"]:
                return self.source(place, frame["var"])
            waiting += self.parents(place)[:1]
        return None

    def users(self, source: Source) -> list[str]:
        if self._users is None:
            self._users = {}
            for key in self.records:
                for used in self.sources_used(key):
                    self._users.setdefault(used, []).append(key)
        return self._users.get(source, [])


class _Graph:
    """Runs, each read once."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self._runs: dict[tuple[str, str], _Run | None] = {}

    def run(self, flow: str, run: str) -> _Run | None:
        """None for a run that is gone."""
        if (flow, run) not in self._runs:
            try:
                self._runs[flow, run] = _Run(self.store, flow, run)
            except MetaflowError:
                self._runs[flow, run] = None
        return self._runs[flow, run]

    def node(self, run: _Run, source: Source, relation: str) -> Row:
        key, name = source
        artifact = (run.table(key) if key else run.parameters).get(name) or {}
        node = self.task_node(run, key, relation) if key else _node(run.pathspec, None, relation)
        shown = {"class": artifact.get("class"), "size": artifact.get("size"), "parameter": not key}
        return {**node, **shown, "pathspec": "/".join(filter(None, (run.pathspec, key, name))), "name": name}

    def task_node(self, run: _Run, key: str, relation: str) -> Row:
        return {
            **_node(f"{run.pathspec}/{key}", f"{run.pathspec}/{key}", relation),
            "origin": run.records[key].get("origin"),
        }


def _node(pathspec: str, task: str | None, relation: str, **more: Any) -> Row:
    return {
        "pathspec": pathspec,
        "task": task,
        "name": None,
        "relation": relation,
        "class": None,
        "size": None,
        "parameter": False,
        "origin": None,
        "gone": False,
        "seen": False,
        "more": 0,
        "children": [],
        **more,
    }


class _Walk:
    """Goes up or down from an artifact. Each artifact is expanded once."""

    def __init__(self, graph: _Graph, depth: int) -> None:
        self._graph = graph
        self._depth = depth
        self._left = NODES
        self.seen: dict[tuple[str, str, Source], bool] = {}

    def up(self, run: _Run, source: Source, level: int = 0) -> list[Row]:
        """What the task that assigned it had used."""
        return self.used(run, source[0], level) if source[0] else []

    def used(self, run: _Run, key: str, level: int) -> list[Row]:
        items = [(run, source, "used") for source in run.sources_used(key)]
        nodes = self._nodes(items, level, self.up)
        for pathspec in run.records[key].get("reads") or ():
            nodes.append(self._read(pathspec, level))
        return nodes

    def down(self, run: _Run, source: Source, level: int = 0) -> list[Row]:
        """What the tasks that used it assigned."""
        items, idle = [], []
        for reader, key, relation in self._readers(run, source):
            own = reader.own(key)
            items += [(reader, (key, name), relation) for name in own]
            if not own:
                idle.append(self._graph.task_node(reader, key, relation))
        return self._nodes(items, level, self.down) + idle

    def _readers(self, run: _Run, source: Source) -> Iterable[tuple[_Run, str, str]]:
        for key in run.users(source):
            yield run, key, "used"
        for record in self._graph.store.readers.of_run(run.flow, run.run):
            reader, key = self._graph.run(record["flow"], record["run"]), f"{record['step']}/{record['task']}"
            # One whose task did not finish, or finished in another attempt, has read nothing that lasts.
            if reader is None or record["attempt"] != (reader.records.get(key) or {}).get("attempt"):
                continue
            if any(self._names(run, pathspec, source) for pathspec in record["artifacts"]):
                yield reader, key, "read through the client"

    @staticmethod
    def _names(run: _Run, pathspec: str, source: Source) -> bool:
        spec = parse_pathspec(pathspec)
        return spec.artifact == source[1] and run.source(f"{spec.step}/{spec.task}", spec.artifact) == source

    def _read(self, pathspec: str, level: int) -> Row:
        spec = parse_pathspec(pathspec)
        run, key = self._graph.run(spec.flow, spec.run), f"{spec.step}/{spec.task}"
        source = run.source(key, spec.artifact) if run is not None and key in run.records else None
        if source is None:
            task = str(Pathspec(*spec.parts[:4]))
            return _node(pathspec, task, "read through the client", name=spec.artifact, gone=True)
        return self._nodes([(run, source, "read through the client")], level, self.up)[0]

    def _nodes(self, items: list[tuple[_Run, Source, str]], level: int, go_on: Any) -> list[Row]:
        nodes: list[Row] = []
        alike: dict[tuple[str, str, str], list[Row]] = {}
        for run, source, relation in items:
            group = alike.setdefault((run.pathspec, source[0].split("/")[0], source[1]), [])
            if len(group) == SIBLINGS or self._left <= 0:
                if group:
                    group[-1]["more"] += 1
                continue
            node = self._graph.node(run, source, relation)
            place = (run.flow, run.run, source)
            self._left -= 1
            group.append(node)
            nodes.append(node)
            if place in self.seen:
                node["seen"] = self.seen[place]
            elif level + 1 < self._depth:
                self.seen[place] = True
                node["children"] = go_on(run, source, level + 1)
                self.seen[place] = bool(node["children"])
        return nodes
