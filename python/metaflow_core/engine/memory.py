"""Memoised steps: which finished tasks of earlier runs stand in for tasks of this one.

While a task of a memoised step runs, the worker notes all that it looks at. What it does follows from its code, from
what it looked at and from its seed. So an earlier task stands in for a new one when everything that *that task had
read* is the same for the new one: then the new one would read the same things, one after the other, and do the same
(what it reads next depends only on what it has read so far). Things that it did not read may differ: other artifacts,
functions that it did not call, its place in a foreach.

A doubt is a miss. A task is not remembered when it failed or was caught, when it read what no other task can have
(its run id, other runs through the client), or something that cannot be compared (a connection, an external pointer).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..canonical import canonical_json
from ..errors import MetaflowError
from ..graph.flow import FlowSpec
from ..registry import plugins
from ..store.memos import MemoStore
from ..store.open import Store
from ..store.tasks import blob_of
from .fingerprint import Fingerprint, InstalledPackages, short
from .outcome import splits_from_record
from .plan import Plan
from .position import task_seed
from .python_memory import PythonCode
from .reads import ABSENT, ReadValues
from .states import Outcome, Task

__all__ = ["Memory"]

FORMAT = 1
WRITE_SECONDS = 2.0
MOST_RUNS = 256  # a step that many runs did differently is remembered from the newest of them
_PARALLEL = 32
_LOOK_AGAIN_SECONDS = 600.0

Record = dict[str, Any]


@dataclass(frozen=True)
class _Candidate:
    """An earlier task: where it is, and what it had read, as places in the memo of its run."""

    memo: Record
    run: str
    task: str
    attempt: int
    position: str
    finished_at: float
    notes: int
    values: tuple[str, ...]
    packages: int
    seed: int


@dataclass
class _Step:
    """A memoised step: how it is set up, what is known of it, and what this run adds. `code` and `system` have digests
    and versions that are the same for all of its tasks."""

    name: str
    on: frozenset[str]
    expire_seconds: float | None
    kind: str
    code: Record
    system: Record
    version: str
    problem: str | None
    known: dict[tuple[str, ...], dict[tuple[Any, ...], list[_Candidate]]] | None = None
    by_position: dict[str, _Candidate] = field(default_factory=dict)
    newest: _Candidate | None = None
    memo: Record | None = None
    dirty: bool = False
    python: bool = False


class Memory:
    """The memory of one run. `current`: facts that its tasks can ask for; `namespace`: the one that it searches."""

    def __init__(
        self,
        store: Store,
        spec: FlowSpec,
        plan: Plan,
        fingerprint: Fingerprint,
        parameters: Mapping[str, Any],
        current: Mapping[str, Any],
        seed: int,
        namespace: str | None,
        search: bool = True,
        redo: str | None = None,
        python: PythonCode | None = None,
    ) -> None:
        self.flow = plan.flow
        self.run = ""
        self._store = store
        self._memos = MemoStore(store.storage)
        self._fingerprint = fingerprint
        self._values = ReadValues(store, plan, parameters, fingerprint, current)
        self._seed = seed
        self._namespace = namespace
        self._search = search
        self._redo = redo
        self._python = python or PythonCode({}, {})
        self._steps = {
            step.name: self._described(step, plan) for step in spec.steps if plan.steps[step.name].policy.cache_on
        }
        self._visible: dict[str, bool] = {}
        self._records: dict[tuple[str, str], dict[tuple[str, int], Record]] = {}
        self._blobs: dict[str, bool] = {}
        self._looked_at = time.monotonic()
        self._packages = InstalledPackages(fingerprint.libraries)
        self._needed: dict[frozenset[str], set[str]] = {}
        self._same_names: dict[tuple[int, int], bool] = {}
        self._missed: dict[str, Record] = {}
        self._next_write = 0.0

    def remembers(self, step: str) -> bool:
        return step in self._steps

    # -- finding

    def find(self, task: Task) -> Outcome | None:
        """The outcome of an earlier task that did the same; None, and `why` knows the reason."""
        step = self._steps.get(task.step)
        if step is None or not self._search or task.step == self._redo:
            return None
        if any(parent.table is None for parent in task.parents):
            return None  # a join some of whose splits failed
        if step.known is None:
            self._load(step)
        for notes, tasks in step.known.items():
            for candidate in tasks.get(self._now(step, task, notes), ()):
                record = self._origin(step, candidate)
                if record is not None:
                    task.origin = record.get("origin") or _pathspec(record)
                    task.remembered = True
                    own = {name: record["artifacts"][name] for name in record["memo"]["own"]}
                    return Outcome(own, splits_from_record(record.get("splits")), record.get("choice"), extra=record)
        self._missed[task.key] = self._difference(step, task)
        return None

    def why(self, task: Task) -> Record | None:
        """Why no earlier task was taken over, as `R/memory-why.R` reads it."""
        return self._missed.pop(task.key, None)

    def _load(self, step: _Step) -> None:
        step.known = {}
        if step.problem is not None:
            return
        listed = self._memos.listed(self.flow, step.name, step.kind)
        code, _, system = step.version.partition("-")
        wanted = [item for item in listed if _fits(item[1], code, system, step.on)][:MOST_RUNS]
        memos = self._memos.read(self.flow, step.name, step.kind, wanted)
        for item in wanted:
            for candidate in _candidates(memos.get(item), item[0]):
                step.newest = step.newest or candidate
                step.by_position.setdefault(candidate.position, candidate)
                notes = tuple(_wanted_notes(candidate.memo["notes"][candidate.notes], step.on))
                values = dict(zip(candidate.memo["notes"][candidate.notes], candidate.values))
                vector = _vector(step, candidate.position, candidate.seed, [values[note] for note in notes])
                step.known.setdefault(notes, {}).setdefault(vector, []).append(candidate)

    def _now(self, step: _Step, task: Task, notes: Iterable[str]) -> tuple[Any, ...]:
        return _vector(step, task.position, self._task_seed(task), [self._values.of(task, note) for note in notes])

    def _task_seed(self, task: Task) -> int:
        return task_seed(self._seed, task.position)

    def _origin(self, step: _Step, candidate: _Candidate) -> Record | None:
        """The record of a candidate which may stand in: same names and packages, visible, fresh, and still there."""
        if not self._fresh(step, candidate) or not self._is_visible(candidate.run):
            return None
        if "code" in step.on and not self._has_same_names(step, candidate):
            return None
        if "packages" in step.on and self._changed_packages(candidate):
            return None
        record = self._of_run(candidate.run, step.name).get((candidate.task, candidate.attempt))
        return record if record is not None and self._is_whole(record) else None

    def _fresh(self, step: _Step, candidate: _Candidate) -> bool:
        return step.expire_seconds is None or time.time() - candidate.finished_at <= step.expire_seconds

    def _is_visible(self, run: str) -> bool:
        if run not in self._visible:
            self._visible[run] = self._namespace is None or self._namespace in self._tags(run)
        return self._visible[run]

    def _tags(self, run: str) -> set[str]:
        try:
            record = self._store.runs.read_run(self.flow, run)
            return {*(record.get("system_tags") or ()), *self._store.runs.read_tags(self.flow, run)["tags"]}
        except MetaflowError:
            return set()

    def _has_same_names(self, step: _Step, candidate: _Candidate) -> bool:
        """Whether what the workspace has since got or lost can have been looked up: R looks names up in many places."""
        place = (id(candidate.memo), candidate.notes)
        if place not in self._same_names:
            self._same_names[place] = not self._suspect_names(step, candidate)
        return self._same_names[place]

    def _suspect_names(self, step: _Step, candidate: _Candidate) -> list[str]:
        memo = candidate.memo
        if step.python:
            return []
        then, now = set(memo["names"]), set(self._fingerprint.globals())
        changed = (now - then) | (then - now)
        if not changed:
            return []
        pieces = _piece_names(step.name, memo["notes"][candidate.notes])
        known = [self._fingerprint.pieces[name] for name in pieces if name in self._fingerprint.pieces]
        if any(piece.dynamic for piece in known):
            return sorted(changed)
        words = set().union(*(piece.words for piece in known), *(memo["words"].get(name, ()) for name in pieces))
        harmless = (self._fingerprint.plain | set(memo["plain"])) - words
        return sorted(changed - harmless)

    def _changed_packages(self, candidate: _Candidate) -> list[str]:
        """ "dplyr 1.0.9 -> 1.1.0" for each that the task had loaded and that is another one now."""
        changed = []
        for package, version in candidate.memo["packages"][candidate.packages].items():
            now = self._packages.version(package)
            if now != version:
                changed.append(f"{package} {version} -> {now or 'not installed'}")
        return changed

    def _of_run(self, run: str, step: str) -> dict[tuple[str, int], Record]:
        if (run, step) not in self._records:
            try:
                records = self._store.tasks.read_tasks(self.flow, run, [step])
            except MetaflowError:
                records = []
            good = [record for record in records if record["ok"] and not record.get("caught") and record.get("memo")]
            self._look_for(blob for record in good for blob in _blobs(record))
            self._records[run, step] = {(record["task"], record["attempt"]): record for record in good}
        return self._records[run, step]

    def _is_whole(self, record: Record) -> bool:
        self._look_for(_blobs(record))
        return all(self._blobs[blob] for blob in _blobs(record))

    def _look_for(self, blobs: Iterable[str]) -> None:
        if time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS:
            self._blobs.clear()  # a clean-up may have deleted them meanwhile
            self._looked_at = time.monotonic()
        new = sorted(set(blobs).difference(self._blobs))
        has = self._store.blobs.keep
        if self._store.storage.capabilities.local_paths or len(new) < _PARALLEL:
            self._blobs.update((blob, has(blob)) for blob in new)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_PARALLEL) as pool:  # each is a request
            self._blobs.update(zip(new, pool.map(has, new)))

    # -- remembering

    def remember(self, task: Task, result: Mapping[str, Any], own: Iterable[str]) -> Record | None:
        """What the task's record says of this: {"own", "why", "forgotten"}; its memo is written a little later."""
        step = self._steps.get(task.step)
        if step is None:
            return None
        forgotten = self._add(step, task, result)
        return {"own": sorted(own), "why": self.why(task), "forgotten": forgotten}

    def _add(self, step: _Step, task: Task, result: Mapping[str, Any]) -> str | None:
        """None, or why the task cannot stand in for another one."""
        trace = result.get("trace")
        if step.problem is not None:
            return step.problem
        if result.get("caught"):
            return "it failed, and the error was caught"
        if any(parent.table is None for parent in task.parents):
            return "some of its inputs failed"
        if trace is None:
            return "its worker did not note what it read"
        if trace.get("volatile"):
            return trace["volatile"]
        if step.python and (doubt := self._python.doubt(trace)):
            return doubt
        notes = sorted({*trace["notes"], *(["inputs"] if result.get("join") else [])})
        values = [self._values.of(task, note) for note in notes]
        if None in values:
            return self._incomparable(notes[values.index(None)])
        memo = step.memo = step.memo or self._new_memo(step)
        # Versions of Python's are those of the step.
        packages = {} if step.python else self._loaded(step.name, notes, trace.get("packages") or {})
        memo["entries"].append(
            [
                task.id,
                task.attempt,
                task.position,
                result["finished_at"],
                _place(memo["notes"], notes),
                values,
                _place(memo["packages"], packages),
                self._task_seed(task),
            ]
        )
        for name in _piece_names(step.name, notes):
            self._add_words(memo, name)
        step.dirty = True
        return None

    def _incomparable(self, note: str) -> str:
        kind, _, name = note.partition(":")
        piece = self._fingerprint.piece(f"globals/{name}") if kind == "global" else None
        if piece is not None:
            return f"it read the object '{name}', which cannot be compared: {piece.problem}"
        if kind == "current":
            return f'it read current("{name}"), which is another one in each task'
        return f"it read {note}, which cannot be compared"

    def _loaded(self, step: str, notes: list[str], told: Mapping[str, str]) -> dict[str, str]:
        """{package: version}: what the worker had loaded in the end, and what the code names, which a process that the
        task started may have loaded."""
        pieces = (self._fingerprint.piece(name) for name in _piece_names(step, notes))
        named = frozenset().union(*(piece.packages for piece in pieces if piece is not None))
        if named not in self._needed:
            self._needed[named] = self._packages.with_needed(named)
        versions = {name: self._packages.version(name) for name in self._needed[named]}
        for name, version in told.items():
            installed = self._packages.version(name)
            # A worker on another machine may have others.
            versions[name] = installed if installed is not None and installed.split(" ")[0] == version else version
        return dict(sorted(versions.items()))

    def _new_memo(self, step: _Step) -> Record:
        return {
            "format": FORMAT,
            "code": step.code,
            "system": step.system,
            "names": self._fingerprint.globals(),
            "plain": sorted(self._fingerprint.plain),
            "words": {},
            "notes": [],
            "packages": [],
            "entries": [],
        }

    def _add_words(self, memo: Record, name: str) -> None:
        piece = self._fingerprint.piece(name)
        if piece is not None:
            memo["words"].setdefault(name, sorted(piece.words))

    def write(self, now: float, at_once: bool = False) -> None:
        """Put the memos of what finished since the last time into the store, not more often than it pays."""
        if now < self._next_write and not at_once:
            return
        self._next_write = now + WRITE_SECONDS
        for step in self._steps.values():
            if step.dirty:
                self._memos.write(self.flow, step.name, step.kind, self.run, step.version, step.memo)
                step.dirty = False

    # -- how a step is set up

    def _described(self, step: Any, plan: Plan) -> _Step:
        planned = plan.steps[step.name]
        policy = planned.policy
        known = plugins("decorators")
        # The code of the user's own decorators is among what was captured ("other").
        decorators = [
            [d.name if d.user else known.get(d.name).name, dict(d.args)]
            for d in step.decorators
            if d.user or known.get(d.name).shapes_result
        ]
        kind = {
            "format": FORMAT,
            "language": step.language,
            "foreach": step.foreach,
            "condition": planned.condition,
            "cases": sorted(planned.cases),
            "join": step.join,
            "decorators": decorators,
            "catch": policy.catch_var,
            "env": dict(policy.env),
        }
        in_python = step.language == "python"
        system = dict(self._fingerprint.system)
        if in_python:
            # Objects of the R session are none of its code.
            code, problem = {f"steps/{step.name}": self._python.steps.get(step.name, ABSENT)}, None
            system.update(self._python.facts)
        else:
            code, problem = self._code(step.name)
        version = f"{_short(code)}-{_short(system)}"
        return _Step(
            step.name, policy.cache_on, policy.cache_seconds, _short(kind), code, system, version, problem,
            python=in_python,
        )

    def _code(self, step: str) -> tuple[Record, str | None]:
        code: Record = {"attached": list(self._fingerprint.attached), "rng": list(self._fingerprint.rng)}
        for name in (f"steps/{step}", "classes", "other"):
            piece = self._fingerprint.piece(name)
            if piece is not None and piece.problem:
                return code, f"its code cannot be compared: {piece.problem}"
            code[name] = ABSENT if piece is None else piece.digest
        return code, None

    # -- saying why

    def _difference(self, step: _Step, task: Task) -> Record:
        """What keeps the nearest earlier task from standing in: {"than": its pathspec, "code": names, ...}."""
        if step.problem is not None:
            return {"problem": step.problem}
        candidate = step.by_position.get(task.position) or step.newest
        if candidate is None:
            return self._other_version(step)
        found: Record = {"than": f"{self.flow}/{candidate.run}/{step.name}/{candidate.task}"}
        code, inputs = [], []
        for note, then in zip(candidate.memo["notes"][candidate.notes], candidate.values):
            kind, _, name = note.partition(":")
            on, group = ("code", code) if kind == "global" else ("inputs", inputs)
            if on in step.on and self._values.of(task, note) != then:
                group.append(name if kind == "global" else _note_text(note))
        if "code" in step.on and not code:
            code = [f"{name} (new or removed)" for name in self._suspect_names(step, candidate)]
        packages = self._changed_packages(candidate) if "packages" in step.on else []
        found.update(
            {name: items for name, items in (("code", code), ("inputs", inputs), ("packages", packages)) if items}
        )
        if "seed" in step.on and self._task_seed(task) != candidate.seed:
            found["seed"] = [f"{candidate.seed} -> {self._task_seed(task)}"]
        if not self._fresh(step, candidate):
            found["expired"] = True
        if not self._is_visible(candidate.run):
            found["namespace"] = self._namespace
        if len(found) == 1:
            found["gone"] = True
        return found

    def _other_version(self, step: _Step) -> Record:
        listed = self._memos.listed(self.flow, step.name, step.kind)
        memos = self._memos.read(self.flow, step.name, step.kind, listed[:1])
        if not memos:
            others = self._memos.kinds(self.flow, step.name)
            return {"settings": True} if others else {"first": True}
        (run, _), memo = next(iter(memos.items()))
        found: Record = {"than": f"{self.flow}/{run}/{step.name}"}
        if "code" in step.on:
            code = [_code_text(name, step) for name, now in step.code.items() if memo["code"].get(name) != now]
            found.update({"code": code} if code else {})
        if "packages" in step.on:
            then, now = memo["system"], step.system
            changed = [
                f"{name} {then.get(name) or 'not installed'} -> {now.get(name) or 'not installed'}"
                for name in sorted({*then, *now})
                if then.get(name) != now.get(name)
            ]
            found.update({"packages": changed} if changed else {})
        return found


def _fits(version: str, code: str, system: str, on: frozenset[str]) -> bool:
    its_code, _, its_system = version.partition("-")
    return ("code" not in on or its_code == code) and ("packages" not in on or its_system == system)


def _candidates(memo: Record | None, run: str) -> Iterable[_Candidate]:
    for task, attempt, position, finished_at, notes, values, packages, seed in (memo or {}).get("entries", ()):
        yield _Candidate(memo, run, task, attempt, position, finished_at, notes, tuple(values), packages, seed)


def _wanted_notes(notes: Iterable[str], on: frozenset[str]) -> Iterable[str]:
    return (note for note in notes if ("code" if note.startswith("global:") else "inputs") in on)


def _vector(step: _Step, position: str, seed: int, values: list[Any]) -> tuple[Any, ...]:
    """What must be equal. Where inputs do not count, the place in the flow says which of many tasks is meant."""
    return (seed if "seed" in step.on else None, None if "inputs" in step.on else position, *values)


def _blobs(record: Record) -> Iterable[str]:
    for name in record["memo"]["own"]:
        yield blob_of(record["artifacts"][name])[0]
    splits = record.get("splits") or {}
    if splits.get("blob"):
        yield splits["blob"]


def _piece_names(step: str, notes: Iterable[str]) -> list[str]:
    """The pieces of code (see fingerprint.py) that a task with these notes had."""
    objects = [f"globals/{note.partition(':')[2]}" for note in notes if note.startswith("global:")]
    return [f"steps/{step}", "classes", "other", *objects]


def _place(table: list[Any], item: Any) -> int:
    """Where `item` is in a table, which gets it if it does not have it. Few different ones are in it."""
    if item not in table:
        table.append(item)
    return table.index(item)


def _short(value: Any) -> str:
    return short(canonical_json(value).encode())[:16]


def _pathspec(record: Mapping[str, Any]) -> str:
    return "/".join((record["flow"], record["run"], record["step"], record["task"], str(record["attempt"])))


def _note_text(note: str) -> str:
    """A note as a person would write it."""
    kind, _, name = note.partition(":")
    texts = {
        "self": name,
        "inputs": f"{name} of the inputs" if name else "the number of inputs",
        "inputs*": "an artifact of the inputs",
        "names": "names of artifacts",
        "current": f'current("{name}")',
        "index": "its place in the foreach",
        "stack": "the foreach around it",
        "input": "its element of the foreach",
    }
    return texts.get(kind, note)


def _code_text(name: str, step: _Step) -> str:
    beside = ", or a Python file beside it" if step.python else ""
    texts = {
        f"steps/{step.name}": f"the function of the step{beside}",
        "classes": "classes or methods",
        "other": "what was captured beside it",
        "attached": "the attached packages",
        "rng": "RNGkind()",
    }
    return texts.get(name, name)
