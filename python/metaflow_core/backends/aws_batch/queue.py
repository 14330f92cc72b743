"""The API of AWS Batch: every way of not answering becomes one of two errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...errors import BackendError, MissingExtra
from ..jobs import Refused, Unanswered

__all__ = ["BatchService", "connect"]

#: Most jobs that `describe_jobs` takes.
PAGE = 100
_LATER = (
    "Throttl",
    "TooManyRequests",
    "RequestLimit",
    "ServerException",
    "InternalFailure",
    "ServiceUnavailable",
    "RequestTimeout",
)


def connect(settings: Any) -> BatchService:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise MissingExtra(
            "AWS Batch needs the Python package 'boto3'", hint="Run install_metaflow(), or pip install boto3."
        ) from None
    try:
        # A submission that boto3 repeats by itself would be two jobs: a lost answer is looked after above.
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
        session = boto3.session.Session()
        return BatchService(session.client("batch", config=config), lambda: session.client("logs", config=config))
    except BotoCoreError as problem:
        raise BackendError(
            f"AWS Batch cannot be asked: {problem}",
            hint="Set AWS_DEFAULT_REGION and credentials, or run `aws configure`.",
        ) from problem


class BatchService:
    """`client` is boto3's for "batch", `logs` makes the one for "logs"."""

    def __init__(self, client: Any, logs: Callable[[], Any]) -> None:
        self._client = client
        self._make_logs = logs
        self._logs: Any = None
        self._known: set[str] = set()

    def is_fargate(self, queue: str) -> bool:
        found = _call(self._client.describe_job_queues, jobQueues=[queue])["jobQueues"]
        if not found:
            raise Refused(f"there is no job queue '{queue}'")
        names = [order["computeEnvironment"] for order in found[0].get("computeEnvironmentOrder") or ()]
        if not names:
            return False
        environments = _call(self._client.describe_compute_environments, computeEnvironments=names[:1])[
            "computeEnvironments"
        ]
        kind = (environments[0].get("computeResources") or {}).get("type", "") if environments else ""
        return kind.startswith("FARGATE")

    def define(self, definition: Mapping[str, Any]) -> str:
        """The name of the definition, registered unless it is there."""
        name = definition["jobDefinitionName"]
        if name not in self._known:
            found = _call(self._client.describe_job_definitions, jobDefinitionName=name, status="ACTIVE")[
                "jobDefinitions"
            ]
            if not found:
                _call(self._client.register_job_definition, **definition)
            self._known.add(name)
        return name

    def submit(self, request: Mapping[str, Any]) -> str:
        return _call(self._client.submit_job, **request)["jobId"]

    def find(self, queue: str, name: str) -> list[dict[str, Any]]:
        """Jobs of this name, or, where it ends in *, those that begin with it; in any state."""
        return list(self._pages(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}]))

    def children(self, job: str, status: str) -> list[dict[str, Any]]:
        return list(self._pages(arrayJobId=job, jobStatus=status))

    def describe(self, jobs: Iterable[str]) -> list[dict[str, Any]]:
        ids = list(jobs)
        found = []
        for first in range(0, len(ids), PAGE):
            found += _call(self._client.describe_jobs, jobs=ids[first : first + PAGE])["jobs"]
        return found

    def terminate(self, job: str, reason: str) -> None:
        _call(self._client.terminate_job, jobId=job, reason=reason)

    def log(self, stream: str, lines: int) -> str:
        if self._logs is None:
            self._logs = self._make_logs()
        try:
            answer = _call(
                self._logs.get_log_events,
                logGroupName="/aws/batch/job",
                logStreamName=stream,
                limit=lines,
                startFromHead=False,
            )
        except (Refused, Unanswered):
            return ""
        return "\n".join(event["message"] for event in answer.get("events") or ())

    def _pages(self, **request: Any) -> Iterator[dict[str, Any]]:
        while True:
            answer = _call(self._client.list_jobs, **request)
            yield from answer["jobSummaryList"]
            if not answer.get("nextToken"):
                return
            request["nextToken"] = answer["nextToken"]


def _call(verb: Callable[..., Any], **request: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

    try:
        return verb(**request)
    except ClientError as problem:
        error = problem.response.get("Error") or {}
        status = (problem.response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0
        text = error.get("Message") or str(problem)
        if status >= 500 or status == 429 or any(word in str(error.get("Code")) for word in _LATER):
            raise Unanswered(text) from problem
        raise Refused(text) from problem
    except (NoCredentialsError, ParamValidationError) as problem:
        raise Refused(str(problem)) from problem
    except (BotoCoreError, OSError) as problem:
        raise Unanswered(str(problem)) from problem
