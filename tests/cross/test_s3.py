"""Flows whose datastore is in S3, over a network that works and over one that does not."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from rflow import processes_with, wait_until

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from fault_proxy import FAULTS, FaultProxy  # noqa: E402
from seaweed import BUCKET, SeaweedServer, credentials  # noqa: E402

FLOW = """
library(metaflow)
start <- function(self) {
  self$values <- 1:8
  self$large <- rep(c(1.5, 2.5, NA), 1e6)
  self$noise <- local({ set.seed(1); runif(2e6) })
}
square <- function(self) {
  cat("split", self$input, "\\n")
  self$y <- self$input^2
  self$small <- as.list(seq_len(50))
  if (file.exists("slow")) Sys.sleep(1)
  # Through a file of its own, whole: two tasks that append to one file can mix their pieces.
  dir.create("notes", showWarnings = FALSE)
  writeLines("", tempfile(paste0(self$input, "-"), "notes"))
}
gather <- function(self, inputs) {
  self$total <- sum(unlist(gather_inputs(inputs, "y")))
  merge_artifacts(self, inputs, include = c("large", "noise"))
}
end <- function(self) {
  cat("total", self$total, sum(self$large, na.rm = TRUE), length(self$noise), "\\n")
}
metaflow("S3Flow") %>%
  step(step = "start", r_function = start, foreach = "values", next_step = "square") %>%
  step(step = "square", r_function = square, next_step = "gather") %>%
  step(step = "gather", r_function = gather, join = TRUE, next_step = "end") %>%
  step(step = "end", r_function = end) %>%
  run()
"""
RESULT = "total 204 4e+06 2000000"


@pytest.fixture(scope="module")
def server():
    started = SeaweedServer()
    yield started
    started.stop()


class Flow:
    """A flow in a folder of its own, with a datastore of its own in S3."""

    def __init__(self, folder: Path, endpoint: str, text: str = FLOW) -> None:
        self.folder, self.home = folder / "flow", folder / "home"
        self.root = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        for path in (self.folder, self.home):
            path.mkdir(exist_ok=True)
        (self.folder / "flow.R").write_text(text, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
        python = os.environ.get("METAFLOW_PYTHON") or sys.executable
        self.env = {
            **kept, **credentials(), "METAFLOW_DATASTORE": "s3", "METAFLOW_DATASTORE_ROOT": self.root,
            "METAFLOW_S3_ENDPOINT_URL": endpoint, "METAFLOW_PYTHON": python, "HOME": str(self.home), "USER": "tester",
            "TZ": "UTC",
        }

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "metaflow"

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["Rscript", *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )

    def command(self, *words: str, status: int | None = 0) -> str:
        process = self.start("flow.R", *words)
        output, _ = process.communicate(timeout=240)
        assert status is None or process.returncode == status, output
        self.status = process.returncode
        return output

    def r(self, code: str) -> str:
        process = self.start("-e", f"library(metaflow); {code}")
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        return output

    def left_at_work(self) -> list[Path]:
        return [path for path in self.cache.glob("stores/*/work/flows/*/*/*/*/*") if path.is_dir()]


def test_a_run_and_what_is_read_of_it_elsewhere(tmp_path, server):
    flow = Flow(tmp_path, server.endpoint)
    assert RESULT in flow.command("run")
    assert flow.left_at_work() == []
    assert list(flow.folder.iterdir()) == [] or {path.name for path in flow.folder.iterdir()} == {"flow.R", "notes"}
    shutil.rmtree(flow.cache)  # as on another machine
    shown = flow.r(
        'run <- flow_client$new("S3Flow")$latest_run; cat(run$status, run$artifact("total"), length(run$artifact("noise")), "\\n");'
        'cat(run$steps$square$tasks[[3]]$stdout); stopifnot(identical(run$artifact("large"), rep(c(1.5, 2.5, NA), 1e6)))'
    )
    assert "completed 204 2000000" in shown and "split 3" in shown
    shutil.rmtree(flow.cache)
    assert "split 8" in flow.command("logs", "S3Flow/1/square")
    shutil.rmtree(flow.cache)
    # The join reads what it gathers from the datastore.
    assert RESULT in flow.command("resume", "gather")


WIDE = """
library(metaflow)
metaflow("WideFlow") %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) {
    self$xs <- 1:6
    for (name in letters[1:6]) self[[name]] <- runif(5e5)
  }) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    self$size <- sum(vapply(letters[1:6], function(name) length(self[[name]]), 0))
    self$mine <- runif(5e5)
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "size"))) + sum(lengths(gather_inputs(inputs, "mine")))
  }) %>%
  step(step = "end", r_function = function(self) cat("total", format(self$total, scientific = FALSE), "\\n")) %>%
  run()
"""


def test_a_cache_that_is_much_too_small(tmp_path, server):
    # Not even one value fits: copies go while others are about to read them, the code of the run among them.
    flow = Flow(tmp_path, server.endpoint, WIDE)
    flow.env["METAFLOW_CACHE_MAX_MEGABYTES"] = "2"
    assert "total 21000000" in flow.command("run", "--max-workers", "4")


def test_copies_that_are_damaged_on_this_machine_change_nothing(tmp_path, server):
    flow = Flow(tmp_path, server.endpoint)
    flow.command("run")
    reads = 'run <- flow_client$new("S3Flow")$latest_run; cat(run$artifact("total"), sum(run$artifact("noise")))'
    before = flow.r(reads)
    copies = [path for path in flow.cache.glob("blobs/??/*") if path.stat().st_size]
    assert len(copies) > 3
    for path in copies:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()  # it may be linked to what a task has staged
        path.write_bytes(data)
    assert flow.r(reads) == before
    assert RESULT in flow.command("resume", "gather")


def test_the_scheduler_is_killed_and_its_tasks_are_taken_over(tmp_path, server):
    flow = Flow(tmp_path, server.endpoint)
    (flow.folder / "slow").touch()
    process = flow.start("flow.R", "run", "--max-workers", "2")
    notes = flow.folder / "notes"
    wait_until(lambda: list(notes.glob("*")), 120)
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    # Its workers finish what they are at, and end.
    wait_until(lambda: not processes_with("METAFLOW_DATASTORE_ROOT", flow.root), 60)
    finished = [path.name.split("-")[0] for path in notes.iterdir()]
    (flow.folder / "slow").unlink()
    assert RESULT in flow.command("resume")
    assert sorted(path.name.split("-")[0] for path in notes.iterdir()) == [str(number) for number in range(1, 9)], finished
    assert flow.left_at_work() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_network_gives_the_right_result_or_a_clear_error(tmp_path, server, fault):
    with FaultProxy(server.port, fault, every=12 if fault == "stall" else 5) as proxy:
        flow = Flow(tmp_path, proxy.endpoint)
        output = flow.command("run", status=None)
        if flow.status != 0:
            assert re.search(r"s3://|could not be stored", output), output
            assert "Traceback" not in output
        for _ in range(3):
            if flow.status == 0:
                break
            output = flow.command("resume", status=None)
        assert flow.status == 0 and RESULT in output, output
        assert proxy.injected > 0
    flow.env["METAFLOW_S3_ENDPOINT_URL"] = server.endpoint
    shutil.rmtree(flow.cache)
    assert "[1] 204" in flow.r('print(flow_client$new("S3Flow")$latest_successful_run$artifact("total"))')


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_tutorial_over_a_broken_network(tmp_path, server, fault):
    text = (ROOT / "inst" / "tutorials" / "02-tune-gbm" / "flow.R").read_text(encoding="utf-8")
    with FaultProxy(server.port, fault, every=12 if fault == "stall" else 5) as proxy:
        flow = Flow(tmp_path, proxy.endpoint, text)
        flow.command("run", status=None)
        for _ in range(3):
            if flow.status == 0:
                break
            flow.command("resume", status=None)
        assert flow.status == 0 and proxy.injected > 0
    flow.env["METAFLOW_S3_ENDPOINT_URL"] = server.endpoint
    best = flow.r('print(flow_client$new("TuneGbmFlow")$latest_successful_run$artifact("leaderboard")[1, "Accuracy"])')
    assert "0.8257" in best


S3_STEP = """
library(metaflow)
start <- function(self) {
  s3 <- mf_s3(run = TRUE)
  s3$put("greeting", "gr\\u00fc\\u00df dich")
  s3$put_many(list("n/1" = as.raw(1:3), "n/2" = "two"))
  writeLines("a file", "local.txt")
  s3$put_files(c("n/file" = "local.txt"))
  self$keys <- names(s3$list_recursive())
  self$root <- s3$root
}
end <- function(self) NULL
metaflow("WithFiles") %>% step(step = "start", r_function = start, next_step = "end") %>%
  step(step = "end", r_function = end) %>% run()
"""


def test_files_of_a_run(tmp_path, server):
    flow = Flow(tmp_path, server.endpoint, S3_STEP)
    flow.command("run")
    shown = flow.r(
        'run <- flow_client$new("WithFiles")$latest_run; s3 <- mf_s3(run = run);'
        'stopifnot(identical(s3$root, run$artifact("root")), setequal(run$artifact("keys"), c("greeting", "n/1", "n/2", "n/file")));'
        'stopifnot(identical(s3$get("greeting")$text, "gr\\u00fc\\u00df dich"), identical(s3$get("n/1")$raw, as.raw(1:3)));'
        'stopifnot(identical(s3$get("n/1", range = c(1, 2))$raw, as.raw(2:3)));'
        'files <- s3$get_many(c("n/2", "n/file")); stopifnot(identical(names(files), c("n/2", "n/file")), files[[1]]$text == "two");'
        'listed <- s3$list_paths(); stopifnot(setequal(names(listed), c("greeting", "n/")));'
        'stopifnot(!listed$greeting$downloaded, file.exists(listed$greeting$path), s3$info("n/2")$size == 3);'
        'stopifnot(!s3$info("none", missing_ok = TRUE)$exists, length(s3$get_recursive("n")) == 3, length(s3$get_all()) == 4);'
        'said <- tryCatch(s3$get("none"), metaflow_not_found_error = function(e) "not found"); print(said);'
        'said <- tryCatch(s3$get("n/2", range = c(9, 1)), metaflow_invalid_range_error = function(e) "no range"); print(said);'
        'said <- tryCatch(s3$put("n/2", "x", overwrite = FALSE), metaflow_store_conflict_error = function(e) "there"); print(said);'
        'Sys.setenv(AWS_SECRET_ACCESS_KEY = "wrong"); other <- mf_s3(run = run);'
        'said <- tryCatch(other$get("n/2"), metaflow_access_denied_error = function(e) "denied"); print(said);'
        'path <- s3$get("n/2")$path; s3$close(); stopifnot(!file.exists(path)); print(tryCatch(s3$get("n/2"), metaflow_usage_error = function(e) "closed"))'
    )
    for word in ("not found", "no range", "there", "denied", "closed"):
        assert f'"{word}"' in shown
