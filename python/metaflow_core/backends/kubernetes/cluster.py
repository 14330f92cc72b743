"""The API server: plain data in and out, and every way of not answering as one of two errors.

The official client does the talking (configuration files, tokens, certificates); its model classes are not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...errors import BackendError, MissingExtra
from ..jobs import Refused, Unanswered

__all__ = ["Cluster", "connect", "missing"]

_IN_CLUSTER = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_TIMEOUT_SECONDS = (5, 30)  # to connect, to answer
_PAGE = 500
_LATER = (408, 409, 429)


def missing(settings: Any, args: Mapping[str, Any] | None = None) -> str | None:
    """Why no cluster can be asked from here, None when one is configured. Asks nobody."""
    import importlib.util
    import os

    if importlib.util.find_spec("kubernetes") is None:
        return "the Python package 'kubernetes' is not installed"
    if os.path.exists(_IN_CLUSTER) or any(os.path.exists(path) for path in settings.kubeconfig.split(os.pathsep)):
        return None
    return f"there is no cluster configuration ('{settings.kubeconfig}' does not exist)"


def connect(settings: Any) -> Cluster:
    """Reads the configuration; BackendError when it is not usable."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise MissingExtra(
            "Kubernetes needs the Python package 'kubernetes'",
            hint="Run install_metaflow(), or pip install kubernetes.",
        ) from None
    configuration = client.Configuration()
    try:
        import os

        if any(os.path.exists(path) for path in settings.kubeconfig.split(os.pathsep)):
            config.load_kube_config(settings.kubeconfig, settings.kubernetes_context, configuration)
        else:
            config.load_incluster_config(configuration)
    except (config.ConfigException, OSError, ValueError) as problem:
        raise BackendError(
            f"the configuration of Kubernetes cannot be used: {problem}",
            hint=f"It was read from '{settings.kubeconfig}'.",
        ) from problem
    configuration.retries = 0  # whether to ask again is decided above, where it is known what that would do
    api = client.ApiClient(configuration)
    return Cluster(client.BatchV1Api(api), client.CoreV1Api(api))


class Cluster:
    """`batch` and `core`: the client's API objects."""

    def __init__(self, batch: Any, core: Any) -> None:
        self._batch = batch
        self._core = core

    def create_job(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        """Refused, Unanswered, or it is there. A job with this name is ours: names are never used again."""
        _call(self._batch.create_namespaced_job, namespace, manifest, exists_is_fine=True)

    def jobs(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        return list(_pages(self._batch.list_namespaced_job, namespace, labels))

    def pods(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        return list(_pages(self._core.list_namespaced_pod, namespace, labels))

    def delete_job(self, namespace: str, name: str) -> None:
        _call(self._batch.delete_namespaced_job, name, namespace, propagation_policy="Background", absent_is_fine=True)

    def delete_pod(self, namespace: str, name: str) -> None:
        _call(self._core.delete_namespaced_pod, name, namespace, absent_is_fine=True)

    def log(self, namespace: str, pod: str, lines: int) -> str:
        answer = _call(self._core.read_namespaced_pod_log, pod, namespace, tail_lines=lines, absent_is_fine=True)
        return "" if answer is None else answer.decode(errors="replace")


def _pages(verb: Callable[..., Any], namespace: str, labels: str) -> Iterator[dict[str, Any]]:
    following: dict[str, Any] = {}
    while True:
        answer = json.loads(_call(verb, namespace, label_selector=labels, limit=_PAGE, **following))
        yield from answer.get("items") or ()
        token = (answer.get("metadata") or {}).get("continue")
        if not token:
            return
        following = {"_continue": token}


def _call(
    verb: Callable[..., Any], *words: Any, exists_is_fine: bool = False, absent_is_fine: bool = False, **more: Any
) -> Any:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return verb(*words, _preload_content=False, _request_timeout=_TIMEOUT_SECONDS, **more).data
    except ApiException as problem:
        status, reason, message = _answer(problem)
        if exists_is_fine and status == 409 and reason == "AlreadyExists" or absent_is_fine and status == 404:
            return None
        if not status or status in _LATER or status >= 500:
            raise Unanswered(message) from problem
        raise Refused(message) from problem
    except (HTTPError, OSError) as problem:
        raise Unanswered(_reason(problem)) from problem


def _answer(problem: Any) -> tuple[int, str, str]:
    """(HTTP status, reason, message) of a `Status` object, or of what came instead of one."""
    try:
        body = json.loads(problem.body)
        message = body.get("message") or problem.reason
        return int(problem.status or 0), str(body.get("reason") or ""), str(message)
    except (TypeError, ValueError, AttributeError):
        return int(problem.status or 0), "", f"{problem.status} {problem.reason}"


def _reason(problem: BaseException) -> str:
    return str(getattr(problem, "reason", None) or problem)
