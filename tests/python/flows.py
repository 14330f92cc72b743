"""Flows for tests, written shortly."""

from __future__ import annotations

import json
from pathlib import Path

from metaflow_core.graph.flow import FlowSpec

SHAPES = json.loads((Path(__file__).resolve().parents[1] / "cross" / "shapes.json").read_text(encoding="utf-8"))


def flow(*steps, **fields) -> FlowSpec:
    return FlowSpec.from_dict({"name": "TestFlow", "steps": list(steps), **fields})


def step(name, next=(), **fields) -> dict:
    """A step as R sends it; `next` is one name or several, a dict of cases makes a switch on the artifact "state"."""
    if isinstance(next, dict):
        fields["switch"] = {"condition": "state", "cases": next}
        next = list(dict.fromkeys(next.values()))
    return {"name": name, "next": next, **fields}


def decorator(name, **args) -> dict:
    return {"name": name, "args": args}


def shape(name) -> FlowSpec:
    """The shape of that name in tests/cross/shapes.json as a flow."""
    return of_shape(next(entry for entry in SHAPES if entry["name"] == name))


def of_shape(entry) -> FlowSpec:
    return flow(*({**fields, "has_function": True} for fields in entry["steps"]))
