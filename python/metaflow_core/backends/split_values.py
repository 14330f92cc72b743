"""Small elements of a foreach go to the worker with the order of their task: opening a file costs a forked process of R
0.3 ms, for the pages that it copies, and the engine 0.02."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["with_values"]

MOST_BYTES = 4096


def with_values(order: Mapping[str, Any], blobs: str) -> Mapping[str, Any]:
    """The order, with the bytes of the innermost split's element as "value" (base64) where they are few and at hand in
    the folder `blobs`."""
    stack = order.get("stack")
    if not stack:
        return order
    blob, offset, size, _ = stack[-1]["ref"].split(" ")
    # Below 0: an included file.
    if int(offset) < 0 or int(size) > MOST_BYTES:
        return order
    try:
        file = os.open(os.path.join(blobs, blob[:2], blob), os.O_RDONLY)
        try:
            value = os.pread(file, int(size), int(offset))
        finally:
            os.close(file)
    except OSError:
        return order
    if len(value) != int(size):
        return order
    frame = {**stack[-1], "value": base64.b64encode(value).decode()}
    return {**order, "stack": [*stack[:-1], frame]}
