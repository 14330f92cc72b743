"""Machines that share nothing but S3: jobs of AWS Batch (moto, with real R) whose datastore is SeaweedFS."""

import os
import sys
from pathlib import Path

import pytest
from backend_suite import kill_scheduler, until
from batch_server import QUEUE, BatchServer
from container_image import image_folder, r_environment
from metaflow_core import S3
from metaflow_core.settings import load_settings
from metaflow_core.store.check import check_store
from metaflow_core.store.open import open_store
from seaweed import BUCKET, SeaweedServer, credentials

pytestmark = pytest.mark.slow

SCRIPT = """
library(metaflow)
helper <- function(x) x^2
metaflow("SharedFlow") %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) {
    self$xs <- 1:3
    self$large <- rep(c(1.5, NA, pi), 1e6)
    self$noise <- runif(2e6)
  }) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    message("hello from ", self$index)
    stopifnot(length(self$noise) == 2e6)
    self$square <- helper(self$input)
    self$mine <- rep(self$input, 2e6)
    mf_s3(run = TRUE)$put(paste0("files/", self$index), "by a job")
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "square")))
    merge_artifacts(self, inputs, include = c("large", "noise"))
  }) %>%
  step(step = "end", r_function = function(self) cat("total", self$total, identical(self$large, rep(c(1.5, NA, pi), 1e6)), "\\n")) %>%
  run()
"""


# What it does is seen in a folder of this machine: a job has another working folder, that of the code package.
WAITS = """
library(metaflow)
metaflow("WaitFlow") %>%
  parameter("folder") %>%
  step(step = "start", next_step = "end", r_function = function(self) {
    cat("begun\n", file = file.path(self$folder, "begun"), append = TRUE)
    while (!file.exists(file.path(self$folder, "go"))) Sys.sleep(0.05)
    self$done <- TRUE
  }) %>%
  step(step = "end", r_function = function(self) NULL) %>%
  run()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """(environment of whoever starts runs, the Batch)"""
    storage = SeaweedServer()
    try:
        image = Path(image_folder(tmp_path_factory.mktemp("image")))
        os.unlink(image / "Rscript")  # goes to the folder of the datastore, which is none here
        # A job has the credentials of its role; where S3 is, it is told by the run.
        own = {**r_environment(), "METAFLOW_PYTHON": sys.executable, **credentials()}
        with BatchServer(str(image), own) as batch:
            batch.make_queue()
            yield {
                **credentials(), "AWS_ENDPOINT_URL": batch.address, "METAFLOW_S3_ENDPOINT_URL": storage.endpoint,
                "METAFLOW_DATASTORE_ROOT": f"s3://{BUCKET}/shared", "METAFLOW_DATASTORE": "s3",
                "METAFLOW_BATCH_JOB_QUEUE": QUEUE, "METAFLOW_BATCH_CONTAINER_IMAGE": "metaflow-r:test",
            }, batch
    finally:
        storage.stop()


@pytest.fixture
def environment(shared, tmp_path):
    # A cache for each test: nothing is at hand that did not come from S3.
    return {**shared[0], "METAFLOW_CACHE_FOLDER": str(tmp_path / "cache")}


@pytest.fixture
def store(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return open_store(load_settings())


def test_every_task_runs_elsewhere(r_flow, environment, store):
    flow = r_flow(SCRIPT, "SharedFlow", **environment)
    said = flow.command("run", "--with", "batch").expect(0).output
    assert "total 14 TRUE" in said and "hello from 2" in said
    assert {record["job"]["backend"] for record in store.tasks.read_tasks("SharedFlow", "1")} == {"aws_batch"}
    assert check_store(store)["problems"] == []
    with S3(run="SharedFlow/1") as files:
        assert {each.key: each.text for each in files.get_all()} == {f"files/{index}": "by a job" for index in range(3)}
    assert "hello from 2" in flow.command("logs", "SharedFlow/1/work").expect(0).output


def test_a_scheduler_that_is_killed_leaves_its_jobs_to_a_resume(r_flow, environment, store, tmp_path):
    flow = r_flow(WAITS, "WaitFlow", **environment)
    process = flow.start("run", "--folder", str(tmp_path), "--with", "batch")
    until((tmp_path / "begun").exists, explain=flow.output)
    kill_scheduler(process)
    (tmp_path / "go").touch()
    until(lambda: store.tasks.read_tasks("WaitFlow", "1"))
    flow.command("resume", "--with", "batch").expect(0)
    assert (tmp_path / "begun").read_text() == "begun\n"
    assert store.runs.read_status("WaitFlow", "2")["status"] == "completed"
