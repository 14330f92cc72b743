"""Runs made by hand: what an engine would leave in a store, without an engine."""

from metaflow_core.store.liveness import host_name, process_start

BRANCH = [
    {"name": "start", "next": ["a", "b"], "join": False, "foreach": None, "language": "r", "decorators": []},
    {"name": "a", "next": ["join"], "join": False, "foreach": None, "language": "r", "decorators": []},
    {"name": "b", "next": ["join"], "join": False, "foreach": None, "language": "r", "decorators": []},
    {"name": "join", "next": ["end"], "join": True, "foreach": None, "language": "r", "decorators": []},
    {"name": "end", "next": [], "join": False, "foreach": None, "language": "r", "decorators": []},
]


class RunMaker:
    """Writes one run into `store`: claims it, then `task()` by `task()`, then `finish()`."""

    def __init__(
        self, store, flow="F", user="alice", tags=(), steps=BRANCH, index=True, pid=None, pid_start=None, **more
    ):
        self.store = store
        self.flow = flow
        self.index = index
        self.next_task = 0
        owner = {"host": host_name(), "pid": pid, "pid_start": pid_start}
        if pid is None:
            import os

            owner = {"host": host_name(), "pid": os.getpid(), "pid_start": process_start()}

        def make_record(run):
            return {
                "format": 1,
                "flow": flow,
                "run": run,
                "created_at": 1000.0 + int(run),
                "user": user,
                **owner,
                "script": "flow.R",
                "argv": [],
                "origin": None,
                "resume_step": None,
                "seed": 1,
                "spec": {"format": 1, "name": flow, "steps": list(steps)},
                "code": None,
                "package": None,
                "code_digests": {},
                "parameters": {},
                "system_tags": [f"user:{user}"],
                "tags": list(tags),
                "namespace": f"user:{user}",
                "versions": {},
                "git": None,
                "max_workers": 2,
                **more,
            }

        self.run = store.runs.claim_run(flow, make_record)
        self.pathspec = f"{flow}/{self.run}"
        if index:
            runs = store.runs
            store.index.record_run(
                runs.read_run(flow, self.run), runs.read_status(flow, self.run), runs.read_tags(flow, self.run)
            )

    def artifact(self, data, **more):
        return {
            "digest": self.store.blobs.put_bytes(data),
            "size": len(data),
            "encoding": "r-serialize-3",
            "class": ["character"],
            "dim": None,
            "length": 1,
            **more,
        }

    def started(self, step, task=None, attempt=0, stdout=b"", stderr=b""):
        """The folder of an attempt, as a worker makes it; returns the task id."""
        if task is None:
            self.next_task += 1
            task = str(self.next_task)
        from metaflow_core.store.logs import log_key

        for stream, data in (("stdout", stdout), ("stderr", stderr)):
            self.store.storage.write(log_key(self.flow, self.run, step, task, attempt, stream), data)
        return task

    def task(self, step, parents=(), artifacts=None, attempt=0, task=None, stdout=b"", stderr=b"", ok=True, **more):
        task = self.started(step, task, attempt, stdout, stderr)
        record = {
            "format": 1,
            "flow": self.flow,
            "run": self.run,
            "step": step,
            "task": task,
            "attempt": attempt,
            "position": step,
            "ok": ok,
            "parents": list(parents),
            "stack": [],
            "inherits": None,
            "artifacts": artifacts or {},
            "removed": [],
            "origin": None,
            "created_at": 2000.0 + int(task),
            "started_at": 2000.0 + int(task),
            "finished_at": 2001.0 + int(task),
            "seed": 5,
            "usage": {"wall": 1.0, "user": 0.5, "system": 0.1, "max_rss_bytes": 1024},
            "pid": 1,
            "host": "h",
            "exit": 0,
            "caught": None,
            "error": None,
            "logs": {"stdout": len(stdout), "stderr": len(stderr)},
            **more,
        }
        self.store.tasks.commit_task(record)
        if self.index:
            from metaflow_core.store.catalog import task_row

            self.store.index.record_tasks([task_row(record)])
        return task

    def finish(self, status="completed", error=None, index=None):
        new = self.store.runs.update_status(
            self.flow, self.run, lambda old: {**old, "status": status, "finished_at": 3000.0, "error": error}
        )
        if self.index if index is None else index:
            self.store.index.record_status(self.flow, self.run, new)
        return self

    def branch(self):
        """A whole run of the branch flow: tasks start/1, a/2, b/3, join/4, end/5."""
        self.task("start", artifacts={"x": self.artifact(b"x of start")}, stdout=b"hello\nfrom start\n")
        self.task("a", ["start/1"], {"y": self.artifact(b"y of a")}, inherits="start/1/0")
        self.task("b", ["start/1"], {"y": self.artifact(b"y of b")}, inherits="start/1/0", stderr=b"careful\n")
        self.task("join", ["a/2", "b/3"], {"best": self.artifact(b"best")}, inherits="start/1/0")
        self.task("end", ["join/4"], {"x": self.artifact(b"x of end")}, inherits="join/4/0")
        return self.finish()
