"""Steps in Python: the worker that runs them, and what they may import.

from metaflow_core import current
from metaflow_core.pystep import gather_inputs, merge_artifacts, NA, RDataFrame, Factor, RObject
"""

from __future__ import annotations

from typing import Any

from ..rdata import NA, Factor, NamedVector, NAType, RDataFrame, RList, RObject, RVector
from .failed_split import FailedSplit
from .failure import MergeArtifactsException
from .flow import Flow
from .inputs import Input, Inputs

__all__ = [
    "NA",
    "Factor",
    "FailedSplit",
    "MergeArtifactsException",
    "NAType",
    "NamedVector",
    "RDataFrame",
    "RList",
    "RObject",
    "RVector",
    "failed",
    "gather_inputs",
    "merge_artifacts",
    "succeeded",
]


def merge_artifacts(flow: Flow, inputs: Inputs, exclude: Any = (), include: Any = ()) -> list[str]:
    """Take over what the inputs of a join agree about: self.merge_artifacts(inputs)."""
    return flow.merge_artifacts(inputs, exclude, include)


def succeeded(inputs: Inputs) -> list[Input]:
    """The inputs of a join that have artifacts."""
    return inputs.succeeded


def failed(inputs: Inputs) -> list[FailedSplit]:
    """Why others have none, with on_error = "continue"."""
    return inputs.failed


def gather_inputs(inputs: Inputs, name: str) -> list[Any]:
    """The artifact `name` of every input of a join."""
    return [item[name] for item in inputs]
