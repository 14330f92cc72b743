"""The engine with everything but R: a real datastore, the real loop, and a backend whose tasks are Python functions.

A task leaves in its folder what `R/worker-task.R` leaves. What it computes depends on everything it was told, so two
runs have the same artifacts only if every task was told the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from metaflow_core.contracts.backend import BackendCapabilities, Report, Submission
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine.loop import RunLoop
from metaflow_core.engine.start import begin_run
from metaflow_core.settings import load_settings
from metaflow_core.store.open import Store, open_store

#: What a task can do instead of ending well; see ScriptedBackend.
VANISH, HANG, BROKEN = "vanish", "hang", "broken"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ScriptedBackend:
    """`behave(order)` gives the result of a task (`succeed` makes one), or VANISH (the process dies), HANG (it runs
    until it is cancelled) or BROKEN (no worker starts). `slots` tasks run at once and end in the order they came,
    one per poll."""

    capabilities = BackendCapabilities(local_slots=True)

    def __init__(self, behave: Callable[[Mapping[str, Any]], Any], slots: int = 2) -> None:
        self.behave = behave
        self.slots = slots
        self.running: dict[str, Mapping[str, Any]] = {}
        self.cancelled: list[str] = []
        self.submitted: list[str] = []
        self.closed = False

    def free_slots(self) -> int:
        return self.slots - len(self.running)

    def capabilities_for(self, policy: StepPolicy) -> BackendCapabilities:
        return self.capabilities

    def submit(self, tasks: Sequence[Submission]) -> None:
        for task in tasks:
            self._submit(task.key, task.order)

    def find(self, paths: Sequence[str]) -> set[str]:
        return set()

    def _submit(self, key: str, order: Mapping[str, Any]) -> None:
        assert self.free_slots() > 0
        assert not self.closed
        json.dumps(order)
        self.submitted.append(f"{order['position']} attempt {order['attempt']}")
        os.makedirs(order["dir"])
        self.running[key] = order

    def poll(self, timeout_seconds: float) -> list[Report]:
        assert timeout_seconds >= 0
        for key, order in self.running.items():
            if key in self.cancelled:
                del self.running[key]
                return [Report("ended", key, finished=False, exit="signal 9")]
            done = self.behave(order)
            if done == HANG:
                continue
            del self.running[key]
            if done == BROKEN:
                return [Report("broken", message="R does not start")]
            if done == VANISH:
                return [Report("ended", key, finished=False, exit="signal 9")]
            leave(order, done)
            return [Report("ended", key)]
        return []

    def cancel(self, keys: Iterable[str]) -> None:
        self.cancelled.extend(keys)

    def close(self) -> None:
        self.closed = True

    def finish_orphans(self) -> int:
        """The scheduler is dead, its tasks are not: they end and leave their results to whoever comes."""
        count = 0
        for order in self.running.values():
            done = self.behave(order)
            if isinstance(done, dict):
                leave(order, done)
                count += 1
        return count


def leave(order: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Write the files of a result, and `result.json` last."""
    result = dict(result)
    for name, content in result.pop("files").items():
        with open(os.path.join(order["dir"], name), "wb") as file:
            file.write(content)
    for field in ("step", "task", "attempt", "position", "seed", "parents", "frames", "join"):
        result[field] = order.get(field)
    part = os.path.join(order["dir"], "result.json.part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump({"started_at": 1.0, "finished_at": 2.0, "usage": {"wall": 1.0, "user": 0.5}, **result}, file)
    os.rename(part, os.path.join(order["dir"], "result.json"))


def succeed(order: Mapping[str, Any], count: int = 2, choice: str | None = None, **values: bytes) -> dict[str, Any]:
    """A task's result: it assigns `latest` and `of_<step>` (and `values`) and, in a join, takes over what agrees."""
    told = json.dumps([order["position"], order["seed"], seen(order), [frame["ref"] for frame in order["stack"]]])
    carried = agreeing(order) if order.get("join") else {}
    values = {"latest": told.encode(), f"of_{order['step']}": sha(told.encode()).encode(), **values}
    if order.get("catch_var"):
        values.setdefault(order["catch_var"], b"NULL")
    result = {"ok": True, "files": {}, "carried": {name: ref for name, ref in carried.items() if name not in values}}
    result.update(pack(values))
    if "foreach" in order:
        elements = [f"{told} {index}".encode() for index in range(count)]
        result["foreach"] = {"count": count, "file": "splits", "sizes": [len(element) for element in elements]}
        if elements:
            result["files"]["splits"] = b"".join(elements)
    if "condition" in order:
        result["condition"] = choice or chosen(order)
    return result


def chosen(order: Mapping[str, Any]) -> str:
    """The case of a switch when nobody says another one: shapes.json tells how, and tests/cross/flow.R does the same."""
    number = int(order["position"].partition("#")[2] or 0) + (order["frames"][-1]["index"] if order["frames"] else 0)
    return order["cases"][min(number, len(order["cases"]) - 1)]


def fail(order: Mapping[str, Any], message: str = "boom") -> dict[str, Any]:
    """The result of a task whose step called stop(); when it is the one to catch that, it does."""
    error = {
        "classes": ["simpleError", "error", "condition"],
        "message": message,
        "call": "f()",
        "cause": "error",
        "frames": [],
    }
    if order.get("catch"):
        caught = succeed(order, **{order["catch"]["var"]: message.encode()})
        return {**caught, "caught": order["catch"]["var"], "error": error}
    condition = pack({"condition": message.encode()}, "error")
    return {
        "ok": False,
        "error": error,
        "artifacts": {},
        "files": condition["files"],
        "error_value": condition["artifacts"]["condition"],
    }


def pack(values: Mapping[str, bytes], name: str = "pack") -> dict[str, Any]:
    items, offset = {}, 0
    for key, content in values.items():
        items[key] = {"file": name, "offset": offset, "size": len(content), "class": ["character"], "length": 1}
        offset += len(content)
    return {"artifacts": items, "files": {name: b"".join(values.values())}}


def seen(order: Mapping[str, Any]) -> list:
    """Digests of everything a task was told of."""
    if order.get("join"):
        inputs = order["inputs"]
        return [
            {name: digest_in(ref) for name, ref in sorted({**inputs["base"], **item["artifacts"]}.items())}
            for item in inputs["items"]
        ]
    return [{name: digest_in(ref) for name, ref in sorted(order.get("artifacts", {}).items())}]


def agreeing(order: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, dict[str, str]] = {}
    for item in order["inputs"]["items"]:
        for name, ref in {**order["inputs"]["base"], **item["artifacts"]}.items():
            found.setdefault(name, {})[digest_in(ref)] = ref
    return {name: next(iter(refs.values())) for name, refs in found.items() if len(refs) == 1}


def digest_in(ref: str) -> str:
    return ref.rsplit(" ", 1)[1]


# -- runs


class Engine:
    """Begins runs of one flow in one datastore, each as a process of its own would: with everything opened anew."""

    def __init__(self, root: str, spec: Mapping[str, Any]) -> None:
        self.root = str(root)
        self.spec = dict(spec)
        self.settings = load_settings(arguments={"datastore_root": self.root})

    def open(self) -> Store:
        return open_store(self.settings)

    def begin(
        self, behave, slots: int = 2, store: Store | None = None, **request: Any
    ) -> tuple[RunLoop, ScriptedBackend]:
        staging = os.path.join(os.path.dirname(self.root), "staging")
        os.makedirs(staging, exist_ok=True)
        with open(os.path.join(staging, "code"), "wb") as file:
            file.write(b"the code of the flow")
        backend = ScriptedBackend(behave, slots)
        request = {"spec": self.spec, "staging": staging, "code": "code", "seed": 1, "max_workers": slots, **request}
        loop = begin_run(store or self.open(), self.settings, request, lambda init, count: backend)
        return loop, backend

    def run(self, behave=succeed, **more: Any) -> RunLoop:
        """A run from start to end; its events are in `loop.told`."""
        loop, _ = self.begin(behave, **more)
        return self.finish(loop)

    def finish(self, loop: RunLoop) -> RunLoop:
        loop.told = []
        for _ in range(2000):
            loop.told += loop.advance(0.05)
            if loop.finished:
                return loop
        raise AssertionError(f"the run does not end: {loop.progress()}")

    def resume(self, behave=succeed, step: str | None = None, run: str | None = None, **more: Any) -> RunLoop:
        return self.run(behave, resume={"run": run, "step": step}, **more)

    def records(self, run: str) -> dict[str, dict[str, Any]]:
        """{position: the record of the task that is done there}."""
        return {
            record["position"]: record
            for record in self.open().tasks.read_tasks(self.spec["name"], run)
            if record["ok"]
        }

    def artifacts(self, run: str) -> dict[str, dict[str, bytes]]:
        """{position: {name: the stored bytes, verified}}."""
        store = self.open()
        found = {}
        for position, record in self.records(run).items():
            found[position] = {
                name: self.read(store, artifact) for name, artifact in store.tasks.resolve_artifacts(record).items()
            }
        return found

    @staticmethod
    def read(store: Store, artifact: Mapping[str, Any]) -> bytes:
        blob = artifact.get("blob") or artifact["digest"]
        return store.blobs.read(blob, artifact.get("offset") or 0, artifact["size"], expect=artifact["digest"])

    def status(self, run: str) -> dict[str, Any]:
        return self.open().runs.read_status(self.spec["name"], run)


def events(loop: RunLoop, kind: str) -> list[dict[str, Any]]:
    return [event for event in loop.told if event["event"] == kind]
