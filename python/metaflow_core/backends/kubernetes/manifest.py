"""Job manifests, from plain facts to plain data. No client, no clock, no settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..step_options import several, texts

__all__ = ["CONTAINER", "JobFacts", "complaints", "job_manifest", "pairs"]

CONTAINER = "task"
DEFAULTS: dict[str, Any] = {
    "cpu": 1,
    "memory": 4096,
    "disk": 10240,
    "gpu_vendor": "nvidia",
    "tmpfs_path": "/metaflow_temp",
}
_KEEP_SECONDS = 24 * 3600
# The runner has its own clock; the cluster's is for a runner that does not come to it.
_DEADLINE_GRACE_SECONDS = 120
_SECURITY = {
    "run_as_user": "runAsUser",
    "run_as_group": "runAsGroup",
    "run_as_non_root": "runAsNonRoot",
    "privileged": "privileged",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
}
_TOLERATION = {"key", "operator", "value", "effect", "tolerationSeconds"}


@dataclass(frozen=True)
class JobFacts:
    """`name` is a DNS label, `command` words, `count` the tasks: more than one makes an Indexed Job, of which
    `parallelism` run at a time (None: all). `timeout_seconds` is the limit of each task. `args` are arguments of the
    decorator `kubernetes`, those that were given or configured; sizes in MB of 1e6 bytes unless it says MiB."""

    name: str
    namespace: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    parallelism: int | None = None
    timeout_seconds: float | None = None
    args: Mapping[str, Any] = field(default_factory=dict)


def job_manifest(facts: JobFacts) -> dict[str, Any]:
    """The `batch/v1` Job. Kubernetes never tries a task again by itself: that is the engine's part, which counts."""
    labels, annotations = _labels(facts), {**texts(facts.args.get("annotations")), **facts.annotations}
    spec: dict[str, Any] = {
        "ttlSecondsAfterFinished": _KEEP_SECONDS,
        "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(facts)},
    }
    if facts.count == 1:
        spec["backoffLimit"] = 0
    else:
        spec.update(
            completionMode="Indexed",
            completions=facts.count,
            parallelism=min(facts.count, facts.parallelism or facts.count),
            # A task that fails fails alone: the others go on.
            backoffLimitPerIndex=0,
        )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": facts.name, "namespace": facts.namespace, "labels": labels, "annotations": annotations},
        "spec": spec,
    }


def _labels(facts: JobFacts) -> dict[str, str]:
    return {**texts(facts.args.get("labels")), **facts.labels}


def _pod(facts: JobFacts) -> dict[str, Any]:
    args = facts.args
    volumes, mounts = _volumes(args)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": facts.image,
        "command": list(facts.command),
        "env": _environment(facts),
        "resources": _resources(args),
    }
    if args.get("image_pull_policy"):
        container["imagePullPolicy"] = args["image_pull_policy"]
    if args.get("secrets"):
        container["envFrom"] = [{"secretRef": {"name": name}} for name in several(args["secrets"])]
    if mounts:
        container["volumeMounts"] = mounts
    if args.get("port"):
        container["ports"] = [{"containerPort": int(args["port"])}]
    security = {_SECURITY[name]: value for name, value in (args.get("security_context") or {}).items()}
    if security:
        container["securityContext"] = security
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    if facts.timeout_seconds is not None:
        pod["activeDeadlineSeconds"] = math.ceil(facts.timeout_seconds) + _DEADLINE_GRACE_SECONDS
    if volumes:
        pod["volumes"] = volumes
    if args.get("service_account"):
        pod["serviceAccountName"] = args["service_account"]
    if args.get("image_pull_secrets"):
        pod["imagePullSecrets"] = [{"name": name} for name in several(args["image_pull_secrets"])]
    if args.get("node_selector"):
        pod["nodeSelector"] = pairs(args["node_selector"])
    if args.get("tolerations"):
        pod["tolerations"] = [dict(item) for item in several(args["tolerations"])]
    return pod


def _environment(facts: JobFacts) -> list[dict[str, Any]]:
    variables = dict(facts.environment)
    tmpfs = _tmpfs(facts.args)
    if tmpfs and facts.args.get("tmpfs_tempdir", True):
        variables["TMPDIR"] = tmpfs["path"]
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in variables.items()]
    env.append({"name": "METAFLOW_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    return env


def _resources(args: Mapping[str, Any]) -> dict[str, Any]:
    """Memory is a limit, too, so that a task which takes too much is killed alone and says so. Cores are not, unless
    the pod is to be "guaranteed": one that is idle may be used."""
    requests = {
        "cpu": _number(_of(args, "cpu")),
        "memory": f"{_number(_of(args, 'memory'))}M",
        "ephemeral-storage": f"{_number(_of(args, 'disk'))}M",
    }
    limits = dict(requests) if (args.get("qos") or "").lower() == "guaranteed" else {"memory": requests["memory"]}
    if args.get("gpu"):
        limits[f"{_of(args, 'gpu_vendor')}.com/gpu"] = _number(args["gpu"])
    extended = texts(args.get("extended_resources"))
    return {"requests": {**requests, **extended}, "limits": {**limits, **extended}}


def _volumes(args: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []

    def add(name: str, path: str, source: Mapping[str, Any]) -> None:
        volumes.append({"name": name, **source})
        mounts.append({"name": name, "mountPath": path})

    for number, (claim, path) in enumerate((args.get("persistent_volume_claims") or {}).items()):
        add(f"claim-{number}", path, {"persistentVolumeClaim": {"claimName": claim}})
    if args.get("shared_memory"):
        add("shared-memory", "/dev/shm", _in_memory(args["shared_memory"]))
    tmpfs = _tmpfs(args)
    if tmpfs:
        add("tmpfs", tmpfs["path"], _in_memory(tmpfs["size"]))
    return volumes, mounts


def _tmpfs(args: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the memory file system is mounted and its size in MiB: half of the task's memory unless it is given."""
    if not (args.get("use_tmpfs") or args.get("tmpfs_size")):
        return None
    return {"path": _of(args, "tmpfs_path"), "size": args.get("tmpfs_size") or float(_of(args, "memory")) // 2}


def _in_memory(size_mib: Any) -> dict[str, Any]:
    return {"emptyDir": {"medium": "Memory", "sizeLimit": f"{_number(size_mib)}Mi"}}


def pairs(given: Any) -> dict[str, str]:
    """Of {"disk": "ssd"} or "disk=ssd,zone=a"; ValueError for anything else."""
    if isinstance(given, Mapping):
        return texts(given)
    found = [pair.strip().partition("=") for pair in str(given).split(",") if pair.strip()]
    if not found or not all(name and equals for name, equals, _ in found):
        raise ValueError(given)
    return {name: value for name, _, value in found}


def complaints(args: Mapping[str, Any]) -> list[str]:
    """What the schema of a single argument does not show, as sentences."""
    found = []
    if args.get("node_selector"):
        try:
            pairs(args["node_selector"])
        except ValueError:
            found.append("'node_selector' must be a named list or \"label=value,label=value\"")
    for item in several(args.get("tolerations") or []):
        unknown = sorted(set(item) - _TOLERATION)
        if unknown:
            found.append(f"a toleration has no field '{unknown[0]}', only {', '.join(sorted(_TOLERATION))}")
    for name in sorted(set(args.get("security_context") or {}) - set(_SECURITY)):
        found.append(f"security_context has no field '{name}', only {', '.join(sorted(_SECURITY))}")
    for claim, path in (args.get("persistent_volume_claims") or {}).items():
        if not isinstance(path, str) or not path.startswith("/"):
            found.append(f"the claim '{claim}' must be mounted at a path such as \"/mnt/{claim}\"")
    return found


def _of(args: Mapping[str, Any], name: str) -> Any:
    value = args.get(name)
    return DEFAULTS[name] if value is None else value


def _number(value: Any) -> str:
    return f"{float(value):.15g}"
