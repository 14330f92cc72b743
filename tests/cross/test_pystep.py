"""Flows of R and Python steps, through real `Rscript`."""

# ruff: noqa: E501 - lines of R and of values
from __future__ import annotations

import os
import re
import signal
import time

import pytest
from rflow import wait_until


@pytest.fixture
def mixed(r_flow):
    """A flow of `steps` (R code of the pipe) with the Python file steps.py."""

    def make(steps, python, files=None, **env):
        flow = r_flow(f'library(metaflow)\nmetaflow("CrossFlow") %>%\n{steps} %>%\n  run()\n', **env)
        for name, text in {"steps.py": python, **(files or {})}.items():
            path = flow.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return flow

    return make


TREASURES = """
treasures <- list(
  nothing = NULL, missing_values = c(NA, TRUE), missing_text = c("a", NA, "gr\\u00f6\\u00dfer"), one_missing = NA_real_,
  odd_numbers = c(NaN, NA, Inf, -0, 2^53 + 1), empty = integer(0), named = c(a = 1, b = 2), numbers = list(1, 2),
  kinds = factor(c("x", NA, "y"), levels = c("y", "x", "z")), day = as.Date("2020-02-29"),
  moment = as.POSIXct(1e9 + 0.25, origin = "1970-01-01", tz = "UTC"), duration = as.difftime(90, units = "mins"),
  table = data.frame(x = c(1, NA), when = as.Date(c(NA, "2020-01-01")), text = c("a", NA)),
  model = lm(mpg ~ wt, mtcars), s4 = getClass("numeric"), large = seq(0, 1, length.out = 20000)
)
same <- function(a, b) identical(a, b) || isTRUE(all.equal(a, b)) && inherits(a, "lm")
"""


def test_a_branch_with_an_arm_in_each_language_and_joins_in_both(mixed):
    """Artifacts pass through both languages, joins of both read inputs of both, and nothing that was not assigned is
    written anew."""
    flow = mixed(
        """
  step(step = "start", next_step = c("r_arm", "py_arm"), r_function = function(self) {
    for (name in names(treasures)) self[[name]] <- treasures[[name]]
  }) %>%
  step(step = "r_arm", next_step = "py_join", r_function = function(self) self$x <- 1:3) %>%
  step(step = "py_arm", next_step = "py_join", py_function = "steps.py:arm") %>%
  step(step = "py_join", join = TRUE, py_function = "steps.py:join", next_step = "fork") %>%
  step(step = "fork", next_step = c("p", "q")) %>%
  step(step = "p", next_step = "r_join", py_function = "steps.py:again") %>%
  step(step = "q", next_step = "r_join", py_function = "steps.py:again") %>%
  step(step = "r_join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    stopifnot(identical(inputs$p$copy_named, treasures$named), inherits(inputs$q$thing, "metaflow_python_object"))
    merge_artifacts(self, inputs)
    for (name in names(treasures)) {
      if (!same(self[[name]], treasures[[name]])) stop(name, " is not what it was")
      if (!same(self[[paste0("copy_", name)]], treasures[[name]])) stop("the copy of ", name, " is not what it was")
    }
    stopifnot(identical(self$total, 6), identical(self$x, 1:3), identical(self$y, c("a", NA)))
  }) %>%
  step(step = "end")""",
        """
from metaflow_core import current
from metaflow_core.pystep import MergeArtifactsException, gather_inputs, merge_artifacts


class Thing:
    pass


def arm(self):
    self.x = (1, 2, 4)
    self.y = ["a", None]
    self.thing = Thing()
    assert current.step_name == "py_arm" and current.retry_count == 0


def join(self, inputs):
    assert len(inputs) == 2 and inputs.r_arm.x == [1, 2, 3] and inputs["py_arm"].x == (1, 2, 4)
    assert gather_inputs(inputs, "x") == [[1, 2, 3], (1, 2, 4)]
    try:
        merge_artifacts(self, inputs)
        raise AssertionError("there is a conflict")
    except MergeArtifactsException as problem:
        assert "'x'" in str(problem) and "'y'" not in str(problem)
    self.x = inputs.r_arm.x
    self.merge_artifacts(inputs)
    assert type(self.thing) is Thing
    self.total = float(sum(self.x))


def again(self):
    for name in [name for name in self if not name.startswith("copy_")]:
        if name not in ("x", "y", "total", "thing"):
            self["copy_" + name] = self[name]
""",
    )
    script = flow.folder / "flow.R"
    script.write_text(script.read_text().replace("library(metaflow)", f"library(metaflow)\n{TREASURES}"))
    flow.command("run").expect(0)
    records = flow.artifacts(1)
    for name in ("model", "s4", "large", "table", "nothing"):
        assert len({found[name]["digest"] for found in records.values()}) == 1, name


FOREACH = """
  step(step = "start", next_step = "work", foreach = "grid", r_function = function(self) {
    self$grid <- data.frame(depth = 1:3, rate = c(0.1, NA, 0.3))
  }) %>%
  step(step = "work", next_step = "join", py_function = "steps.py:work"DECORATORS) %>%
  step(step = "join", join = TRUE, next_step = "split", r_function = function(self, inputs) {
    stopifnot(identical(unlist(gather_inputs(inputs, "doubled")), c(2L, 4L, 6L)))
    stopifnot(identical(lapply(inputs, function(i) i$rate), list(0.1, NA_real_, 0.3)))
    self$n <- length(inputs)
  }) %>%
  step(step = "split", next_step = "inner", foreach = "items", py_function = "steps.py:split") %>%
  step(step = "inner", next_step = "collect", r_function = function(self) {
    self$kind <- class(self$input)[[1]]
    stopifnot(identical(self$foreach_stack()[[1]]$count, 4L))
  }) %>%
  step(step = "collect", join = TRUE, next_step = "end", py_function = "steps.py:collect") %>%
  step(step = "end", r_function = function(self) {
    stopifnot(identical(self$kinds, c("integer", "character", "metaflow_python_object", "logical")))
  })"""

FOREACH_PYTHON = """
import os


def work(self):
    row = next(self.input.rows())
    assert self.index == row["depth"] - 1 and self.foreach_stack()[0]["count"] == 3
    self.doubled = 2 * row["depth"]
    self.rate = self.input["rate"][0] if self.input["rate"][0] is not None else NA_REAL
    with open("notes.log", "a") as file:
        file.write(f"work {self.index}\\n")
    if os.environ.get("CROSS_FAIL") == "work" and self.index == 1:
        raise RuntimeError("on purpose")


from metaflow_core.rdata import NA_REAL


def split(self):
    self.items = [1, "a", {1, 2}.__class__, True]
    self.one = [5]


def collect(self, inputs):
    self.kinds = [item.kind for item in inputs]
    assert inputs[2].one == [5] and len(inputs) == 4
    self.merge_artifacts(inputs, exclude=["kind"])
"""


def test_a_foreach_goes_from_r_into_python_and_back_and_resumes(mixed):
    flow = mixed(FOREACH.replace("DECORATORS", ""), FOREACH_PYTHON)
    flow.command("run").expect(0)
    ended = flow.command("run", "--max-workers", "1", CROSS_FAIL="work").expect(1)
    assert "RuntimeError: on purpose" in ended.output and "steps.py:13: raise RuntimeError" in ended.output
    before = len(flow.notes())
    flow.command("resume").expect(0)
    # Of the three splits only those ran again that had not been done.
    assert 1 <= len(flow.notes()) - before <= 2
    undisturbed, resumed = flow.digests(1), flow.digests(3)
    assert undisturbed.keys() == resumed.keys()
    for position, digests in undisturbed.items():
        assert digests == resumed[position], position


@pytest.mark.parametrize("isolation", ["fork", "fresh"])
def test_retry_catch_and_timeout(mixed, isolation):
    flow = mixed(
        """
  step(step = "start", next_step = "again", py_function = "steps.py:start") %>%
  step(step = "again", retry(times = 2, minutes_between_retries = 0), next_step = "caught", py_function = "steps.py:again") %>%
  step(step = "caught", catch(var = "problem", print_exception = FALSE), next_step = "slow", py_function = "steps.py:caught") %>%
  step(step = "slow", catch(var = "late"), timeout(seconds = 1), next_step = "dies", py_function = "steps.py:slow") %>%
  step(step = "dies", catch(var = "dead"), next_step = "end", py_function = "steps.py:dies") %>%
  step(step = "end", r_function = function(self) {
    stopifnot(inherits(self$problem, "ZeroDivisionError"), inherits(self$problem, "error"))
    stopifnot(identical(conditionMessage(self$problem), "ZeroDivisionError: division by zero"))
    stopifnot(inherits(self$late, "metaflow_timeout_error"), inherits(self$dead, "metaflow_crash_error"))
    stopifnot(!"assigned" %in% names(self), identical(self$tries, 1L))
  })""",
        """
import os, signal, subprocess, sys, time
from metaflow_core import current

def start(self):
    assert sys.stdin.read() == ""
    assert subprocess.run(["cat"], capture_output=True).stdout == b""
    print("printed", file=sys.stderr)
    subprocess.run(["echo", "by a program"])

def again(self):
    self.tries = current.retry_count
    if current.retry_count == 0:
        os._exit(3)

def caught(self):
    self.assigned = 1
    1 / 0

def slow(self):
    self.assigned = 1
    subprocess.Popen(["sleep", "300"])
    while True:
        pass

def dies(self):
    self.assigned = 1
    os.kill(os.getpid(), signal.SIGKILL)
""",
        METAFLOW_ISOLATION=isolation,
    )
    ended = flow.command("run").expect(0)
    assert "printed" in ended.output and "by a program" in ended.output
    flow.wait_gone()
    assert not flow.leftovers()


@pytest.mark.parametrize(
    ("body", "cause", "words"),
    [
        ("sys.exit('no')", "quit", r"Python process with sys.exit\(\)"),
        ("os.kill(os.getpid(), 9)", "crash", "Python process was killed .signal 9"),
        ("import ctypes; ctypes.string_at(0)", "crash", "Python process crashed: Segmentation fault"),
        ("bytearray(10**15)", "oom", "MemoryError"),
        ("f = lambda n: 1 + f(n + 1); f(1)", "error", "RecursionError"),
        ("self.f = open('steps.py')", "error", "artifact 'f': a value of type _io.TextIOWrapper cannot be kept"),
        ("self.y = self.alpa", "error", "(?s)AttributeError: flow has no attribute 'alpa'.*Did you mean 'alpha'"),
        ("self.alpha = 2", "error", "parameter 'alpha' is read-only"),
        ("import nowhere", "error", "ModuleNotFoundError: No module named 'nowhere'"),
    ],
    ids=["exit", "killed", "fault", "memory", "recursion", "open file", "near name", "parameter", "import"],
)
def test_a_step_that_ends_badly(mixed, body, cause, words):
    flow = mixed(
        '  parameter("alpha", default = 1L) %>%\n  step(step = "start", next_step = "end", py_function = "steps.py:start") %>%\n  step(step = "end")',
        f"import os, sys\n\ndef start(self):\n    {body}\n",
    )
    ended = flow.command("run").expect(1)
    (record,) = flow.attempts(1)
    assert record["error"]["cause"] == cause
    assert re.search(words, record["error"]["message"]), record["error"]["message"]
    assert re.search(words, ended.output.replace("[1/start/1] ", "")) or "\n" in record["error"]["message"], (
        ended.output
    )
    assert "Traceback" not in ended.output
    flow.wait_gone()


def test_the_call_stack_is_shown_as_that_of_r(mixed):
    flow = mixed(
        '  step(step = "start", next_step = "end", py_function = "steps.py:start") %>%\n  step(step = "end")',
        "from lib.deep import third\n\n\ndef second(x):\n    return third(x)\n\n\ndef start(self):\n    second(1)\n",
        {
            "lib/deep.py": "def third(x):\n    try:\n        {}['k']\n    except KeyError as error:\n        raise ValueError(f'no {x}') from error\n"
        },
    )
    ended = flow.command("run").expect(1)
    lines = [line.partition("] ")[2] for line in ended.output.splitlines() if "[1/start/1]" in line]
    assert lines[:6] == [
        "Error: ValueError: no 1",
        "caused by KeyError: 'k' (lib/deep.py:3)",
        "Call stack, innermost first:",
        "  lib/deep.py:5: raise ValueError(f'no {x}') from error",
        "  steps.py:5: return third(x)",
        "  steps.py:9: second(1)",
    ]


def test_ctrl_c_stops_python_workers_and_their_children(mixed):
    flow = mixed(
        '  step(step = "start", next_step = "end", py_function = "steps.py:start") %>%\n  step(step = "end")',
        "import subprocess, time\n\ndef start(self):\n    subprocess.Popen(['sleep', '300'])\n    open('there', 'w').close()\n    time.sleep(300)\n",
    )
    process = flow.start("run")
    wait_until(lambda: (flow.folder / "there").exists(), 60, flow.output)
    os.kill(process.pid, signal.SIGINT)
    begun = time.monotonic()
    assert flow.finish(process).status == 130
    flow.wait_gone(10)
    assert time.monotonic() - begun < 60
    assert flow.status(1)["status"] == "interrupted"


def test_a_run_has_the_code_it_began_with(mixed):
    """Also for tasks that begin after the file was changed; and its client shows the file."""
    flow = mixed(
        """
  step(step = "start", next_step = "two", py_function = "steps.py:one") %>%
  step(step = "two", next_step = "end", py_function = "steps.py:two") %>%
  step(step = "end", r_function = function(self) stopifnot(identical(self$version, 1L)))""",
        "VERSION = 1\ndef one(self):\n    open('steps.py', 'a').write('VERSION = 2\\n')\n\ndef two(self):\n    self.version = VERSION\n",
    )
    flow.command("run").expect(0)
    ended = flow.command("resume", "end").expect(0)
    assert "the code of step 'two' has changed" in ended.output


def test_random_numbers_repeat(mixed):
    flow = mixed(
        '  step(step = "start", next_step = "end", py_function = "steps.py:start") %>%\n  step(step = "end")',
        "import random\n\ndef start(self):\n    import numpy\n    self.x = [random.random(), float(numpy.random.rand())]\n    self.s = list({'a', 'b', 'c'})\n",
    )
    for _ in range(2):
        flow.command("run", "--seed", "7").expect(0)
    assert flow.digests(1) == flow.digests(2)
    flow.command("run", "--seed", "8").expect(0)
    assert flow.digests(1)["start"]["x"] != flow.digests(3)["start"]["x"]


def test_a_switch_and_a_list_that_is_changed_in_place(mixed):
    flow = mixed(
        """
  step(step = "start", next_step = "grow", r_function = function(self) { self$xs <- list(1, "a"); self$n <- 0L; self$t <- 1:5 }) %>%
  step(step = "grow", condition = "done", next_step = list("FALSE" = "grow", "TRUE" = "end"), py_function = "steps.py:grow") %>%
  step(step = "end", r_function = function(self) {
    stopifnot(identical(self$xs, list(1, "a", 1L, 2L, 3L)), identical(self$n, 3L), identical(self$t, 1:5))
  })""",
        "def grow(self):\n    self.n += 1\n    self.xs.append(self.n)\n    self.t\n    self.done = self.n == 3\n",
    )
    flow.command("run").expect(0)
    assert len({found["t"]["digest"] for found in flow.artifacts(1).values()}) == 1


def test_what_a_client_reads(mixed):
    """Values of Python steps in an R session, an exception as a condition, and a model that reticulate takes."""
    flow = mixed(
        '  step(step = "start", next_step = "end", py_function = "steps.py:start") %>%\n  step(step = "end")',
        "import fractions\n\nimport pandas as pd\n\n\ndef start(self):\n    self.frame = pd.DataFrame({'x': [1, 2], 'c': pd.Categorical(['a', None])})\n"
        "    self.scores = {'a': 0.5, 'b': [1, None]}\n    self.model = fractions.Fraction(1, 3)\n    self.big = 2**70\n",
    )
    flow.command("run").expect(0)
    (flow.folder / "read.R").write_text(
        """
        library(metaflow)
        run <- flow_client$new("CrossFlow")$latest_run
        stopifnot(identical(run$artifact("frame"), data.frame(x = 1:2, c = factor(c("a", NA)))))
        stopifnot(identical(run$artifact("scores"), list(a = 0.5, b = c(1L, NA))))
        print(run$artifact("model"))
        stopifnot(identical(as.character(as_python(run$artifact("model"))), "1/3"))
        print(run$artifact("big"))
        print(run)
        """
    )
    import subprocess

    done = subprocess.run(
        ["Rscript", "read.R"], cwd=flow.folder, env=flow.environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "<python object> fractions.Fraction" in done.stdout and str(2**70) in done.stdout


def test_bare_python_is_enough(mixed):
    """Nothing but the standard library: no numpy, no pandas, no pyarrow, no cloudpickle."""
    flow = mixed(
        """
  step(step = "start", next_step = "work", r_function = function(self) { self$cells <- iris; self$m <- matrix(1:4, 2) }) %>%
  step(step = "work", next_step = "end", py_function = "steps.py:work") %>%
  step(step = "end", r_function = function(self) {
    stopifnot(identical(self$copy, iris), identical(self$m2, matrix(1:4, 2)), identical(self$n, 150L))
    stopifnot(identical(self$small, data.frame(a = 1:2, b = c("x", NA))))
  })""",
        """
import sys
from metaflow_core.pystep import RDataFrame

def work(self):
    self.copy = self.cells
    self.m2 = self.m
    self.n = len(self.cells["Sepal.Length"])
    self.small = RDataFrame({"a": [1, 2], "b": ["x", None]})
    assert not {"numpy", "pandas", "pyarrow", "cloudpickle"} & set(sys.modules)
""",
        METAFLOW_PYTHON="/usr/bin/python3",
    )
    flow.command("run").expect(0)


def test_splits_that_failed_are_told_to_a_join_in_python(mixed):
    flow = mixed(
        """
  step(step = "start", next_step = "work", foreach = "xs", on_error = "continue", r_function = function(self) self$xs <- c(1, 2, 3)) %>%
  step(step = "work", next_step = "join", py_function = "steps.py:work") %>%
  step(step = "join", join = TRUE, next_step = "end", py_function = "steps.py:join") %>%
  step(step = "end", r_function = function(self) stopifnot(identical(self$y, c(2, 6)), identical(self$why, "ValueError: two")))""",
        """
from metaflow_core.pystep import failed, succeeded


def work(self):
    if self.input == 2:
        raise ValueError("two")
    self.y = 2 * self.input


def join(self, inputs):
    self.y = [item.y for item in succeeded(inputs)]
    (problem,) = failed(inputs)
    assert problem is inputs[1] and problem.input == 2 and problem.index == 1 and problem.classes[0] == "ValueError"
    try:
        inputs[1].y
        raise AssertionError
    except AttributeError as error:
        assert "which failed (error): ValueError: two" in str(error)
    self.why = problem.message
""",
    )
    flow.command("run").expect(0)


MEMOISED = """
  parameter("alpha", default = 1) %>% parameter("beta", default = 1) %>%
  step(decorator("cache"), step = "start", next_step = "work", foreach = "xs", r_function = function(self) {
    self$xs <- c("a", "b")
    self$table <- data.frame(x = 1:3)
    self$spare <- self$beta
  }) %>%
  step(decorator("cache"), step = "work", next_step = "join", py_function = "steps.py:work") %>%
  step(decorator("cache"), step = "join", join = TRUE, next_step = "end", py_function = "steps.py:join") %>%
  step(step = "end", r_function = function(self) stopifnot(identical(self$total, 2 * self$alpha)))"""

MEMOISED_PYTHON = """
import random

from helper import note


def work(self):
    note(f"work {self.input}")
    assert self.table["x"][2] == 3 and "nothing" not in dir(random)
    self.number = random.random()
    self.weight = self.alpha


def join(self, inputs):
    note("join")
    self.total = float(sum(item.weight for item in inputs))
    self.numbers = [item.number for item in inputs]
    # for whoever reads it: nothing else has changed
"""

HELPER = """
import sys


def note(text):
    with open("notes.log", "a") as file:
        file.write(text + "\\n")
"""


def test_memoised_steps_in_python(mixed):
    """A second run takes everything over; what a task had read, its files, its seed and packages run it again."""
    flow = mixed(MEMOISED, MEMOISED_PYTHON, {"sub/other.py": "", "helper.py": HELPER})

    def ran(*words, **env):
        before = len(flow.notes())
        flow.command("run", *words, **env).expect(0)
        return sorted(flow.notes()[before:])

    everything = ["join", "work a", "work b"]
    assert ran() == everything
    assert ran() == []
    assert flow.digests(1) == flow.digests(2)
    assert flow.records(2)["work[1]"]["origin"] == "CrossFlow/1/work/3/0"
    # An artifact that no step read has changed.
    assert ran("--beta", "2") == []
    # A parameter that they read; it is remembered for both values.
    assert ran("--alpha", "2") == everything
    assert ran() == []
    assert ran("--seed", "7") == everything
    # Any Python file of the folder may be one that is imported.
    (flow.folder / "sub/other.py").write_text("x = 1\n", encoding="utf-8")
    assert ran() == everything
    why = flow.records(7)["work[0]"]["memo"]["why"]
    assert why == {"than": "CrossFlow/6/work", "code": ["the function of the step, or a Python file beside it"]}
    # The script says, instead of a run, what one would do.
    script = flow.folder / "flow.R"
    script.write_text(script.read_text().replace("run()", "mf_outdated() %>% print()"))
    told = flow.command("run").expect(0).output
    assert [line.split()[1] for line in told.splitlines()[-4:]] == ["current", "current", "current", "outdated"], told


VOLATILE = [
    ("from metaflow_core import current; self.x = current.run_id", "run_id"),
    ("self.x = repr(self)", "printed self"),
    ("import sys; sys.path.insert(0, 'elsewhere'); import away", "neither in the flow's folder nor installed"),
    ("import os; pid = os.fork()\n    if pid == 0:\n        repr(self); os._exit(0)\n    os.waitpid(pid, 0)", "printed self"),
]


@pytest.mark.parametrize(("code", "why"), VOLATILE, ids=[why for _, why in VOLATILE])
def test_a_python_step_that_no_other_can_stand_in_for(mixed, code, why):
    steps = 'step(decorator("cache"), step = "start", next_step = "end", py_function = "steps.py:work") %>%\n  step(step = "end")'
    flow = mixed(steps, f"def work(self):\n    {code}\n", {"elsewhere/away.py": "", ".metaflowignore": "elsewhere\n"})
    flow.command("run").expect(0)
    assert why in flow.records(1)["start"]["memo"]["forgotten"]
