"""The backend suite on AWS Batch by moto: real R in its jobs, which see nothing of this machine's environment."""

import subprocess

import pytest
from backend_suite import BackendSuite, Place, failures, until
from batch_server import QUEUE, BatchServer
from container_image import image_folder, r_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with BatchServer(image_folder(tmp_path_factory.mktemp("image")), r_environment()) as running:
        running.make_queue()
        yield running


@pytest.fixture
def place(server, tmp_path):
    environment = {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "METAFLOW_BATCH_JOB_QUEUE": QUEUE,
        "METAFLOW_BATCH_CONTAINER_IMAGE": "metaflow-r:test",
    }
    return Place(["--with", f"batch:host_volumes={tmp_path}"], environment)


class TestBatch(BackendSuite):
    @pytest.fixture
    def place(self, place):
        return place

    def test_over_use_of_memory_is_an_oom(self, causes, place):
        causes.command("run", "--what", "memory", *place.words).expect(1)
        assert failures(causes) == [("work", "oom")]

    def test_a_spot_instance_that_is_taken_away_is_retried(self, server, causes, place):
        process = causes.start("run", "--what", "wait", *place.words, RETRIES="1")
        until(causes.notes)
        [job] = server.running("work")
        server.end(job, reason="Your Spot Task was interrupted.")
        assert causes.finish(process).status == 0
        assert failures(causes) == [("work", "preempted")]

    def test_jobs_are_listed_and_killed_by_command(self, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        words = ["Rscript", "flow.R", "batch"]
        options = {
            "cwd": causes.folder,
            "env": causes.environment({}),
            "capture_output": True,
            "text": True,
            "check": True,
        }
        assert " work " in subprocess.run([*words, "list"], **options).stdout
        assert "1 job ended." in subprocess.run([*words, "kill", "--run-id", "1"], **options).stdout
        assert causes.finish(process).status == 1
        assert failures(causes) == [("work", "preempted")]
