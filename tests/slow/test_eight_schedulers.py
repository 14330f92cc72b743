"""Eight R sessions at once, each of which runs flows one after the other, in one store."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "python"), str(HERE.parent / "cross"), str(HERE.parent / "python")]

from metaflow_core.settings import load_settings  # noqa: E402
from metaflow_core.store.audit import AuditLog  # noqa: E402
from metaflow_core.store.catalog import catch_up_runs, catch_up_tasks  # noqa: E402
from metaflow_core.store.check import check_store  # noqa: E402
from metaflow_core.store.open import open_store  # noqa: E402
from rflow import RFlow  # noqa: E402
from seaweed import BUCKET, SeaweedServer, credentials  # noqa: E402
from suites.postgres import PostgresServer  # noqa: E402

SCHEDULERS, RUNS, FLOWS = 8, 25, ("AFlow", "BFlow", "CFlow")

SCRIPT = """
library(metaflow)
options(metaflow.command_line = FALSE)
number <- as.integer(Sys.getenv("SCHEDULER"))
make <- function(name) {
  metaflow(name) %>%
    step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:2) %>%
    step(step = "work", next_step = "join", r_function = function(self) self$y <- self$input * 10) %>%
    step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
      self$total <- sum(unlist(gather_inputs(inputs, "y")))
    }) %>%
    step(step = "end", r_function = function(self) {
      self$same <- "an artifact that all runs share"
      if (self$total != 30) stop("the total is ", self$total)
    })
}
flows <- lapply(c("AFlow", "BFlow", "CFlow"), make)
for (i in seq_len(as.integer(Sys.getenv("RUNS")))) {
  done <- run(flows[[(number + i) %% 3 + 1]], max_workers = 1, tag = sprintf("scheduler:%d", number))
  cat("DONE", done$pathspec, "\\n")
}
"""


@pytest.fixture
def place(request, tmp_path):
    """The environment that leads to a datastore and its index, of the kinds named by the test."""
    storage, index = request.param.split(" + ")
    environment = {"METAFLOW_DATASTORE_ROOT": str(tmp_path / "store"), "METAFLOW_INDEX": index}
    with contextlib.ExitStack() as servers:
        if index == "postgres":
            server = PostgresServer()
            servers.callback(server.close)
            environment["METAFLOW_INDEX"] = server.start().new_database()
        if storage == "s3":
            server = SeaweedServer()
            servers.callback(server.stop)
            environment.update(credentials(), METAFLOW_DATASTORE="s3", METAFLOW_S3_ENDPOINT_URL=server.endpoint)
            environment["METAFLOW_DATASTORE_ROOT"] = f"s3://{BUCKET}/team"
        yield environment


@pytest.mark.slow
@pytest.mark.parametrize("place", ["local + sqlite", "local + postgres", "s3 + postgres"], indirect=True)
def test_eight_schedulers_in_one_store(place, request, tmp_path, monkeypatch):
    flow = RFlow(tmp_path / "flow", {"flow.R": SCRIPT}, **place)
    began = time.monotonic()
    processes, outputs = [], []
    try:
        for number in range(SCHEDULERS):
            # Each its own output file.
            processes.append(flow.start(SCHEDULER=str(number), RUNS=str(RUNS)))
            outputs.append(flow.folder / f"output{number}")
            os.rename(flow.folder / "output", outputs[-1])
        for process, output in zip(processes, outputs):
            assert process.wait(1800) == 0, output.read_text(errors="replace")[-3000:]
    finally:
        flow.kill_all()
    seconds = time.monotonic() - began

    printed = [line for output in outputs for line in output.read_text().splitlines()]
    said = [line.split()[1] for line in printed if line.startswith("DONE")]
    warned = [line for line in printed if "arning" in line]
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    store = open_store(load_settings())
    catch_up_runs(store)
    rows = store.index.runs()
    ids = {name: sorted(int(row["run"]) for row in rows if row["flow"] == name) for name in FLOWS}
    # Dense and unique: each flow's runs are 1, 2, 3, ... and every one was said to be done by exactly one scheduler.
    assert sum(map(len, ids.values())) == SCHEDULERS * RUNS
    assert all(found == list(range(1, len(found) + 1)) for found in ids.values())
    assert sorted(said) == sorted(f"{name}/{run}" for name, found in ids.items() for run in found)
    assert {row["status"] for row in rows} == {"completed"}
    assert Counter(tag for row in rows for tag in row["tags"]) == {f"scheduler:{n}": RUNS for n in range(SCHEDULERS)}
    # Nothing lost: each run has its five tasks, in the store and in the index, and every byte is there.
    for row in rows:
        catch_up_tasks(store, row["flow"], row["run"])
        counts = store.index.counts(row["flow"], row["run"])
        assert counts == {"start": {"done": 1}, "work": {"done": 2}, "join": {"done": 1}, "end": {"done": 1}}
    checked = check_store(store)
    assert checked["problems"] == []
    assert checked["tasks"] == 5 * SCHEDULERS * RUNS
    actions = Counter(row["action"] for row in AuditLog(store.storage).read())
    assert actions == {"run started": SCHEDULERS * RUNS, "run completed": SCHEDULERS * RUNS}
    assert warned == []
    store.close()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        kind = request.node.callspec.id
        speed = f"{seconds:.1f} s, {len(rows) / seconds:.1f} runs/s, {5 * len(rows) / seconds:.1f} tasks/s"
        sound = f"ids dense and unique, all complete, {checked['blobs']} blobs, no problem found"
        print(f"\n{SCHEDULERS} schedulers x {RUNS} runs of 5 tasks, {kind}: {speed}; {sound}")
