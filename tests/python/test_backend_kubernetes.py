"""Runs on the Kubernetes stand-in: real task runners in its pods, and a cluster that fails in every way it can."""

import os
import subprocess
from pathlib import Path

import pytest
from cluster_runs import ClusterRuns, advance_until, image_folder
from kubernetes_server import KubernetesServer
from metaflow_core.bridge import clusters
from metaflow_core.errors import BackendError
from scripted_backend import events

pytest.importorskip("kubernetes", reason="the extra 'kubernetes' is not installed")


@pytest.fixture
def server(tmp_path):
    with KubernetesServer(image_folder(tmp_path)) as running:
        yield running


@pytest.fixture
def runs(tmp_path, server, monkeypatch):
    monkeypatch.setenv("METAFLOW_KUBERNETES_KUBECONFIG", server.write_kubeconfig(str(tmp_path / "kube" / "config")))
    monkeypatch.setenv("METAFLOW_KUBERNETES_CONTAINER_IMAGE", "metaflow-r:test")
    claims = {"persistent_volume_claims": {"store": str(tmp_path)}}
    return ClusterRuns(str(tmp_path / "store"), "kubernetes", {"cpu": 0.5, **claims})


def pod_of(server, step, running=True):
    found = [p for p in server.pods(**{"metaflow.org/step": step}) if not running or p["status"]["phase"] == "Running"]
    return found[0]


def submissions(server):
    return sum(1 for method, path in server.requests if (method, path.rpartition("/")[2]) == ("POST", "jobs"))


def test_a_run_leaves_what_a_local_one_leaves_and_a_foreach_is_one_job(runs, server):
    loop = runs.run()
    assert loop.status == "completed", runs.said(loop)
    assert runs.artifacts("1") == runs.local_artifacts()
    assert sorted(runs.ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))
    assert sorted(job["spec"].get("completions", 1) for job in server.jobs()) == [1, 1, 1, 3]
    assert all(job["status"]["conditions"][0]["type"] == "Complete" for job in server.jobs())


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [{"lose": True}, {"status": 500}, {"status": 429}, {"status": 409, "reason": "Conflict"}, {"seconds": 0.5}],
    ids=["lost answer", "500", "429", "409", "late"],
)
def test_an_answer_that_is_no_answer_makes_no_second_job(runs, server, fault):
    server.fail("POST", "/jobs", times=2, **fault)
    server.fail("GET", "/pods", times=1, **fault)
    loop = runs.run()
    assert loop.status == "completed", runs.said(loop)
    assert len(server.jobs()) == 4
    assert sorted(runs.ran()) == sorted(f"{p} attempt 0" for p in ("start", "a[0]", "a[1]", "a[2]", "j", "end"))


@pytest.mark.slow
def test_a_step_that_fails_and_one_that_crashes(runs, server):
    Path("do-a").write_text("die")
    loop = runs.run()
    assert loop.status == "failed"
    assert {event["cause"] for event in events(loop, "failed")} == {"crash"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm, cause",
    [
        (lambda server, pod: server.evict(pod), "preempted"),
        (
            lambda server, pod: server.evict(
                pod, "Pod ephemeral local storage usage exceeds the total limit of containers 1M."
            ),
            "error",
        ),
        (lambda server, pod: server.preempt(pod), "preempted"),
        (lambda server, pod: server.lose_node(pod["spec"]["nodeName"]), "lost"),
        (lambda server, pod: server.end(pod, {}, exit_code=139), "crash"),
        (lambda server, pod: server.end(pod, {"reason": "DeadlineExceeded"}), "timeout"),
        (lambda server, pod: server.delete("pods", "default", pod["metadata"]["name"]), "preempted"),
    ],
    ids=["evicted", "own fault", "preempted", "node lost", "killed", "deadline", "deleted"],
)
def test_what_happens_to_a_pod_has_its_cause(runs, server, harm, cause):
    Path("do-j").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: "j attempt 0" in runs.ran())
    harm(server, pod_of(server, "j"))
    advance_until(loop, lambda: any(e["event"] == "failed" for e in loop.told))
    [failed, *_] = [e for e in loop.told if e["event"] == "failed"]
    assert failed["cause"] == cause, failed
    Path("go").touch()
    # What is not the task's fault is tried once more.
    assert runs.finish(loop).status == ("completed" if failed["will_retry"] else "failed")


def test_a_container_over_its_memory_limit_is_out_of_memory(runs, server):
    Path("do-j").write_text("wait")
    runs.args["memory"] = 5  # MB, less than Python takes
    runs.only = {"j"}
    loop = runs.run()
    assert [event["cause"] for event in events(loop, "failed")] == ["oom"]
    assert "5M" in events(loop, "failed")[0]["error"]["message"]


def test_an_image_that_is_not_there_is_a_clear_error_and_leaves_no_pod(runs, server):
    runs.args["image"] = "missing/image:1"
    runs.only = {"j"}
    loop = runs.run()
    [failed] = events(loop, "failed")
    assert failed["cause"] == "error"
    assert "The image 'missing/image:1' cannot be pulled" in failed["error"]["message"]
    advance_until(loop, lambda: not server.pods(**{"metaflow.org/step": "j"}))


@pytest.mark.slow
def test_an_image_without_the_package_is_a_clear_error(runs, server):
    os.unlink(os.path.join(server.image, "metaflow-task"))
    loop = runs.run()
    assert "has no metaflow-task" in events(loop, "failed")[0]["error"]["message"]


@pytest.mark.slow
def test_a_namespace_that_does_not_exist_is_refused_at_once(runs, server):
    runs.args["namespace"] = "nowhere"
    loop = runs.run()
    [failed] = events(loop, "failed")
    assert 'namespaces "nowhere" not found' in failed["error"]["message"]
    assert submissions(server) == 1


@pytest.mark.slow
def test_more_tasks_than_the_cluster_has_room_for_wait_their_turn(runs, server):
    server.nodes = {"node-1": 1}
    assert runs.run().status == "completed"


def test_an_interrupt_deletes_all_jobs(runs, server):
    Path("do-a").write_text("wait")
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    loop.interrupt()
    assert [job for job in server.jobs() if job["status"]["active"]] == []
    advance_until(loop, lambda: not [p for p in server.pods() if p["status"]["phase"] == "Running"])


@pytest.mark.slow
def test_a_scheduler_that_died_finds_its_jobs_in_their_namespace(runs, server):
    Path("do-a").write_text("wait")
    runs.args["namespace"] = "team"
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    runs.kill_scheduler(loop, "1")
    before = submissions(server)
    second = runs.begin(resume={"run": None, "step": None})
    second.advance(1.0)
    assert submissions(server) == before
    Path("go").touch()
    assert runs.finish(second).status == "completed"
    assert len(runs.ran()) == 6


def test_it_is_refused_before_anything_is_written(runs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delenv("METAFLOW_KUBERNETES_CONTAINER_IMAGE")
        with pytest.raises(BackendError, match="has no container image"):
            runs.begin()
    runs.args = {}
    with pytest.raises(BackendError, match="cannot reach the datastore"):
        runs.begin()
    monkeypatch.setenv("METAFLOW_KUBERNETES_KUBECONFIG", "/nowhere/config")
    with pytest.raises(BackendError, match="nothing can run with 'kubernetes'"):
        runs.begin()
    assert not os.path.exists(os.path.join(runs.root, "flows"))


def test_jobs_are_listed_and_killed_wherever_a_step_sent_them(runs, server, monkeypatch):
    Path("do-a").write_text("wait")
    runs.own = {"a": {"namespace": "team"}}
    loop = runs.begin()
    advance_until(loop, lambda: len(runs.ran()) == 4)
    # Somebody else's settings.
    monkeypatch.setenv("METAFLOW_KUBERNETES_NAMESPACE", "elsewhere")
    assert {job["metadata"]["namespace"] for job in server.jobs()} == {"default", "team"}
    rows = {row["step"]: row for row in clusters.jobs(runs.asked(), "kubernetes", "F")}
    assert (rows["a"]["tasks"], rows["a"]["status"], rows["a"]["run"], rows["a"]["user"]) == (
        3,
        "running",
        "1",
        "tester",
    )
    assert rows["start"]["status"] == "succeeded"
    assert clusters.kill(runs.asked(), "kubernetes", "F", "2") == []
    assert [row["step"] for row in clusters.jobs(runs.asked(), "kubernetes", "F", "1")] == ["start", "a"]
    # The run asks, too, and is not disturbed.
    server.fail("GET", "/namespaces/team/jobs", status=403, times=1000)
    with pytest.raises(BackendError, match="no answer about the namespace 'team': injected"):
        clusters.kill(runs.asked(), "kubernetes", "F", "1")
    server.faults.clear()
    assert clusters.kill(runs.asked(), "kubernetes", "F", "1") == [rows["a"]["job"]]
    assert runs.finish(loop).status == "failed"


@pytest.mark.slow
def test_the_stand_in_is_one_for_kubectl_too(runs, server, tmp_path):
    """It is not made to the measure of our own client."""
    import shutil

    from kubernetes import client, config, watch

    runs.run()
    config.load_kube_config(os.environ["METAFLOW_KUBERNETES_KUBECONFIG"])
    seen = {}
    for event in watch.Watch().stream(
        client.CoreV1Api().list_namespaced_pod, "default", resource_version="0", timeout_seconds=1
    ):
        seen.setdefault(event["object"].metadata.name, []).append(event["object"].status.phase)
    assert len(seen) == 6
    assert all(phases[0] == "Pending" and phases[-1] == "Succeeded" for phases in seen.values())
    if shutil.which("kubectl"):
        words = [
            "kubectl",
            "--kubeconfig",
            os.environ["METAFLOW_KUBERNETES_KUBECONFIG"],
            "get",
            "--raw",
            "/api/v1/namespaces/default/pods",
        ]
        assert subprocess.run(words, capture_output=True, check=True).stdout.count(b'"Succeeded"') == 6
