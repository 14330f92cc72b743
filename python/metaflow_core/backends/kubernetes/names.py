"""Names that Kubernetes accepts, made of names that people chose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ..jobs import store_digest

__all__ = ["LABEL_PREFIX", "identity", "job_name", "label_value", "selector"]

LABEL_PREFIX = "metaflow.org/"
_MANAGED_BY = "app.kubernetes.io/managed-by"
_LONGEST_LABEL = 63
# A pod of an Indexed Job is called <job>-<index>-<5 characters>, and its name is a host name, too.
_LONGEST_JOB = 63 - len("-99999-abcde")


def job_name(name: str) -> str:
    """A DNS label for the spec `name` ("fit_model-12-9f86d081884c"). Its random end is kept: it stays the only one."""
    head, _, token = name.rpartition("-")
    slug = re.sub(r"[^a-z0-9]+", "-", head.lower()).strip("-") or "task"
    return f"mf-{slug[: _LONGEST_JOB - len(token) - 4].strip('-')}-{token}"


def label_value(text: str) -> str:
    """`text` itself where it may be a label's value, else something like it that no other text becomes."""
    if len(text) <= _LONGEST_LABEL and re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?", text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[: _LONGEST_LABEL - 9].strip("-._")
    return f"{slug}-{digest}" if slug else digest


def identity(datastore_root: str, flow: str, run: str | None = None, step: str | None = None) -> dict[str, str]:
    """The labels that all jobs and pods of a flow, of one of its runs, or of a step in it have."""
    labels = {
        _MANAGED_BY: "metaflow",
        f"{LABEL_PREFIX}store": store_digest(datastore_root),
        f"{LABEL_PREFIX}flow": label_value(flow),
    }
    if run is not None:
        labels[f"{LABEL_PREFIX}run"] = label_value(run)
    if step is not None:
        labels[f"{LABEL_PREFIX}step"] = label_value(step)
    return labels


def selector(labels: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
