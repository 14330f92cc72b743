"""Commands that look at a run, as a user types them: `Rscript flow.R dump ...`. `package` is in test-cli-package.R."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from rflow import RFlow, wait_until

SCRIPT = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", foreach = "xs", next_step = "fit", r_function = function(self) {
    cat("starting\\n")
    message("to stderr")
    self$xs <- 1:2
    self$big <- seq(0, 1, length.out = 5000)
    self$table <- data.frame(a = 1:2, b = c("x", NA))
  }) %>%
  step(retry(times = 1, minutes_between_retries = 0), step = "fit", next_step = "join", r_function = function(self) {
    cat("fit", self$input, "attempt", current("retry_count"), "\\n")
    message("careful with ", self$input)
    if (self$input == 2 && current("retry_count") == 0) stop("not the first time")
    self$y <- self$input * 10
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    while (file.exists("wait")) Sys.sleep(0.05)
    self$total <- sum(unlist(gather_inputs(inputs, "y")))
  }) %>%
  step(step = "end", r_function = function(self) cat("total", self$total, "\\n")) %>%
  run()
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """A flow whose run 1 is completed; its tasks are start/1, fit/2, fit/3 (two attempts), join/4 and end/5."""
    flow = RFlow(tmp_path_factory.mktemp("commands") / "flow", {"flow.R": SCRIPT})
    flow.command("run", "--max-workers", "1", "--seed", "1").expect(0)
    return flow


def told(flow, *words, status=0):
    return flow.command(*words).expect(status).output


def in_r(flow, code):
    done = subprocess.run(["Rscript", "-e", code], cwd=flow.folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_dump_shows_values_up_to_a_size(flow):
    output = told(flow, "dump", "1/fit/3", "--max-value-size", "1000")
    assert output.startswith("Task CrossFlow/1/fit/3\n")
    assert "  big: numeric, 40 kB (not shown)\n" in output
    assert "  y: numeric, 39 B\n    num 20\n" in output
    assert "$ a: int  1 2" in output
    assert "byte" in told(flow, "dump", "1", "--max-value-size", "much", status=2)


def test_dump_includes_what_was_asked_for(flow):
    assert told(flow, "dump", "1/fit/2", "--include", "y") == "Task CrossFlow/1/fit/2\n  y: numeric, 39 B\n    num 10\n"
    assert "Did you mean 'total'?" in told(flow, "dump", "1", "--include", "totl", status=2)
    (shown,) = json.loads(told(flow, "dump", "CrossFlow/1/end/5", "--include", "total", "--json"))
    assert (shown["pathspec"], list(shown["artifacts"])) == ("CrossFlow/1/end/5", ["total"])


def test_dump_writes_a_file(flow):
    output = told(flow, "dump", "1/fit", "--file", "values.rds", "--max-value-size", "1000")
    assert output == "6 values of 2 tasks written to values.rds; 2 larger than --max-value-size left out.\n"
    code = 'x <- readRDS("values.rds"); cat(names(x), x[[2]]$y, identical(x[[1]]$table, data.frame(a = 1:2, b = c("x", NA))))'
    assert in_r(flow, code) == "CrossFlow/1/fit/2 CrossFlow/1/fit/3 20 TRUE"


def test_logs_of_a_step_a_task_a_stream_and_an_attempt(flow):
    assert told(flow, "logs", "1/start") == "[start/1] starting\n[start/1] to stderr\n"
    assert told(flow, "logs", "1", "--step", "fit", "--task", "3", "--stdout") == "fit 2 attempt 1 \n"
    assert told(flow, "logs", "show", "1", "--step", "fit", "--stderr") == (
        "[fit/2] careful with 1\n[fit/3] careful with 2\n"
    )
    first = told(flow, "logs", "1/fit/3", "--attempt", "0")
    assert first.startswith("fit 2 attempt 0 \ncareful with 2\nError in fit(self): not the first time\n")
    assert "flow.R:14: stop(" in first
    assert "its attempts are 0, 1" in told(flow, "logs", "1/fit/3", "--attempt", "2", status=1)


def test_logs_with_times(flow):
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
    assert re.fullmatch(rf"{stamp}starting\n{stamp}to stderr\n", told(flow, "logs", "1/start/1", "--timestamps"))
    lines = json.loads(told(flow, "logs", "1/end", "--timestamps", "--json"))
    assert [(line["stream"], line["line"]) for line in lines] == [("stdout", "total 30 ")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", lines[0]["time"])


def test_logs_are_followed_until_the_run_ends(flow):
    again = RFlow(flow.folder.parent / "again", {"flow.R": SCRIPT, "wait": ""})
    run = again.start("run")
    # No log is there before the first task began.
    wait_until(lambda: "to stderr" in again.output())
    follower = subprocess.Popen(
        ["Rscript", "flow.R", "logs", "1", "--follow", "--stdout"],
        cwd=again.folder, env=again.environment({}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    lines = [follower.stdout.readline() for _ in range(3)]
    assert follower.poll() is None
    (again.folder / "wait").unlink()
    lines += follower.stdout.readlines()
    assert follower.wait(60) == 0
    assert again.finish(run).status == 0
    assert sorted(lines) == [
        "[end/5] total 30 \n", "[fit/2] fit 1 attempt 0 \n", "[fit/3] fit 2 attempt 0 \n", "[fit/3] fit 2 attempt 1 \n",
        "[start/1] starting\n",
    ]


def test_logs_are_scrubbed(flow):
    again = RFlow(flow.folder.parent / "scrubbed", {"flow.R": SCRIPT})
    again.command("run", "--max-workers", "1").expect(0)
    assert re.fullmatch(r"Removed what 1 attempt had printed: \d+ B\.\n", told(again, "logs", "scrub", "1/start/1"))
    left = told(again, "logs", "1/start")
    assert "starting" not in left
    assert "[removed by tester on " in left
    assert "careful with 1" in told(again, "logs", "1/fit")
    # Nothing of it is anywhere in the datastore.
    files = [path for path in again.root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"to stderr\n" in path.read_bytes() and path.suffix == ".log"]


def test_tags(flow):
    assert told(flow, "tag", "add", "good", "of all").startswith("CrossFlow/1: good, of all, ")
    assert told(flow, "tag", "list", "1", "--hide-system-tags") == "CrossFlow/1: good, of all\n"
    assert "CrossFlow/1: best, of all, " in told(flow, "tag", "replace", "--remove", "good", "--add", "best")
    assert told(flow, "tag", "list", "--all", "--group-by-tag", "--hide-system-tags") == (
        "best: CrossFlow/1\nof all: CrossFlow/1\n"
    )
    assert told(flow, "tag", "remove", "best", "of all", "--run-id", "1").startswith("CrossFlow/1: date:")
    assert "Did you mean 'list'?" in told(flow, "tag", "lst", status=2)
