"""What every backend must do: real flows, run by `Rscript`, whose tasks go where the backend sends them.

A backend is tested by a subclass with a fixture `place`, a Place. What only one of them can do (lose a node, forget a
job) is tested beside its subclass.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass, field

import pytest
from rflow import HERE, RFlow

SHAPES = [shape["name"] for shape in json.loads((HERE / "shapes.json").read_text(encoding="utf-8"))]

CAUSES = """
library(metaflow)
note <- function(text) cat(paste0(text, "\\n"), sep = "", file = "notes.log", append = TRUE)
work <- function(self) {
  note(paste("attempt", current("retry_count"), Sys.info()[["nodename"]], Sys.getenv("SLURMD_NODENAME")))
  if (file.exists("mended") || current("retry_count") > 0L) { self$done <- "mended"; return(invisible()) }
  switch(self$what,
    stop = stop("on purpose"),
    exit = quit(status = 1),
    segfault = { tools::pskill(Sys.getpid(), 11L); Sys.sleep(60) },
    wait = while (!file.exists("go")) Sys.sleep(0.05),
    sleep = Sys.sleep(600),
    memory = { x <- numeric(2e8); x[] <- 1; Sys.sleep(60) }
  )
  self$done <- self$what
}
retries <- as.integer(Sys.getenv("RETRIES", "0"))
flow <- metaflow("CauseFlow") %>%
  parameter("what", default = "nothing") %>%
  step(step = "start", next_step = "work") %>%
  step(step = "work", resources(memory = 400), timeout(seconds = as.numeric(Sys.getenv("SECONDS_ALLOWED", "300"))),
    retry(times = retries, minutes_between_retries = 0), next_step = "end", r_function = work) %>%
  step(step = "end", r_function = function(self) print(self$done))
run(flow)
"""

WIDE = """
library(metaflow)
note <- function(text) cat(paste0(text, "\\n"), sep = "", file = "notes.log", append = TRUE)
metaflow("WideFlow") %>%
  parameter("width", default = 3L) %>%
  parameter("seconds", default = 0) %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) self$xs <- seq_len(self$width)) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    note(self$index)
    Sys.sleep(self$seconds)
    message("hello from ", self$index)
    self$square <- self$input^2
  }) %>%
  step(step = "join", join = TRUE, next_step = "end",
    r_function = function(self, inputs) self$total <- sum(unlist(gather_inputs(inputs, "square")))) %>%
  step(step = "end", r_function = function(self) cat("total", self$total, "\\n")) %>%
  run()
"""

BOTH_LANGUAGES = """
library(metaflow)
metaflow("BothFlow") %>%
  parameter("scale", default = 2) %>%
  step(step = "start", foreach = "grid", next_step = "work", r_function = function(self) {
    self$grid <- data.frame(depth = 1:3, rate = c(0.1, NA, 0.3))
    self$model <- lm(mpg ~ wt, mtcars)
  }) %>%
  step(step = "work", py_function = "steps.py:work", retry(times = 1, minutes_between_retries = 0), next_step = "join") %>%
  step(step = "join", join = TRUE, next_step = "sum", r_function = function(self, inputs) {
    stopifnot(identical(lapply(inputs, function(i) i$rate), list(0.1, NULL, 0.3)))
    self$doubled <- unlist(gather_inputs(inputs, "doubled"))
    self$model <- inputs[[1]]$model
  }) %>%
  step(step = "sum", py_function = "steps.py:total", next_step = "end") %>%
  step(step = "end", r_function = function(self) {
    stopifnot(identical(self$total, 12), identical(coef(self$model), coef(lm(mpg ~ wt, mtcars))))
    cat("total", self$total, "\\n")
  }) %>%
  run()
"""

BOTH_STEPS = """
from metaflow_core import current

from helping import times


def work(self):
    print("python at", self.index, "attempt", current.retry_count)
    [row] = self.input.rows()
    if row["depth"] == 2 and current.retry_count == 0:
        raise ValueError("not yet")
    self.doubled = times(row["depth"], self.scale)
    self.rate = row["rate"]


def total(self):
    self.total = float(sum(self.doubled))
"""


@dataclass
class Place:
    """Where tasks are sent: `words` of the command line that do it, and the environment that a user would have."""

    words: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def failures(flow: RFlow, run: int = 1) -> list[tuple[str, str]]:
    """(position, cause) of each attempt that failed, in order."""
    return [(record["position"], record["error"]["cause"]) for record in flow.attempts(run) if not record["ok"]]


def kill_scheduler(process) -> None:
    """`kill -9` of the R session that drives the run, and of nothing else."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def until(condition, seconds: float = 120, explain=lambda: "") -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds} seconds. {explain()}"
        time.sleep(0.05)


class BackendSuite:
    @pytest.fixture
    def causes(self, r_flow, place):
        return r_flow(CAUSES, "CauseFlow", **place.environment)

    @pytest.fixture
    def wide(self, r_flow, place):
        return r_flow(WIDE, "WideFlow", **place.environment)

    @pytest.mark.parametrize("case", ["pass_through", "merge"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_graph_leaves_what_it_leaves_on_this_machine(self, shape, case, place, tmp_path):
        left = []
        for name, words in (("here", []), ("there", place.words)):
            files = {"flow.R": HERE / "flow.R", "shapes.json": HERE / "shapes.json"}
            files[f"cases/{case}.R"] = HERE / "cases" / f"{case}.R"
            flow = RFlow(tmp_path / name, files, CROSS_SHAPE=shape, CROSS_CASE=case, **place.environment)
            flow.command("run", "--seed", "7", *words).expect(0)
            left.append(flow.digests(1))
        assert left[0] == left[1]

    @pytest.mark.parametrize("what, cause", [("stop", "error"), ("exit", "quit"), ("segfault", "crash")])
    def test_a_failure_has_its_cause(self, causes, place, what, cause):
        causes.command("run", "--what", what, *place.words).expect(1)
        assert failures(causes) == [("work", cause)]
        (causes.folder / "mended").touch()
        causes.command("resume", *place.words).expect(0)
        assert set(causes.records(2)) == {"start", "work", "end"}
        assert causes.records(2)["start"]["origin"] == "CauseFlow/1/start/1/0"

    def test_a_task_that_takes_too_long_is_killed(self, causes, place):
        causes.command("run", "--what", "sleep", *place.words, SECONDS_ALLOWED="2").expect(1)
        assert failures(causes) == [("work", "timeout")]

    def test_a_crash_is_tried_again(self, causes, place):
        causes.command("run", "--what", "segfault", *place.words, RETRIES="1").expect(0)
        assert failures(causes) == [("work", "crash")]
        assert len(causes.notes()) == 2

    def test_what_tasks_print_is_shown_and_kept(self, wide, place):
        ended = wide.command("run", *place.words).expect(0)
        assert all(f"hello from {index}" in ended.output for index in range(3))
        logs = wide.store().logs
        texts = {logs.read("WideFlow", "1", "work", r["task"], 0, "stderr") for r in wide.records(1).values()}
        assert {b"hello from 0\n", b"hello from 1\n", b"hello from 2\n"} <= texts

    def test_steps_in_python_and_in_r_share_artifacts(self, place, tmp_path):
        left = []
        for name, words in (("here", []), ("there", place.words)):
            files = {"flow.R": BOTH_LANGUAGES, "steps.py": BOTH_STEPS, "helping.py": "def times(a, b):\n    return a * b\n"}
            flow = RFlow(tmp_path / name, files, "BothFlow", **place.environment)
            ended = flow.command("run", *words).expect(0)
            # A model has an environment, which is written a little different in each process.
            found = flow.digests(1).items()
            left.append({at: {n: d for n, d in artifacts.items() if n != "model"} for at, artifacts in found})
        assert left[0] == left[1]
        assert failures(flow) == [("work[1]", "error")]
        assert "ValueError: not yet" in ended.output and "python at 1 attempt 1" in ended.output
        assert flow.store().logs.read("BothFlow", "1", "work", flow.records(1)["work[0]"]["task"], 0, "stdout") == (
            b"python at 0 attempt 0\n"
        )

    def test_an_interrupt_ends_the_tasks(self, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(lambda: causes.notes())
        os.killpg(process.pid, signal.SIGINT)
        assert causes.finish(process).status == 130
        assert causes.status(1)["status"] == "interrupted"
        until(lambda: not causes.processes(), 60, causes.processes)
