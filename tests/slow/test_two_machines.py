"""Alice and Bob, each at a machine of their own, with S3 and PostgreSQL between them and nothing else.

A machine is a host name, a home, a cache and a folder; what both run is the same script.
"""

import os
import signal
import subprocess
import time

import pytest
from backend_suite import until
from metaflow_core.settings import load_settings
from metaflow_core.store.check import check_store
from metaflow_core.store.liveness import HEARTBEAT_TIMEOUT_SECONDS
from metaflow_core.store.open import open_store
from rflow import RFlow
from seaweed import BUCKET, SeaweedServer, credentials
from suites.postgres import PostgresServer

pytestmark = pytest.mark.slow

SCRIPT = """
library(metaflow)
folder <- Sys.getenv("SIGNS")
metaflow("TeamFlow") %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) {
    self$xs <- 1:2
    self$noise <- runif(2e6)
  }) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    cat("line one of", self$input, "\\n")
    while (self$input == 2L && !file.exists(file.path(folder, "go"))) Sys.sleep(0.05)
    cat("line two of", self$input, "\\n")
    self$y <- self$input + length(self$noise) / 2e6
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "y")))
  }) %>%
  step(step = "end", r_function = function(self) cat("total", self$total, "\\n")) %>%
  run()
"""


class Team:
    def __init__(self, folder, storage, index):
        self.folder, self.index, self.storage = folder, index, storage
        self.environment = {
            **credentials(), "METAFLOW_S3_ENDPOINT_URL": storage.endpoint, "METAFLOW_DATASTORE_ROOT": f"s3://{BUCKET}/team",
            "METAFLOW_INDEX": index.new_database(), "METAFLOW_DEFAULT_NAMESPACE": "production:team",
        }

    def machine(self, user):
        signs = self.folder / "signs"
        signs.mkdir(exist_ok=True)
        return RFlow(
            self.folder / user, {"flow.R": SCRIPT}, "TeamFlow", **self.environment, SIGNS=str(signs),
            METAFLOW_USER=user, METAFLOW_HOST_NAME=f"machine-of-{user}",
            METAFLOW_CACHE_FOLDER=str(self.folder / user / "cache"),
        )

    def go(self):
        (self.folder / "signs" / "go").touch()


@pytest.fixture
def team(tmp_path, monkeypatch):
    storage, index = SeaweedServer(), PostgresServer()
    try:
        made = Team(tmp_path, storage, index.start())
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
    finally:
        storage.stop()
        index.close()


@pytest.fixture
def alice(team):
    machine = team.machine("alice")
    yield machine
    machine.kill_all()


@pytest.fixture
def bob(team):
    machine = team.machine("bob")
    yield machine
    machine.kill_all()


def r_session(machine, code):
    """An R session at that machine which does this."""
    return subprocess.Popen(
        ["Rscript", "-e", f"library(metaflow)\n{code}"], cwd=machine.folder, env=machine.environment({}),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )


def r(machine, code):
    process = r_session(machine, code)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    return output


def test_a_run_is_followed_from_elsewhere_while_its_index_goes_and_comes_back(team, alice, bob):
    running = alice.start("run")
    until(lambda: "line one of 2" in alice.output())
    following = bob.start("logs", "--follow", "TeamFlow/1")
    until(lambda: "line one of 2" in bob.output(), explain=bob.output)
    assert "line two of 2" not in bob.output()
    team.index.stop()
    team.go()
    said = alice.finish(running).expect(0).output
    assert "total 5" in said and said.count("cannot be reached") == 1, said
    # Who follows goes on, too, without the index.
    assert bob.finish(following).expect(0).output.splitlines()[-1] == "[end/5] total 5 "
    team.index.start()
    # What the index missed comes in by itself.
    shown = bob.command("list").expect(0).output
    assert "completed" in shown and "alice" in shown, shown
    assert "line two of 2" in bob.command("logs", "TeamFlow/1/work").expect(0).output
    assert r(bob, 'cat(flow_client$new("TeamFlow")$latest_run$artifact("total"))') == "5"


def test_a_machine_that_dies_is_seen_and_its_run_is_resumed_by_a_colleague(team, alice, bob):
    running = alice.start("run")
    until(lambda: "line one of 2" in alice.output())
    store = open_store(load_settings())
    until(lambda: [t for t in store.tasks.read_tasks("TeamFlow", "1") if t["step"] == "work"])
    assert "running" in bob.command("list").expect(0).output
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    alice.kill_all()
    assert "still running" in bob.command("resume").expect(1).output
    # Two minutes later.
    late = time.time() - HEARTBEAT_TIMEOUT_SECONDS - 1
    store.runs.update_status("TeamFlow", "1", lambda status: {**status, "heartbeat_at": late})
    assert "failed (lost)" in bob.command("list").expect(0).output
    assert r(bob, 'cat(mf_attach("TeamFlow/1")$status())').endswith("lost")
    team.go()
    said = bob.command("resume").expect(0).output
    assert "total 5" in said
    origins = {task["position"]: task.get("origin") for task in store.tasks.read_tasks("TeamFlow", "2")}
    assert sorted(filter(None, origins.values())) == ["TeamFlow/1/start/1/0", "TeamFlow/1/work/2/0"]
    audit = r(bob, "print(mf_audit())")
    for words in ("run started", "alice", "run resumed", "bob", "run completed"):
        assert words in audit, audit
    assert [row["problem"] for row in check_store(store)["problems"] if row["problem"] != "half-written"] == []
    store.close()


def test_a_store_is_copied_from_s3_and_the_copy_goes_on_after_kill_9(team, alice, tmp_path):
    team.go()
    alice.command("run").expect(0)
    alice.command("run").expect(0)
    copy = f'store_copy("s3://{BUCKET}/team", "{tmp_path}/copy")'
    process = r_session(alice, copy)
    until(lambda: list((tmp_path / "copy" / "blobs").glob("*/*")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "Copied" in r(alice, copy)
    assert "Copied 0 runs and 0 blobs" in r(alice, copy)
    shown = r(alice, f"""
      Sys.setenv(METAFLOW_DATASTORE_ROOT = "{tmp_path}/copy", METAFLOW_INDEX = "sqlite")
      stopifnot(attr(store_check(), "ok"), nrow(store_check()) == 0)
      reindex()
      stopifnot(is.numeric(flow_client$new("TeamFlow")$latest_run$steps$start$tasks[[1]]$artifact("noise")))
      mf_gc(keep_last = 1, dry_run = FALSE)
    """)
    assert "1 flow, 2 runs" in shown and "Deleted 1 run" in shown, shown
