"""Requests against the service's own model, and what the status of jobs means."""

import pytest
from metaflow_core.backends.aws_batch.options import options_of
from metaflow_core.backends.aws_batch.requests import (
    SubmitFacts,
    complaints,
    job_definition,
    job_name,
    job_tags,
    submission,
)
from metaflow_core.backends.aws_batch.status import job_state
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.registry import plugins
from metaflow_core.settings import load_settings

ALL = {
    "cpu": 2,
    "gpu": 1,
    "memory": 8000,
    "image": "r:1",
    "queue": "q",
    "iam_role": "arn:role",
    "execution_role": "arn:exec",
    "shared_memory": 64,
    "max_swap": 100,
    "swappiness": 60,
    "aws_batch_tags": {"team": "ml"},
    "use_tmpfs": True,
    "tmpfs_size": 50,
    "tmpfs_path": "/fast",
    "tmpfs_tempdir": True,
    "inferentia": 2,
    "trainium": 1,
    "efa": 1,
    "host_volumes": ["/data"],
    "efs_volumes": {"fs-1": "/mnt/efs"},
    "ephemeral_storage": 30,
    "log_driver": "awslogs",
    "log_options": {"awslogs-group": "g"},
    "privileged": True,
}
FARGATE = {"image": "r:1", "execution_role": "arn:exec", "ephemeral_storage": 30}


def is_valid(operation, request):
    """As boto3 checks it before it sends anything: unknown and missing fields, wrong types."""
    session = pytest.importorskip("botocore.session", reason="boto3 is not installed")
    from botocore.validate import ParamValidator

    model = session.get_session().get_service_model("batch").operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()


def facts(**more):
    given = {
        "name": "n",
        "queue": "q",
        "definition": "d",
        "command": ["sh"],
        "environment": {"A": "x"},
        "tags": {"t": "v"},
        **more,
    }
    return SubmitFacts(**given)


def test_the_test_knows_all_arguments():
    assert set(ALL) == {argument.name for argument in plugins("decorators").get("batch").args}
    assert plugins("decorators").get("batch").complaints(ALL) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_argument_gives_valid_requests_and_a_difference(name):
    args = {"image": "x", name: ALL[name]}
    definition, request = job_definition(args, False), submission(facts(args=args))
    is_valid("RegisterJobDefinition", definition)
    is_valid("SubmitJob", request)
    if name not in ("queue", "tmpfs_path", "tmpfs_tempdir", "ephemeral_storage"):
        assert (definition, request) != (job_definition({"image": "x"}, False), submission(facts(args={"image": "x"})))


def test_all_arguments_together():
    definition = job_definition(ALL, False)
    is_valid("RegisterJobDefinition", definition)
    linux = definition["containerProperties"]["linuxParameters"]
    assert (linux["sharedMemorySize"], linux["maxSwap"], linux["swappiness"]) == (64, 100, 60)
    assert linux["tmpfs"] == [{"containerPath": "/fast", "size": 50, "mountOptions": ["rw"]}]
    assert [device["hostPath"] for device in linux["devices"]] == [
        "/dev/neuron0",
        "/dev/neuron1",
        "/dev/infiniband/uverbs0",
    ]
    assert definition["retryStrategy"] == {"attempts": 1}


def test_fargate():
    definition = job_definition(FARGATE, True)
    is_valid("RegisterJobDefinition", definition)
    assert definition["platformCapabilities"] == ["FARGATE"]
    assert definition["containerProperties"]["ephemeralStorage"] == {"sizeInGiB": 30}
    assert complaints(FARGATE, True) == []
    assert complaints({"gpu": 1}, True) == [
        "a job on Fargate needs an execution_role (METAFLOW_BATCH_EXECUTION_ROLE)",
        "'gpu' is not possible on Fargate",
    ]


@pytest.mark.parametrize(
    "args",
    [
        {"ephemeral_storage": 30},
        {"inferentia": 1, "trainium": 1},
        {"host_volumes": "data"},
        {"efs_volumes": {"fs": "mnt"}},
        {"log_options": ["awslogs-group"]},
        {"log_options": "awslogs-group"},
    ],
)
def test_arguments_that_cannot_be(args):
    assert len(complaints(args, False)) == 1


def test_what_is_written_as_in_python():
    texts = {"image": "r", "efs_volumes": ["fs-1", "fs-2"], "log_options": ["awslogs-group:a:b", "mode:fast"]}
    named = {
        "image": "r",
        "efs_volumes": {"fs-1": "/mnt/fs-1", "fs-2": "/mnt/fs-2"},
        "log_options": {"awslogs-group": "a:b", "mode": "fast"},
    }
    assert plugins("decorators").get("batch").complaints(texts) == []
    assert job_definition(texts, False) == job_definition(named, False)


@pytest.mark.parametrize("name", ["executable", "num_parallel"])
def test_an_argument_that_means_nothing_here_is_refused_with_the_cure(name):
    [(complaint, hint)] = plugins("decorators").get("batch").complaints({name: 2})
    assert complaint == f"batch has no argument '{name}'"
    assert "foreach" in hint or "image =" in hint


@pytest.mark.parametrize("fargate, cpu", [(False, "1"), (True, "0.5")])
def test_a_part_of_a_core_is_a_whole_one_on_ec2(fargate, cpu):
    request = submission(facts(args={"image": "r", "cpu": 0.5, "gpu": 0.5}, fargate=fargate))
    wanted = {item["type"]: item["value"] for item in request["containerOverrides"]["resourceRequirements"]}
    assert (wanted["VCPU"], wanted["GPU"]) == (cpu, "1")


def test_a_definition_is_named_by_its_content():
    first = job_definition({"image": "a"}, False)["jobDefinitionName"]
    assert first == job_definition({"image": "a"}, False)["jobDefinitionName"]
    assert first != job_definition({"image": "b"}, False)["jobDefinitionName"]
    assert len(first) <= 128


def test_a_foreach_is_an_array_and_one_task_is_not():
    assert submission(facts(count=7))["arrayProperties"] == {"size": 7}
    assert "arrayProperties" not in submission(facts())


def test_a_time_limit_leaves_the_runner_time_to_come_to_its_own():
    assert submission(facts(timeout_seconds=10.5))["timeout"] == {"attemptDurationSeconds": 131}


def test_names_and_tags():
    assert job_name("My.Flow", "3", "fit-1-0123456789ab") == "My-Flow-3-fit-1-0123456789ab"
    long = job_name("F" * 200, "3", "fit-1-0123456789ab")
    assert len(long) <= 128 and long.endswith("-0123456789ab")
    assert job_tags("s", "F", "1", "a", "é")["metaflow.user"] == "-"


def test_own_arguments_win_over_resources_and_resources_over_settings(monkeypatch):
    monkeypatch.setenv("METAFLOW_BATCH_CONTAINER_IMAGE", "configured")
    monkeypatch.setenv("METAFLOW_ECS_S3_ACCESS_IAM_ROLE", "role")
    policy = StepPolicy(backend_args={"cpu": 2}, cpu=8.0, memory_mb=500.0)
    assert options_of(load_settings(), policy) == {"cpu": 2, "memory": 500.0, "image": "configured", "iam_role": "role"}


@pytest.mark.parametrize(
    "job, phase, cause",
    [
        *[({"status": status}, "waiting", "") for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")],
        ({"status": "RUNNING"}, "running", ""),
        ({"status": "SUCCEEDED"}, "ended", ""),
        ({"status": "FAILED", "container": {"exitCode": 1}}, "ended", "error"),
        ({"status": "FAILED", "container": {"exitCode": 70}}, "ended", "error"),
        ({"status": "FAILED", "container": {"exitCode": 127}}, "ended", "error"),
        ({"status": "FAILED", "container": {"exitCode": 139}}, "ended", "crash"),
        (
            {
                "status": "FAILED",
                "container": {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
            },
            "ended",
            "oom",
        ),
        (
            {"status": "FAILED", "attempts": [{"container": {"exitCode": 137, "reason": "OutOfMemoryError: x"}}]},
            "ended",
            "oom",
        ),
        ({"status": "FAILED", "statusReason": "Job attempt duration exceeded timeout"}, "ended", "timeout"),
        ({"status": "FAILED", "statusReason": "Host EC2 (instance i-0) terminated."}, "ended", "lost"),
        ({"status": "FAILED", "container": {"reason": "CannotPullContainerError: not found"}}, "ended", "error"),
        ({"status": "FAILED", "statusReason": "stopped by somebody"}, "ended", "preempted"),
        ({"status": "FAILED", "statusReason": "x", "container": {"exitCode": 143}}, "ended", "preempted"),
        ({"status": "FAILED"}, "ended", "lost"),
    ],
)
def test_what_a_job_says(job, phase, cause):
    state = job_state(job)
    assert (state.phase, state.cause) == (phase, cause)
    assert not cause or state.message.endswith(".")
