"""Real R flows in folders of their own: `Rscript flow.R ...` as a user types it, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaflow_core.settings import load_settings
from metaflow_core.store.open import Store, open_store

HERE = Path(__file__).resolve().parent
#: In the environment of everything that a flow starts, so that nothing can hide.
MARK = "CROSS_MARK"
KEPT = ("METAFLOW_PYTHON", "METAFLOW_VENV")


@dataclass
class Ended:
    """How a command ended. `output` has what it printed on both streams."""

    status: int
    output: str

    def expect(self, status: int) -> Ended:
        assert self.status == status, f"exit status {self.status} instead of {status}:\n{self.output}"
        return self


def processes_with(variable: str, value: str) -> dict[int, str]:
    """{pid: command line} of every live process that has this in its environment (Linux only)."""
    wanted = f"{variable}={value}".encode()
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if wanted not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    found[int(name)] = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
    return found


class RFlow:
    """The files of a flow in `folder`, with its datastore beside them. `env`: more environment for its commands."""

    def __init__(self, folder: Path, files: dict[str, str | Path], name: str = "CrossFlow", **env: str) -> None:
        self.folder = Path(folder)
        self.name = name
        self.root = self.folder / "store"
        self.mark = uuid.uuid4().hex
        self.env = env
        for target, source in files.items():
            path = self.folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, Path):
                shutil.copy(source, path)
            else:
                path.write_text(source, encoding="utf-8")

    # -- commands

    def start(self, *words: str, **env: str) -> subprocess.Popen:
        """`Rscript flow.R words...` in a process group of its own, its output in a file."""
        with open(self.folder / "output", "wb") as output:
            return subprocess.Popen(
                ["Rscript", "flow.R", *words],
                cwd=self.folder,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen, seconds: float = 120) -> Ended:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"no end after {seconds} seconds:\n{self.output()}") from None
        return Ended(status, self.output())

    def command(self, *words: str, seconds: float = 120, **env: str) -> Ended:
        return self.finish(self.start(*words, **env), seconds)

    def output(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        environment = {n: v for n, v in os.environ.items() if not n.startswith("METAFLOW_") or n in KEPT}
        own = {
            "METAFLOW_HOME": str(self.folder / "home"),
            "METAFLOW_USER": "tester",
            "METAFLOW_DATASTORE_ROOT": str(self.root),
        }
        return {**environment, **own, MARK: self.mark, **self.env, **more}

    # -- processes

    def processes(self) -> dict[int, str]:
        """{pid: command line} of every live process that comes from this flow, wherever it went (Linux only)."""
        return processes_with(MARK, self.mark)

    def wait_gone(self, seconds: float = 60) -> None:
        wait_until(lambda: not self.processes(), seconds, lambda: f"still there: {self.processes()}")

    def kill_all(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # -- the datastore, read by the Python core

    def store(self) -> Store:
        return open_store(load_settings(arguments={"datastore_root": str(self.root)}))

    def status(self, run: str | int) -> dict[str, Any]:
        return self.store().runs.read_status(self.name, str(run))

    def runs(self) -> list[str]:
        return self.store().runs.list_runs(self.name)

    def attempts(self, run: str | int) -> list[dict[str, Any]]:
        """The records of all attempts that ended."""
        return self.store().tasks.read_tasks(self.name, str(run))

    def records(self, run: str | int) -> dict[str, dict[str, Any]]:
        """{position: record} of the tasks that are done."""
        return {record["position"]: record for record in self.attempts(run) if record["ok"]}

    def artifacts(self, run: str | int) -> dict[str, dict[str, dict[str, Any]]]:
        """{position: {name: artifact record}}, each verified against the stored bytes."""
        store = self.store()
        found = {}
        for position, record in self.records(run).items():
            found[position] = store.tasks.resolve_artifacts(record)
            for artifact in found[position].values():
                store.blobs.verify(
                    artifact.get("blob") or artifact["digest"],
                    artifact.get("offset") or 0,
                    artifact["size"],
                    expect=artifact["digest"],
                )
        return found

    def digests(self, run: str | int) -> dict[str, dict[str, str]]:
        return {p: {n: a["digest"] for n, a in found.items()} for p, found in self.artifacts(run).items()}

    # -- what steps wrote down

    def notes(self, name: str = "notes.log") -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def leftovers(self) -> list[str]:
        """Files in the datastore that a run that is over should have tidied away."""
        kept = {"task.json", "run.json", "status.json", "tags.json", "stdout.log", "stderr.log"}
        files = (path for path in (self.root / "flows").rglob("*") if path.is_file())
        return sorted(
            str(path.relative_to(self.root))
            for path in files
            if path.name not in kept and not {"_tasks", "_memo"} & set(path.parts)
        )


def wait_until(condition, seconds: float = 60, explain=lambda: "") -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"it did not happen within {seconds} seconds. {explain()}")
        time.sleep(0.02)
