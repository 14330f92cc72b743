"""Which failures of a request pass when it is repeated, and how long to wait before that.

Waits double and are random between nothing and that (full jitter), so that a thousand tasks which were told to slow
down do not come back together.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["TRIES", "Damaged", "is_passing", "repeated"]

TRIES = 10
_DAMAGED_TRIES = 4
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0

# What S3 and its relatives call what passes. BadDigest and its like: the body was changed on the way.
_PASSING_CODES = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "OperationAborted", "ConditionalRequestConflict",
    "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody",
    "PriorRequestNotComplete",
}
_PASSING_STATUS = {408, 429}
_PASSING_ERRORS = {
    # botocore
    "EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError", "ConnectTimeoutError", "HTTPClientError",
    "IncompleteReadError", "ResponseStreamingError", "ResponseParserError", "ProxyConnectionError", "SSLError",
    # urllib3 and http.client, which come through while a body is read
    "ProtocolError", "IncompleteRead", "TimeoutError", "HTTPException", "RemoteDisconnected",
}
_PASSING_ERRNOS = {
    errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED, errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}

Value = TypeVar("Value")


class Damaged(Exception):
    """What arrived is not what was sent: its sha256 or its size is another one. `found` says it in words."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def is_passing(problem: BaseException) -> bool:
    response = getattr(problem, "response", None)
    if isinstance(response, dict):
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0
        code = (response.get("Error") or {}).get("Code")
        return status >= 500 or status in _PASSING_STATUS or code in _PASSING_CODES
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno in _PASSING_ERRNOS
    if isinstance(problem, (ConnectionError, TimeoutError)):
        return True
    return any(kind.__name__ in _PASSING_ERRORS for kind in type(problem).__mro__)


def repeated(
    action: Callable[[int], Value],
    sleep: Callable[[float], Any] = time.sleep,
    draw: Callable[[float, float], float] = random.uniform,
) -> Value:
    """`action(number of tries before)` until it comes back; its last exception if it never does, or one that stays."""
    damaged = 0
    for tries in range(TRIES):
        try:
            return action(tries)
        except Damaged:
            damaged += 1
            if damaged == _DAMAGED_TRIES:
                raise
        except Exception as problem:
            if tries + 1 == TRIES or not is_passing(problem):
                raise
        sleep(draw(0.0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0**tries)))
    raise AssertionError("not reached")
