"""Job definitions and submissions, from plain facts to what boto3 takes. No client, no clock, no settings.

A definition has what cannot be overridden by a submission: the image, roles, volumes, devices. It is named by its
content, so steps that need the same share one, and no run registers what another run has registered before.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..step_options import several, texts

__all__ = ["SubmitFacts", "complaints", "efs_mounts", "job_definition", "job_name", "job_tags", "submission"]

DEFAULTS: dict[str, Any] = {"cpu": 1, "memory": 4096, "tmpfs_path": "/metaflow_temp"}
_SHORTEST_TIMEOUT_SECONDS = 60
# The runner has its own clock; the cluster's is for a runner that does not come to it.
_TIMEOUT_GRACE_SECONDS = 120
_LONGEST_NAME = 128
_FARGATE_ROLE = "a job on Fargate needs an execution_role (METAFLOW_BATCH_EXECUTION_ROLE)"
_NOT_ON_FARGATE = (
    "gpu",
    "shared_memory",
    "max_swap",
    "use_tmpfs",
    "tmpfs_size",
    "inferentia",
    "trainium",
    "efa",
    "host_volumes",
    "privileged",
)


@dataclass(frozen=True)
class SubmitFacts:
    """`command` are words. `count` tasks, more than one make an array job. `fargate`: of which kind the queue is.
    `args` are arguments of the decorator `batch`, those that were given or configured; sizes in MiB, as of AWS."""

    name: str
    queue: str
    definition: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    timeout_seconds: float | None = None
    fargate: bool = False
    args: Mapping[str, Any] = field(default_factory=dict)


def job_definition(args: Mapping[str, Any], fargate: bool) -> dict[str, Any]:
    """The arguments of `register_job_definition`."""
    properties: dict[str, Any] = {
        "image": args["image"],
        "command": ["true"],
        "resourceRequirements": _requirements(args, fargate),
    }
    for name, key in (("iam_role", "jobRoleArn"), ("execution_role", "executionRoleArn"), ("privileged", "privileged")):
        if args.get(name):
            properties[key] = args[name]
    if args.get("log_driver") or args.get("log_options"):
        properties["logConfiguration"] = {
            "logDriver": args.get("log_driver") or "awslogs",
            "options": _log_options(args.get("log_options")),
        }
    linux = {} if fargate else _linux(args)
    if linux:
        properties["linuxParameters"] = linux
    volumes, mounts = _volumes(args)
    if volumes:
        properties.update(volumes=volumes, mountPoints=mounts)
    if fargate:
        properties["networkConfiguration"] = {"assignPublicIp": "ENABLED"}
        properties["fargatePlatformConfiguration"] = {"platformVersion": "LATEST"}
        if args.get("ephemeral_storage"):
            properties["ephemeralStorage"] = {"sizeInGiB": int(args["ephemeral_storage"])}
    definition = {
        "type": "container",
        "containerProperties": properties,
        "platformCapabilities": ["FARGATE" if fargate else "EC2"],
        # Never tried again by AWS: that is the engine's part, which counts.
        "retryStrategy": {"attempts": 1},
    }
    digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:32]
    return {"jobDefinitionName": f"metaflow-{digest}", **definition}


def submission(facts: SubmitFacts) -> dict[str, Any]:
    """The arguments of `submit_job`."""
    environment = dict(facts.environment)
    tmpfs = _tmpfs(facts.args)
    if tmpfs and facts.args.get("tmpfs_tempdir", True):
        environment["TMPDIR"] = tmpfs["containerPath"]
    request: dict[str, Any] = {
        "jobName": facts.name,
        "jobQueue": facts.queue,
        "jobDefinition": facts.definition,
        "containerOverrides": {
            "command": list(facts.command),
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "resourceRequirements": _requirements(facts.args, facts.fargate),
        },
        "tags": {**facts.tags, **texts(facts.args.get("aws_batch_tags"))},
        "propagateTags": True,
    }
    if facts.count > 1:
        request["arrayProperties"] = {"size": facts.count}
    if facts.timeout_seconds is not None:
        seconds = math.ceil(facts.timeout_seconds) + _TIMEOUT_GRACE_SECONDS
        request["timeout"] = {"attemptDurationSeconds": max(_SHORTEST_TIMEOUT_SECONDS, seconds)}
    return request


def job_name(flow: str, run: str, name: str) -> str:
    """Of "fit-12-9f86d081884c": "Flow-3-fit-12-9f86d081884c", whose random end is kept when it is too long."""
    text = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{flow}-{run}-{name}").lstrip("-_")
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 14]}-{text[-13:].lstrip('-')}"


def job_tags(store: str, flow: str, run: str, step: str, user: str) -> dict[str, str]:
    """By which the jobs of a flow are told from others in the same queue."""
    return {
        "metaflow.store": store,
        "metaflow.flow": _tag(flow),
        "metaflow.run": _tag(run),
        "metaflow.step": _tag(step),
        "metaflow.user": _tag(user),
    }


def complaints(args: Mapping[str, Any], fargate: bool | None) -> list[str]:
    """What the schema of a single argument does not show, as sentences. `fargate` is None where nobody asked yet what
    the queue is."""
    found = []
    if fargate and not args.get("execution_role"):
        found.append(_FARGATE_ROLE)
    found += [f"'{name}' is not possible on Fargate" for name in _NOT_ON_FARGATE if fargate and args.get(name)]
    if fargate is False and args.get("ephemeral_storage"):
        found.append("'ephemeral_storage' is for Fargate only")
    if args.get("inferentia") and args.get("trainium"):
        found.append("'inferentia' and 'trainium' exclude each other")
    for path in several(args.get("host_volumes") or []):
        if not path.startswith("/"):
            found.append(f'a host volume is a path such as "/data", not "{path}"')
    for option in several(args.get("log_options") or []):
        if isinstance(option, str) and ":" not in option:
            found.append(f'a log option is written as "name:value", not "{option}"')
    for system, path in efs_mounts(args).items():
        if not isinstance(path, str) or not path.startswith("/"):
            found.append(f"the file system '{system}' must be mounted at a path such as \"/mnt/{system}\"")
    return found


def _requirements(args: Mapping[str, Any], fargate: bool) -> list[dict[str, str]]:
    """A part of a core can be had on Fargate only."""
    cpu = float(_of(args, "cpu"))
    wanted = [("VCPU", cpu if fargate else math.ceil(cpu)), ("MEMORY", math.ceil(float(_of(args, "memory"))))]
    if args.get("gpu"):
        wanted.append(("GPU", math.ceil(args["gpu"])))
    return [{"type": kind, "value": f"{float(value):.15g}"} for kind, value in wanted]


def _linux(args: Mapping[str, Any]) -> dict[str, Any]:
    linux: dict[str, Any] = {}
    if args.get("shared_memory"):
        linux["sharedMemorySize"] = int(args["shared_memory"])
    if args.get("max_swap") is not None:
        linux["maxSwap"] = int(args["max_swap"])
    if args.get("swappiness") is not None:
        linux["swappiness"] = int(args["swappiness"])
    tmpfs = _tmpfs(args)
    if tmpfs:
        linux["tmpfs"] = [tmpfs]
    chips = int(args.get("inferentia") or args.get("trainium") or 0)
    devices = [_device(f"/dev/neuron{number}") for number in range(chips)]
    devices += [_device(f"/dev/infiniband/uverbs{number}") for number in range(int(args.get("efa") or 0))]
    if devices:
        linux["devices"] = devices
    return linux


def _device(path: str) -> dict[str, Any]:
    return {"hostPath": path, "containerPath": path, "permissions": ["READ", "WRITE"]}


def _tmpfs(args: Mapping[str, Any]) -> dict[str, Any] | None:
    """Half of the memory unless its size is given."""
    if not (args.get("use_tmpfs") or args.get("tmpfs_size")):
        return None
    size = args.get("tmpfs_size") or float(_of(args, "memory")) // 2
    return {"containerPath": _of(args, "tmpfs_path"), "size": int(size), "mountOptions": ["rw"]}


def _volumes(args: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, path in enumerate(several(args.get("host_volumes") or [])):
        volumes.append({"name": f"host-{number}", "host": {"sourcePath": path}})
        mounts.append({"sourceVolume": f"host-{number}", "containerPath": path})
    for number, (system, path) in enumerate(efs_mounts(args).items()):
        volumes.append(
            {
                "name": f"efs-{number}",
                "efsVolumeConfiguration": {"fileSystemId": system, "transitEncryption": "ENABLED"},
            }
        )
        mounts.append({"sourceVolume": f"efs-{number}", "containerPath": path})
    return volumes, mounts


def efs_mounts(args: Mapping[str, Any]) -> dict[str, Any]:
    """{id of a file system: where it is mounted}"""
    mounts: dict[str, Any] = {}
    for item in several(args.get("efs_volumes") or []):
        mounts.update(item if isinstance(item, Mapping) else {str(item): f"/mnt/{item}"})
    return mounts


def _log_options(given: Any) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in several(given or []):
        name, _, value = ("", "", "") if isinstance(item, Mapping) else str(item).partition(":")
        options.update(texts(item) if isinstance(item, Mapping) else {name: value})
    return options


def _of(args: Mapping[str, Any], name: str) -> Any:
    value = args.get(name)
    return DEFAULTS[name] if value is None else value


def _tag(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 _.:/=+@-]", "-", text)[:256]
