"""Memory of work: a rerun in which nothing has changed, and looking back at ten thousand runs."""

from __future__ import annotations

import shutil
import sys

from timing import HERE, RUNS, Folder, Row, alternate

HOW = "make bench ROWS=memory"


def rows() -> list[Row]:
    return [*unchanged(), *ten_thousand_runs()]


def unchanged() -> list[Row]:
    """`targets`, for comparison, is in no repository that these machines reach; its own 202 targets take 1.4 s to build."""
    with Folder() as folder:
        script = str(HERE / "flows" / "cached.R")

        def first() -> float:
            shutil.rmtree(f"{folder.path}/store", ignore_errors=True)
            return folder.run("Rscript", script)[0]

        first_runs, again, wide, start = alternate(
            first,
            lambda: folder.run("Rscript", script)[0],
            # In a store of its own, which the warm-up fills.
            lambda: folder.run("Rscript", script, "--n", "10000", METAFLOW_DATASTORE_ROOT=f"{folder.path}/wide")[0],
            lambda: folder.flow("hello")[0],
        )
    over_start = [[seconds - min(start) for seconds in each] for each in (again, wide)]
    return [
        Row("cached foreach of 200, first run", first_runs, "s", start, "hello flow", "", HOW),
        Row("the same, nothing changed, over start-up", over_start[0], "s", [], "", "<= 1 s", HOW),
        Row("cached foreach of 10,000, nothing changed, over start-up", over_start[1], "s", [], "", "", HOW),
    ]


def ten_thousand_runs() -> list[Row]:
    with Folder() as folder:
        newest = made_runs(folder)
        figures: dict[str, list[float]] = {}
        for _ in range(RUNS):
            _, said = folder.run("Rscript", str(HERE / "flows" / "many_runs.R"), "F", newest, METAFLOW_USER="alice")
            for line in said.splitlines():
                word, _, number = line.partition(" ")
                if word in ("FIRST", "RUNS", "OPEN"):
                    figures.setdefault(word, []).append(1e3 * float(number))
    return [
        Row("mf_runs() over 10,000 runs", figures["RUNS"], "ms", [], "", "<= 200 ms", HOW),
        Row("the same, first call of a session", figures["FIRST"], "ms", [], "", "", HOW),
        Row("one artifact opened among 10,000 runs", figures["OPEN"], "ms", [], "", "<= 50 ms", HOW),
    ]


def made_runs(folder: Folder, count: int = 10_000) -> str:
    """A store with so many finished runs of the flow F, written without claiming each; the id of the newest."""
    root = HERE.parents[1]
    sys.path[:0] = [str(root / "python"), str(root / "tests" / "python")]
    from metaflow_core.settings import load_settings
    from metaflow_core.store import layout
    from metaflow_core.store.open import open_store
    from metaflow_core.store.records import encode
    from suites.made_runs import RunMaker

    settings = load_settings(arguments={"datastore_root": f"{folder.path}/store"}, environ={})
    store = open_store(settings)
    steps = [{"name": "start", "next": ["end"]}, {"name": "end", "next": []}]
    model = RunMaker(store, index=False, steps=steps)
    artifacts = {"x": model.artifact(TEXT)}
    model.task("start", artifacts=artifacts)
    model.task("end", ["start/1"], artifacts)
    model.finish()
    record, status = store.runs.read_run("F", "1"), store.runs.read_status("F", "1")
    tasks = store.tasks.read_tasks("F", "1")
    for number in range(2, count + 1):
        run = str(number)
        store.storage.write(layout.run_key("F", run), encode({**record, "run": run, "created_at": 1e9 + number}, run))
        store.storage.write(layout.status_key("F", run), encode(status, run))
        for task in tasks:
            store.tasks.commit_task({**task, "run": run})
    store.reindex()
    store.close()
    return str(count)


# serialize("some text", NULL, xdr = FALSE, version = 3)
TEXT = bytes.fromhex("420a030000000202040000050300050000005554462d3810000000010000000900040009000000736f6d652074657874")
