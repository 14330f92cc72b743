"""Manifests against the official schemas, and what the status of pods means."""

import pytest
from metaflow_core.backends.kubernetes.manifest import JobFacts, complaints, job_manifest
from metaflow_core.backends.kubernetes.names import identity, job_name, label_value
from metaflow_core.backends.kubernetes.options import options_of
from metaflow_core.backends.kubernetes.status import index_set, job_failure, pod_index, pod_state, unschedulable
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.registry import plugins
from metaflow_core.settings import load_settings

# One value for each argument of the decorator.
ALL = {
    "cpu": 2.5,
    "gpu": 1,
    "memory": 8000,
    "disk": 20000,
    "shared_memory": 64,
    "image": "r:1",
    "image_pull_policy": "Always",
    "image_pull_secrets": ["pull"],
    "namespace": "team",
    "service_account": "runner",
    "secrets": ["s3", "db"],
    "node_selector": {"zone": "a"},
    "gpu_vendor": "amd",
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "labels": {"team": "ml"},
    "annotations": {"note": "any text at all"},
    "persistent_volume_claims": {"data": "/mnt/data"},
    "use_tmpfs": True,
    "tmpfs_size": 100,
    "tmpfs_path": "/fast",
    "tmpfs_tempdir": True,
    "qos": "guaranteed",
    "extended_resources": {"example.com/fpga": 2},
    "port": 8080,
    "security_context": {
        "run_as_user": 1000,
        "run_as_group": 1000,
        "run_as_non_root": True,
        "privileged": False,
        "allow_privilege_escalation": False,
    },
}


def manifest(count=1, parallelism=None, timeout_seconds=None, **args):
    facts = JobFacts(
        "mf-a-1-0123456789ab",
        "default",
        "r:1",
        ["sh", "-c", "exit"],
        {"A": "x"},
        identity("/store", "Flow", "1", "a"),
        {"metaflow.org/spec": "s"},
        count,
        parallelism,
        timeout_seconds,
        args,
    )
    return job_manifest(facts)


def parts(made):
    pod = made["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def is_valid(made):
    validate = pytest.importorskip("kubernetes_validate", reason="the extra 'test' is not installed")
    for version in ("1.30", validate.latest_version()[:4]):
        validate.validate(made, version, strict=True)


def test_the_test_knows_all_arguments():
    assert set(ALL) == {argument.name for argument in plugins("decorators").get("kubernetes").args}
    assert plugins("decorators").get("kubernetes").complaints(ALL) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_argument_gives_a_valid_manifest_and_a_different_one(name):
    made = manifest(**{name: ALL[name]})
    is_valid(made)
    # These two say something about others, or are told apart from the manifest.
    if name not in ("image", "namespace", "gpu_vendor", "tmpfs_path", "tmpfs_tempdir"):
        assert made != manifest()


@pytest.mark.parametrize("count", [1, 2, 10_000])
def test_all_arguments_together(count):
    made = manifest(count=count, parallelism=50, timeout_seconds=60, **ALL)
    is_valid(made)
    pod, container = parts(made)
    assert container["resources"]["limits"] == {
        "cpu": "2.5",
        "memory": "8000M",
        "ephemeral-storage": "20000M",
        "amd.com/gpu": "1",
        "example.com/fpga": "2",
    }
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}, {"secretRef": {"name": "db"}}]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/mnt/data", "/dev/shm", "/fast"}
    assert pod["activeDeadlineSeconds"] == 180
    assert {"name": "TMPDIR", "value": "/fast"} in container["env"]


def test_a_foreach_is_indexed_and_its_tasks_fail_alone():
    spec = manifest(count=7, parallelism=3)["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == (
        "Indexed",
        7,
        3,
        0,
    )
    assert "backoffLimit" not in spec
    assert manifest()["spec"]["backoffLimit"] == 0


def test_memory_is_a_limit_and_cores_are_not():
    _, container = parts(manifest(cpu=2, memory=1000))
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "1000M", "ephemeral-storage": "10240M"},
        "limits": {"memory": "1000M"},
    }


def test_no_manifest_has_a_secret_in_it(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    assert "very-secret" not in str(manifest(**ALL))


@pytest.mark.parametrize(
    "args, words",
    [
        ({"node_selector": "zone"}, "'node_selector' must be a named list"),
        ({"tolerations": [{"keys": "a"}]}, "a toleration has no field 'keys'"),
        ({"security_context": {"user": 1}}, "security_context has no field 'user'"),
        ({"persistent_volume_claims": {"data": "mnt"}}, "the claim 'data' must be mounted at a path"),
    ],
)
def test_arguments_that_cannot_be(args, words):
    assert complaints(args)[0].startswith(words)
    assert complaints(ALL) == []


def test_own_arguments_win_over_resources_and_resources_over_settings(monkeypatch):
    monkeypatch.setenv("METAFLOW_KUBERNETES_CONTAINER_IMAGE", "configured")
    monkeypatch.setenv("METAFLOW_KUBERNETES_SECRETS", "a,b")
    policy = StepPolicy(backend_args={"cpu": 2}, cpu=8.0, memory_mb=500.0, disk_mb=7.0)
    assert options_of(load_settings(), policy) == {
        "cpu": 2,
        "memory": 500.0,
        "disk": 7.0,
        "image": "configured",
        "secrets": ["a", "b"],
    }


class TestNames:
    @pytest.mark.parametrize(
        "name", ["fit-1-0123456789ab", "Fit_Model.2-12-0123456789ab", "x" * 90 + "-1-0123456789ab", "ä-1-0123456789ab"]
    )
    def test_jobs(self, name):
        import re

        made = job_name(name)
        assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", made)
        assert made.endswith("-0123456789ab")
        assert len(f"{made}-99999-abcde") <= 63

    @pytest.mark.parametrize("text", ["Flow", "", "a.b_c-d"])
    def test_labels_that_are_fine(self, text):
        assert label_value(text) == text

    def test_labels_that_are_not(self):
        texts = ["user:a", "user a", "x" * 64, "x" * 65, "-", "é", "-a-"]
        made = [label_value(text) for text in texts]
        assert len(set(made)) == len(texts)
        assert all(len(value) <= 63 and value[0].isalnum() and value[-1].isalnum() for value in made)


def pod(phase="Running", state=None, reason=None, message=None, disruption=None, limit=None):
    status = {"phase": phase, "conditions": []}
    if state:
        status["containerStatuses"] = [{"name": "task", "state": state}]
    if reason:
        status.update(reason=reason, message=message or "")
    if disruption:
        status["conditions"].append({"type": "DisruptionTarget", "status": "True", "reason": disruption})
    container = {"image": "r:1", "resources": {"limits": {"memory": limit}} if limit else {}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container]}, "status": status}


def ended(code, reason="Error", **more):
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    "given, phase, cause",
    [
        (pod("Pending"), "waiting", ""),
        (pod("Running"), "running", ""),
        (pod("Succeeded", ended(0, "Completed")), "ended", ""),
        (pod("Failed", ended(1)), "ended", "error"),
        (pod("Failed", ended(70)), "ended", "error"),
        (pod("Failed", ended(75)), "ended", "lost"),
        (pod("Failed", ended(127)), "ended", "error"),
        (pod("Failed", ended(128, "StartError", message="exec: no such file")), "ended", "error"),
        (pod("Failed", ended(137)), "ended", "crash"),
        (pod("Failed", ended(139)), "ended", "crash"),
        (pod("Failed", ended(143)), "ended", "preempted"),
        (pod("Failed", ended(137, "OOMKilled"), limit="500M"), "ended", "oom"),
        (pod("Failed", reason="DeadlineExceeded"), "ended", "timeout"),
        (pod("Failed", reason="Evicted", message="The node was low on resource: memory."), "ended", "preempted"),
        (
            pod(
                "Failed",
                reason="Evicted",
                message="Pod ephemeral local storage usage exceeds the total limit of containers 1M.",
            ),
            "ended",
            "error",
        ),
        (pod("Failed", reason="NodeShutdown"), "ended", "lost"),
        (pod("Failed", reason="OutOfcpu", message="Node didn't have enough resource"), "ended", "lost"),
        (pod("Failed", reason="SomethingNew"), "ended", "lost"),
        (pod("Failed", ended(143), disruption="PreemptionByScheduler"), "ended", "preempted"),
        (pod("Failed", ended(137), disruption="DeletionByTaintManager"), "ended", "lost"),
        (pod("Running", disruption="DeletionByTaintManager"), "ended", "lost"),
        (pod("Running", disruption="EvictionByEvictionAPI"), "running", ""),
        (pod("Unknown"), "ended", "lost"),
        (pod("Pending", waiting("ContainerCreating")), "waiting", ""),
        (pod("Pending", waiting("ErrImagePull", "dial tcp: i/o timeout")), "waiting", ""),
        (pod("Pending", waiting("ImagePullBackOff", "manifest unknown")), "ended", "error"),
        (pod("Pending", waiting("InvalidImageName")), "ended", "error"),
        (pod("Pending", waiting("CreateContainerConfigError", 'secret "x" not found')), "ended", "error"),
    ],
)
def test_what_a_pod_says(given, phase, cause):
    state = pod_state(given)
    assert (state.phase, state.cause) == (phase, cause)
    assert not cause or state.message.endswith(".")
    assert "{" not in state.message


def test_a_busy_registry_is_waited_for_but_not_for_ever():
    given = pod("Pending", waiting("ImagePullBackOff", "connection reset"))
    assert pod_state(given, 299).phase == "waiting"
    assert pod_state(given, 301).cause == "error"


def test_a_runner_that_came_to_its_end_left_a_record():
    assert [pod_state(pod("Failed", ended(code))).told for code in (1, 70, 137)] == [True, False, False]
    assert pod_state(pod("Succeeded")).told


def test_a_task_without_a_pod():
    def job(**status):
        return {"metadata": {}, "status": status}

    assert job_failure(job(), 0, False) is None
    assert job_failure(job(completedIndexes="0-2,5"), 5, True).told
    assert job_failure(job(failedIndexes="4"), 4, True).cause == "preempted"
    assert job_failure(job(failedIndexes="4"), 3, True) is None
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    assert job_failure(job(conditions=[failed]), 0, False).cause == "timeout"
    assert job_failure({"metadata": {"deletionTimestamp": "x"}}, 0, False).cause == "preempted"


def test_small_parts():
    assert index_set("1,3-5") == {1, 3, 4, 5}
    assert index_set(None) == set()
    assert pod_index({"metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": "7"}}}) == 7
    no_room = {
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
            ]
        }
    }
    assert unschedulable(no_room) == "0/2 nodes"
    assert unschedulable(pod("Running")) is None
