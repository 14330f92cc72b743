"""Tasks that do unusual things: end in odd ways, print a lot, leave processes, or try to disturb the next one."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections import Counter

import pytest
from rflow import wait_until

FLOW = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "end", r_function = function(self) {
    BODY
  }) %>%
  step(step = "end", r_function = function(self) {
    END
  }) %>%
  run()
"""


@pytest.fixture
def one_step(r_flow):
    """A flow whose start does `body` (R code), and whose end does `end`."""

    def make(body, end="NULL", **env):
        return r_flow(FLOW.replace("BODY", body).replace("END", end), **env)

    return make


@pytest.mark.parametrize("isolation", ["fork", "fresh"])
def test_stdin_is_empty(one_step, isolation):
    body = """
    stopifnot(length(readLines(file("stdin"))) == 0L)
    self$cat <- system("cat", intern = TRUE)
    stopifnot(length(self$cat) == 0L, length(scan("stdin", quiet = TRUE)) == 0L)
    """
    one_step(body, METAFLOW_ISOLATION=isolation).command("run").expect(0)


# -- ends of a process

BACKGROUND = "system('sleep 300 & echo $!'); "


@pytest.mark.parametrize(
    ("body", "cause", "words"),
    [
        (BACKGROUND + "tools::pskill(Sys.getpid(), 9L)", "crash", "killed"),
        (BACKGROUND + "quit(status = 3)", "quit", "quit"),
        (BACKGROUND + "system('sleep 1; kill -9 $PPID')", "crash", "killed"),
        ("numeric(1e14)", "oom", "cannot allocate"),
        ("f <- function(n) 1 + f(n + 1); f(1)", "error", "nested too deeply|stack usage|recursion"),
    ],
    ids=["killed", "quit", "killed by its child", "out of memory", "endless recursion"],
)
def test_a_process_that_ends_badly(one_step, body, cause, words):
    flow = one_step(body)
    ended = flow.command("run").expect(1)
    (record,) = flow.attempts("1")
    assert (record["ok"], record["error"]["cause"]) == (False, cause)
    assert re.search(words, record["error"]["message"])
    assert re.search(words, ended.output)
    # What the process had started is gone with it.
    flow.wait_gone()
    # The next run is not disturbed by what the last one left.
    script = flow.folder / "flow.R"
    script.write_text(script.read_text().replace(body, "NULL"))
    flow.command("resume").expect(0)


CAUSES = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", foreach = "ends", min_success = 0.1, next_step = "work", r_function = function(self) {
    self$ends <- c("well", "error", "killed", "segfault", "quit", "memory", "time")
  }) %>%
  step(step = "work", next_step = "after", timeout(seconds = 4),
       retry(times = 2, minutes_between_retries = 0, on = c("oom", "crash"), memory = c(64, 128)), r_function = function(self) {
    cat(paste0(self$input, "\n"), file = "notes.log", append = TRUE)
    if (file.exists("mend")) return()
    switch(self$input, error = stop("on purpose"), killed = tools::pskill(Sys.getpid(), 9L), quit = quit(status = 0),
      segfault = tools::pskill(Sys.getpid(), 11L), memory = numeric(1e14), time = repeat 1)
  }) %>%
  step(step = "after", next_step = "join") %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$causes <- vapply(failed(inputs), function(problem) problem$cause, "")
    self$lost <- vapply(failed(inputs), function(problem) problem$input, "")
    self$well <- length(succeeded(inputs))
  }) %>%
  step(step = "end", r_function = function(self) {
    if (file.exists("mend")) stopifnot(self$well == 7L)
    else stopifnot(
      identical(self$causes, c("error", "crash", "crash", "quit", "oom", "timeout")),
      identical(self$lost, c("error", "killed", "segfault", "quit", "memory", "time"))
    )
  }) %>%
  run()
"""


@pytest.mark.parametrize("isolation", ["fork", pytest.param("fresh", marks=pytest.mark.slow)])
def test_causes_are_told_apart_and_only_some_are_tried_again(r_flow, isolation):
    flow = r_flow(CAUSES, METAFLOW_ISOLATION=isolation)
    output = flow.command("run").expect(0).output
    tries = dict.fromkeys(["well", "error", "quit", "time"], 1) | dict.fromkeys(["killed", "segfault", "memory"], 3)
    assert Counter(flow.notes()) == tries
    assert output.count("with 64 MB of memory") == output.count("with 128 MB of memory") == 3
    assert "completed" in output
    assert "without 6 tasks that failed" in output
    # The index and the client's tables say the same as the records.
    seen = Counter(row["cause"] for row in flow.store().index.tasks("CrossFlow", "1") if row["cause"])
    assert seen == {"error": 1, "crash": 2, "quit": 1, "oom": 1, "timeout": 1}
    (flow.folder / "mend").touch()
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"] == {"done": 17, "failed": 0, "cloned": 3}
    flow.wait_gone()


@pytest.fixture
def small_cgroup():
    """A folder of the kernel whose processes get 150 MB of memory together (cgroup version 1 or 2)."""
    for base, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = f"{base}/metaflow-test-{os.getpid()}"
        try:
            os.mkdir(folder)
            with open(f"{folder}/{limit}", "r+") as file:
                file.write(str(150 * 1024 * 1024))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
            continue
        yield folder
        os.rmdir(folder)
        return
    pytest.skip("limits of memory cannot be set here (that needs root and cgroups)")


def test_a_process_that_the_kernel_kills_for_memory_is_told_from_a_crash(r_flow, small_cgroup):
    flow = r_flow(
        """
    library(metaflow)
    metaflow("CrossFlow") %>%
      step(step = "start", next_step = "end", retry(times = 1, minutes_between_retries = 0, on = "oom"),
           r_function = function(self) {
        if (current("retry_count") > 0) return(NULL)
        writeLines(as.character(Sys.getpid()), "GROUP/cgroup.procs")
        self$x <- raw(1e9) | as.raw(1)
      }) %>%
      step(step = "end") %>%
      run()
    """.replace("GROUP", small_cgroup)
    )
    output = flow.command("run").expect(0).output
    error = flow.attempts("1")[1]["error"]
    assert (error["cause"], error["classes"]) == ("oom", ["metaflow_oom_error"])
    assert "ran out of memory" in output


@pytest.mark.parametrize("isolation", ["fork", "fresh"])
def test_other_tasks_go_on_when_processes_die(r_flow, isolation):
    flow = r_flow(
        """
    library(metaflow)
    metaflow("CrossFlow") %>%
      step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:12) %>%
      step(step = "work", next_step = "join", catch("problem", print_exception = FALSE), r_function = function(self) {
        if (self$index %% 3 == 1) tools::pskill(Sys.getpid(), 9L)
        if (self$index %% 3 == 2) stop("on purpose")
        self$x <- self$input
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        problems <- gather_inputs(inputs, "problem")
        kinds <- vapply(problems, function(problem) class(problem)[[1]], "")
        stopifnot(identical(kinds, rep(c("NULL", "metaflow_crash_error", "simpleError"), 4)))
        stopifnot(identical(inputs[[4]]$x, 4L), !"x" %in% names(inputs[[2]]))
      }) %>%
      step(step = "end") %>%
      run()
    """,
        METAFLOW_ISOLATION=isolation,
    )
    flow.command("run").expect(0)
    flow.wait_gone()


def test_a_background_process_of_a_task_that_is_done_does_not_hold_up_the_run(one_step):
    flow = one_step("system('sleep 300 &'); system('setsid sleep 300 &')")
    started = time.monotonic()
    flow.command("run").expect(0)
    assert time.monotonic() - started < 100
    flow.kill_all()
    flow.wait_gone()


# -- random numbers


RANDOM = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) {
    self$xs <- 1:4
    self$first <- runif(1)
  }) %>%
  step(step = "work", next_step = "join", retry(times = 1, minutes_between_retries = 0), r_function = function(self) {
    self$draw <- c(runif(2), rnorm(1), sample(100, 1))
    self$seed <- current("seed")
    if (file.exists("fail") && current("retry_count") == 0L) stop("on purpose")
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    draws <- gather_inputs(inputs, "draw")
    stopifnot(!anyDuplicated(draws), !anyDuplicated(gather_inputs(inputs, "seed")))
  }) %>%
  step(step = "end", r_function = function(self) self$last <- runif(1)) %>%
  run()
"""


def test_random_numbers_are_those_of_the_seed_and_the_place(r_flow):
    flow = r_flow(RANDOM)
    flow.command("run", "--seed", "5", "--max-workers", "1").expect(0)
    (flow.folder / "fail").touch()  # a second attempt draws what the first one drew
    flow.command("run", "--seed", "5", "--max-workers", "4").expect(0)
    (flow.folder / "fail").unlink()
    flow.command("run", "--seed", "6").expect(0)
    flow.command("run").expect(0)
    first, again, other, any_seed = (flow.digests(run) for run in "1234")
    assert first == again
    assert not set(digests_of(first)) & set(digests_of(other)) - set(common(first, other))
    assert first["end"]["last"] != other["end"]["last"] != any_seed["end"]["last"]


def digests_of(artifacts):
    return [digest for found in artifacts.values() for digest in found.values()]


def common(first, other):
    return [first["start"]["xs"]]


# -- output


def test_a_lot_of_output_is_shown_to_the_last_line(one_step):
    flow = one_step("writeLines(sprintf('line %06d of a lot of output', 1:100000))")
    output = flow.command("run").expect(0).output
    assert output.count("of a lot of output") == 100_000
    assert "line 100000 of" in output


@pytest.mark.parametrize(
    "message", ["'caf\\xe9'", "strrep('long ', 1e6)", "c('two', 'parts')", "'null\\u2028sep \\\"quoted\\\" \\\\\\\\'"]
)
def test_an_error_with_an_odd_message_is_an_error_like_others(one_step, message):
    flow = one_step(f"stop(structure(class = c('odd', 'error', 'condition'), list(message = {message}, call = NULL)))")
    flow.command("run").expect(1)
    (record,) = flow.attempts("1")
    assert (record["error"]["classes"][0], record["error"]["cause"]) == ("odd", "error")
    assert record["error"]["message"]


# -- size


def test_many_artifacts_of_some_size(one_step):
    """Together they are more than what the engine hashes in memory."""
    flow = one_step(
        "for (i in 1:300) self[[paste0('x', i)]] <- seq_len(3000) + i + 0.5",
        "for (i in 1:300) stopifnot(identical(self[[paste0('x', i)]], seq_len(3000) + i + 0.5))",
    )
    flow.command("run").expect(0)
    assert len(flow.digests("1")["end"]) == 300


def test_a_wide_foreach(r_flow):
    flow = r_flow("""
    library(metaflow)
    metaflow("CrossFlow") %>%
      step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:300) %>%
      step(step = "work", next_step = "join", r_function = function(self) self$y <- self$input * 2L) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        stopifnot(identical(unlist(gather_inputs(inputs, "y")), 1:300 * 2L))
      }) %>%
      step(step = "end") %>%
      run()
    """)
    flow.command("run", "--max-num-splits", "299").expect(1)
    assert "300" in flow.status("1")["error"]["message"]
    assert "--max-num-splits 300" in flow.output()
    flow.command("resume", "--max-num-splits", "300").expect(0)
    assert flow.status("2")["tasks"] == {"done": 303, "failed": 0, "cloned": 1}


def test_a_step_that_asks_for_too_much_warns_once_and_runs_alone(r_flow):
    flow = r_flow("""
    library(metaflow)
    metaflow("CrossFlow") %>%
      step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:3) %>%
      step(step = "work", next_step = "join", resources(cpu = 500, memory = 1e9), r_function = function(self) {
        stopifnot(file.create(tempfile(tmpdir = ".", pattern = "alone")), length(list.files(pattern = "^alone")) == 1L)
        Sys.sleep(0.2)
        unlink(list.files(pattern = "^alone"))
      }) %>%
      step(step = "join", join = TRUE, next_step = "end") %>%
      step(step = "end") %>%
      run()
    """)
    output = flow.command("run", "--max-workers", "3").expect(0).output
    assert output.count("500 cores") == 1
    assert "alone" in output


# -- switch and recursion


RECURSION = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "turn", r_function = function(self) self$n <- 0L) %>%
  step(step = "turn", next_step = list(again = "turn", done = "check"), condition = "state",
       r_function = function(self) {
    if (file.exists("fail") && self$n == 3L) stop("on purpose")
    cat(paste0(self$n, "\\n"), file = "notes.log", append = TRUE)
    self$n <- self$n + 1L
    self$state <- if (self$n < LIMIT) "again" else "done"
  }) %>%
  step(step = "check", next_step = list("TRUE" = "large", "FALSE" = "small"), condition = "many",
       r_function = function(self) self$many <- self$n > 3) %>%
  step(step = "large", next_step = "end", r_function = function(self) self$size <- "large") %>%
  step(step = "small", next_step = "end", r_function = function(self) self$size <- "small") %>%
  step(step = "end", r_function = function(self) stopifnot(self$n == LIMIT, self$size == "large")) %>%
  run()
"""


def test_a_recursion_is_resumed_at_the_turn_that_failed(r_flow):
    flow = r_flow(RECURSION.replace("LIMIT", "6L"))
    (flow.folder / "fail").touch()
    flow.command("run").expect(1)
    assert set(flow.records("1")) == {"start", "turn", "turn#1", "turn#2"}
    (flow.folder / "fail").unlink()
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"] == {"done": 10, "failed": 0, "cloned": 4}
    assert [int(note) for note in flow.notes()] == [0, 1, 2, 3, 4, 5]
    assert {"turn#5", "check", "large", "end"} <= set(flow.records("2"))


def test_a_recursion_without_end_is_ended(r_flow):
    flow = r_flow(RECURSION.replace("LIMIT", "1e6L"))
    ended = flow.command("run").expect(1)
    assert "limit" in flow.status("1")["error"]["message"]
    assert "'turn'" in ended.output


def test_a_recursion_that_reached_its_limit_is_resumed_with_a_higher_one(r_flow):
    script = RECURSION.replace("LIMIT", "6L")
    flow = r_flow(script.replace('condition = "state"', 'condition = "state", max_iterations = 4'))
    assert "max_iterations = 8" in flow.command("run").expect(1).output
    (flow.folder / "flow.R").write_text(script)
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"] == {"done": 10, "failed": 0, "cloned": 5}


def test_a_case_that_is_not_there_fails_its_step_which_resume_runs_again(r_flow):
    script = RECURSION.replace("LIMIT", "4L")
    flow = r_flow(script.replace('else "done"', 'else "dnoe"'))
    ended = flow.command("run").expect(1)
    assert '"dnoe"' in ended.output
    assert "'again', 'done'" in ended.output
    (flow.folder / "flow.R").write_text(script)
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"] == {"done": 8, "failed": 0, "cloned": 4}


# -- several at a time


def test_runs_of_one_flow_at_the_same_time_in_one_datastore(one_step):
    flow = one_step("self$x <- Sys.getpid(); Sys.sleep(1)", "stopifnot(is.integer(self$x))")
    environment = flow.environment({})
    processes = [
        subprocess.Popen(
            ["Rscript", "flow.R", "run", "--max-workers", "1"],
            cwd=flow.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(4)
    ]
    for process in processes:
        output = process.communicate(timeout=180)[0].decode()
        assert process.returncode == 0, output
    assert flow.runs() == ["1", "2", "3", "4"]
    assert [row["status"] for row in flow.store().index.runs("CrossFlow")] == ["completed"] * 4
    assert len({flow.digests(run)["end"]["x"] for run in flow.runs()}) == 4


def test_a_run_that_is_going_on_is_not_resumed(one_step):
    flow = one_step("while (!file.exists('go')) Sys.sleep(0.1)")
    process = flow.start("run")
    wait_until(lambda: (flow.root / "flows/CrossFlow/1/start/1/0").exists(), 60)
    (flow.folder / "output").rename(flow.folder / "output of the run")
    ended = flow.command("resume").expect(1)
    assert "still running" in ended.output
    (flow.folder / "go").touch()
    assert process.wait(60) == 0
    assert flow.runs() == ["1"]


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_a_datastore_that_cannot_be_written_is_said_before_anything_runs(one_step):
    flow = one_step("cat('ran', file = 'notes.log')")
    flow.root.write_text("a file where the datastore should be")
    ended = flow.command("run").expect(1)
    assert "datastore" in ended.output
    assert "Traceback" not in ended.output
    assert flow.notes() == []
