"""One run in several places: steps on this machine, on Kubernetes and on AWS Batch (stand-ins), retries that move."""

import os
import signal

import pytest
from backend_suite import failures, kill_scheduler, until
from batch_server import QUEUE, BatchServer
from container_image import image_folder, r_environment
from kubernetes_server import KubernetesServer

pytestmark = pytest.mark.slow

# `moves` fails wherever it is not in a pod.
MIXED = """
library(metaflow)
note <- function(text) cat(paste0(text, "\\n"), sep = "", file = "notes.log", append = TRUE)
place <- function() if (nzchar(Sys.getenv("METAFLOW_POD"))) "pod" else if (nzchar(Sys.getenv("AWS_BATCH_JOB_ID"))) "batch" else "here"
in_step <- function(self) {
  note(paste(current("step_name"), place()))
  while (file.exists("hold")) Sys.sleep(0.05)
  self$seen <- c(self$seen, place())
}
flow <- metaflow("MixedFlow") %>%
  step(step = "start", next_step = c("a", "b", "c"), r_function = function(self) {
    self$seen <- place()
    self$table <- data.frame(x = 1:3)
  }) %>%
  step(step = "a", kubernetes(cpu = 0.5, memory = 500), next_step = "join", r_function = in_step) %>%
  step(step = "b", batch(cpu = 1, memory = 500, host_volumes = Sys.getenv("SHARED")), next_step = "join", r_function = in_step) %>%
  step(step = "c", next_step = "join", r_function = in_step) %>%
  step(step = "join", join = TRUE, next_step = "moves", r_function = function(self, inputs) {
    self$seen <- lapply(inputs, function(input) input$seen)
    merge_artifacts(self, inputs, exclude = "seen")
  }) %>%
  step(step = "moves", retry(times = 2, minutes_between_retries = 0, with = "kubernetes"), next_step = "moves_too",
    r_function = function(self) {
      if (place() != "pod") stop("only in a pod, not ", place())
      self$moved <- nrow(self$table)
    }) %>%
  step(step = "moves_too", batch(host_volumes = Sys.getenv("SHARED")), retry(times = 1, minutes_between_retries = 0, with = "local"),
    next_step = "end", r_function = function(self) if (place() != "here") quit(status = 3)) %>%
  step(step = "end", r_function = function(self) cat(unlist(self$seen), self$moved, "\\n")) %>%
  run()
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    image = image_folder(tmp_path_factory.mktemp("image"))
    with KubernetesServer(image, r_environment()) as pods, BatchServer(image, r_environment()) as batch:
        batch.make_queue()
        yield pods, batch


@pytest.fixture
def mixed(servers, tmp_path, r_flow):
    pods, batch = servers
    return r_flow(
        MIXED, "MixedFlow", SHARED=str(tmp_path),
        METAFLOW_KUBERNETES_KUBECONFIG=pods.write_kubeconfig(str(tmp_path / "kube" / "config")),
        METAFLOW_KUBERNETES_CONTAINER_IMAGE="metaflow-r:test",
        METAFLOW_KUBERNETES_PERSISTENT_VOLUME_CLAIMS=f"store={tmp_path}",
        AWS_ENDPOINT_URL=batch.address, AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
        METAFLOW_BATCH_JOB_QUEUE=QUEUE, METAFLOW_BATCH_CONTAINER_IMAGE="metaflow-r:test",
    )  # fmt: skip


def backends(flow, run):
    """{position: where the task ran that is done}"""
    return {at: (record.get("job") or {}).get("backend", "local") for at, record in flow.records(run).items()}


def test_each_step_runs_where_it_says_and_retries_move(mixed):
    output = mixed.command("run", seconds=300).expect(0).output
    assert "here pod here batch here here 3" in output
    assert backends(mixed, 1) == {
        "start": "local", "a": "kubernetes", "b": "aws_batch", "c": "local", "join": "local", "moves": "kubernetes",
        "moves_too": "local", "end": "local",
    }  # fmt: skip
    assert failures(mixed) == [("moves", "error"), ("moves_too", "quit")]
    assert "only in a pod, not here" in output


def test_a_scheduler_that_died_finds_its_jobs_in_all_places(servers, mixed):
    pods, batch = servers
    (mixed.folder / "hold").touch()
    process = mixed.start("run")
    until(lambda: len(mixed.notes()) == 3, explain=mixed.output)
    kill_scheduler(process)
    submitted = len(pods.jobs()), len(batch.jobs())
    second = mixed.start("resume")
    until(lambda: len(mixed.notes()) == 4, explain=mixed.output)  # what ran here died with its session
    assert (len(pods.jobs()), len(batch.jobs())) == submitted
    (mixed.folder / "hold").unlink()
    mixed.finish(second, 300).expect(0)
    assert sorted(mixed.notes()) == ["a pod", "b batch", "c here", "c here"]
    origins = {at: record["origin"] for at, record in mixed.records(2).items() if record["origin"]}
    assert origins == {at: f"MixedFlow/1/{mixed.records(1)[at]['step']}/{mixed.records(1)[at]['task']}/0" for at in origins}
    assert {"start", "a", "b"} <= set(origins)


def test_an_interrupt_ends_the_tasks_in_all_places(servers, mixed):
    pods, batch = servers
    (mixed.folder / "hold").touch()
    process = mixed.start("run")
    until(lambda: len(mixed.notes()) == 3, explain=mixed.output)
    os.killpg(process.pid, signal.SIGINT)
    assert mixed.finish(process).status == 130
    until(lambda: not mixed.processes(), 60, mixed.processes)
    until(lambda: not batch.running("b"))
    until(lambda: not [pod for pod in pods.pods() if pod["status"]["phase"] == "Running"])
