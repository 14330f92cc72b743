"""The backend suite on the stand-in of Kubernetes: real R in its pods, which see nothing of this machine's environment."""

import os
import shutil
import subprocess

import pytest
from backend_suite import BackendSuite, Place, failures, until
from container_image import image_folder, r_environment
from kubernetes_server import KubernetesServer

pytestmark = pytest.mark.slow
WORDS = ["--with", "kubernetes"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with KubernetesServer(image_folder(tmp_path_factory.mktemp("image")), r_environment()) as running:
        yield running


@pytest.fixture
def place(server, tmp_path):
    environment = {
        "METAFLOW_KUBERNETES_KUBECONFIG": server.write_kubeconfig(str(tmp_path / "kube" / "config")),
        "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "metaflow-r:test",
        "METAFLOW_KUBERNETES_PERSISTENT_VOLUME_CLAIMS": f"store={tmp_path}",
    }
    return Place(WORDS, environment)


class TestKubernetes(BackendSuite):
    @pytest.fixture
    def place(self, place):
        return place

    def test_over_use_of_memory_is_an_oom(self, causes, place):
        causes.command("run", "--what", "memory", *place.words).expect(1)
        assert failures(causes) == [("work", "oom")]

    def test_a_preempted_pod_is_retried(self, server, causes, place):
        process = causes.start("run", "--what", "wait", *place.words, RETRIES="2")
        until(causes.notes)
        [pod] = [p for p in server.pods(**{"metaflow.org/step": "work"}) if p["status"]["phase"] == "Running"]
        server.preempt(pod)
        assert causes.finish(process).status == 0
        assert failures(causes) == [("work", "preempted")]

    def test_the_tasks_of_a_lost_node_run_again_elsewhere(self, server, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        [pod] = [p for p in server.pods(**{"metaflow.org/step": "work"}) if p["status"]["phase"] == "Running"]
        (causes.folder / "mended").touch()
        node = pod["spec"]["nodeName"]
        server.lose_node(node)
        assert causes.finish(process).expect(0)
        server.nodes[node] = 8
        assert failures(causes) == [("work", "lost")]
        assert len(causes.notes()) == 2

    def test_jobs_are_listed_and_killed_by_command(self, causes, place):
        process = causes.start("run", "--what", "wait", *place.words)
        until(causes.notes)
        # A second session, whose output must not go where that of the run goes.
        words = ["Rscript", "flow.R", "kubernetes"]
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


def test_a_flow_runs_in_real_containers(tmp_path, r_flow):
    """As a user would have it: an image made by inst/templates/Dockerfile, here with podman instead of docker."""
    from backend_suite import WIDE
    from container_image import PodmanImage

    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("podman is not installed, or is not root's")
    image = PodmanImage(tmp_path / "image")
    with KubernetesServer("/nowhere", run_container=image.run_container) as server:
        flow = r_flow(
            WIDE,
            "WideFlow",
            METAFLOW_KUBERNETES_KUBECONFIG=server.write_kubeconfig(str(tmp_path / "config")),
            METAFLOW_KUBERNETES_CONTAINER_IMAGE=image.name,
            METAFLOW_KUBERNETES_PERSISTENT_VOLUME_CLAIMS=f"store={tmp_path}",
        )
        # The volume is root's; the image's own user is not.
        ended = flow.command("run", "--with", 'kubernetes:security_context={"run_as_user":0}', seconds=300).expect(0)
        assert "total 14" in ended.output
        assert {record["job"]["backend"] for record in flow.records(1).values()} == {"kubernetes"}
