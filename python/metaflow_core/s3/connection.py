"""Requests to one S3 endpoint, and the one edge where errors of botocore become errors of ours."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import AccessDenied, Corrupted, DiskFull, InvalidRange, MetaflowError, MissingExtra, NotFound, StoreError
from .retry import TRIES, Damaged, is_passing, repeated

__all__ = ["CONNECTIONS", "Connection", "error_code", "error_status", "translated"]

CONNECTIONS = 32
_CONNECT_SECONDS = 10
_READ_SECONDS = 30

Value = TypeVar("Value")


class Connection:
    """An S3 endpoint; `endpoint_url` None is Amazon's. Connects on first use, for any number of threads.

    Credentials come from wherever AWS's own tools take them: variables, files, profiles, roles of machines.
    """

    def __init__(self, endpoint_url: str | None = None) -> None:
        self.endpoint_url = endpoint_url
        self._client: Any = None
        self._pid = 0
        self._guard = threading.Lock()

    @property
    def client(self) -> Any:
        # A forked child must not share sockets with its parent.
        if self._client is None or self._pid != os.getpid():
            with self._guard:
                if self._client is None or self._pid != os.getpid():
                    self._client, self._pid = _make_client(self.endpoint_url), os.getpid()
        return self._client

    def call(self, what: str, action: Callable[[Any, int], Value]) -> Value:
        """`action(client, tries before)`, repeated while it fails in passing. `what` names the object in errors."""
        try:
            client = self.client
            return repeated(lambda tries: action(client, tries))
        except MetaflowError:
            raise
        except Exception as problem:
            raise translated(problem, what, self.endpoint_url) from problem


def _make_client(endpoint_url: str | None) -> Any:
    try:
        import botocore.session
        from botocore.config import Config
    except ImportError as problem:
        raise MissingExtra(
            "S3 needs the Python package 'boto3'", hint="metaflow::install_metaflow() installs it."
        ) from problem
    session = botocore.session.get_session()
    config = Config(
        max_pool_connections=CONNECTIONS,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        # Repeated by us, body included: botocore would not notice what happens after the first byte.
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
        # Any name works as a folder of an endpoint; names as hosts need a DNS that knows them.
        s3={"addressing_style": "path"} if endpoint_url else {},
    )
    region = session.get_config_variable("region") or "us-east-1"
    return session.create_client("s3", region_name=region, endpoint_url=endpoint_url, config=config)


def error_code(problem: BaseException) -> str:
    response = getattr(problem, "response", None)
    return str((response.get("Error") or {}).get("Code", "")) if isinstance(response, dict) else ""


def error_status(problem: BaseException) -> int:
    response = getattr(problem, "response", None)
    return int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0) if isinstance(response, dict) else 0


def translated(problem: Exception, what: str, endpoint_url: str | None = None) -> MetaflowError:
    """The error of ours for one of botocore, urllib3 or the operating system. `what`: the address of the object."""
    if isinstance(problem, MetaflowError):
        return problem
    data = {"url": what}
    code, status = error_code(problem), error_status(problem)
    if isinstance(problem, Damaged):
        return Corrupted(
            f"the object {what} does not have the content that it was stored with: {problem.found}",
            hint="It was damaged on the way, time after time, or where it is kept. Restore it, or make it again.",
            data=data,
        )
    if code == "NoSuchBucket":
        return StoreError(f"the bucket of {what} does not exist", hint="Make it, or mend the address.", data=data)
    if status == 404 or code in ("NoSuchKey", "404"):
        return NotFound(f"the object {what} does not exist", data=data)
    if status == 416 or code == "InvalidRange":
        return InvalidRange(
            f"the object {what} has no such range of bytes", hint="Ranges begin before its end.", data=data
        )
    if status in (401, 403):
        return AccessDenied(
            f"access to {what} was denied ({code})",
            hint="Check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE, the role of the machine) and what they allow: "
            "s3:GetObject, PutObject, DeleteObject and ListBucket.",
            data=data,
        )
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"the disk is full: {what} cannot be kept at {problem.filename or 'its place on this machine'}",
            hint="Free some space, or use another disk: METAFLOW_CACHE_FOLDER for copies of artifacts, TMPDIR for what "
            "mf_s3() downloads.",
            data=data,
        )
    name = type(problem).__name__
    if "Credential" in name or name in ("ProfileNotFound", "UnauthorizedSSOTokenError", "SSOTokenLoadError"):
        return AccessDenied(
            f"there are no credentials for {what}: {problem}",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            data=data,
        )
    place = endpoint_url or "Amazon S3"
    if is_passing(problem):
        return StoreError(
            f"the object {what} could not be reached at {place}, after {TRIES} tries: {problem}",
            hint="Check the network and METAFLOW_S3_ENDPOINT_URL, then 'resume'.",
            data=data,
        )
    return StoreError(
        f"the object {what} failed at {place}: {problem}", hint="Look at the address and at the server.", data=data
    )
