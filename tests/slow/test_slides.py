"""The flows of the slides of 2019, as printed there (with smaller numbers), on this machine and on a Slurm cluster."""

import shutil
from pathlib import Path

import pytest
from rflow import RFlow
from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slow
TUTORIAL = Path(__file__).resolve().parents[2] / "inst" / "tutorials" / "02-tune-gbm" / "flow.R"

BRANCH = """
library(metaflow)
start <- function(self) {
  self$my_var <- "hello world"
}
a <- function(self) {
  message(
    "my_var is : ", self$my_var
  )
}
b <- a
join <- function(self, inputs) message("joined ", length(inputs))
end <- function(self) message("done")

metaflow("BranchFlowR") %>%
  step(
    step = "start",
    r_function = start,
    next_step = c("a", "b")
  ) %>%
  step(
    step = "a",
    r_function = a,
    next_step = "join"
  ) %>%
  step(
    step = "b",
    r_function = b,
    next_step = "join"
  ) %>%
  step(
    step = "join",
    r_function = join,
    next_step = "end",
    join = TRUE
  ) %>%
  step(
    step = "end",
    r_function = end
  ) %>%
  run()
"""

BIG_SUM = """
library(metaflow)
start <- function(self) {
  self$x <- c(10, 40, 80)
}
a <- function(self) {
  x <- self$input
  big_matrix <- matrix(rexp(x*x), x)
  message(sum(big_matrix))
}
metaflow("BigSumFlowR") %>%
  step(
    step = "start",
    r_function = start,
    next_step = "a",
    foreach = "x"
  ) %>%
  step(
    step = "a",
    decorator("titus", memory=MEMORY, cpu=4),
    r_function = a,
    next_step = "join"
  ) %>%
  step(
    step = "join",
    next_step = "end",
    join = TRUE
  ) %>%
  step(
    step = "end"
  ) %>%
  run(meson = "create")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


def places(flow, run=1):
    """{position: where the task ran}, of those that are the run's own."""
    own = {at: record for at, record in flow.records(run).items() if not record.get("origin")}
    return {at: (record.get("job") or {}).get("backend", "local") for at, record in own.items()}


@pytest.mark.parametrize("words", [[], ["--with", "slurm"]], ids=["here", "slurm"])
def test_the_branch_flow_fails_is_mended_and_resumed(cluster, r_flow, words):
    flow = r_flow(BRANCH.replace("self$my_var\n", "self$my_vra\n"), "BranchFlowR", **cluster.environment)
    failed = flow.command("run", *words).expect(1).output
    assert "AttributeError" in failed and "my_vra" in failed
    (flow.folder / "flow.R").write_text(BRANCH)
    output = flow.command("resume", *words).expect(0).output
    assert "my_var is : hello world" in output and "joined 2" in output
    assert set(places(flow, 2).values()) == {"slurm" if words else "local"}


def test_the_big_sum_runs_here_where_no_cluster_is_set_up_and_says_so(r_flow):
    flow = r_flow(BIG_SUM.replace("MEMORY", "60000"), "BigSumFlowR", KUBECONFIG="/nowhere/config")
    output = flow.command().expect(0).output
    [line] = [line for line in output.splitlines() if "step 'a' asks a cluster" in line]
    assert "for 4 cores and 60000 MB of memory, but there is no cluster configuration" in line
    assert "it runs on this machine, which has" in line
    assert 'meson = "create" puts the flow into no scheduler' in output
    assert set(places(flow).values()) == {"local"} and len(places(flow)) == 6


@pytest.mark.parametrize(
    "words, settings, where",
    [
        ([], {"METAFLOW_TITUS_BACKEND": "slurm"}, {"a[0]", "a[1]", "a[2]"}),
        (["run", "--with", "slurm"], {}, {"start", "a[0]", "a[1]", "a[2]", "join", "end"}),
    ],
    ids=["titus is slurm", "--with slurm"],
)
def test_the_big_sum_runs_on_the_cluster_of_the_house(cluster, r_flow, words, settings, where):
    flow = r_flow(BIG_SUM.replace("MEMORY", "600"), "BigSumFlowR", **settings, **cluster.environment)
    flow.command(*words).expect(0)
    assert {at for at, place in places(flow).items() if place == "slurm"} == where
    # What titus was asked for is what Slurm is asked for.
    [job] = {record["job"]["id"].partition("_")[0] for at, record in flow.records(1).items() if at.startswith("a[")}
    assert "NumCPUs=4" in cluster.ask("scontrol", "show", "job", job)


def test_the_models_are_fitted_on_the_cluster(cluster, tmp_path):
    flow = RFlow(tmp_path / "flow", {}, "TuneGbmFlow", **cluster.environment)
    flow.folder.mkdir(parents=True)
    shutil.copy(TUTORIAL, flow.folder / "flow.R")
    flow.command("run", "--folds", "2", "--with", "slurm:memory=1500", seconds=500).expect(0)
    assert set(places(flow).values()) == {"slurm"}
