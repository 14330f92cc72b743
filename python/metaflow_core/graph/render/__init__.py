"""A flow for the eye: text for a terminal, Mermaid and Graphviz for documents, JSON for programs."""

from __future__ import annotations

from ...canonical import canonical_json
from ...errors import UnknownOption
from ...nearest import did_you_mean
from ..flow import FlowSpec
from .boxes import draw_boxes
from .dot import to_dot
from .mermaid import to_mermaid
from .outline import draw_outline
from .structure import to_structure

__all__ = ["FORMATS", "render"]

FORMATS = ("dot", "json", "mermaid", "text")


def render(spec: FlowSpec, format: str = "text", ascii: bool = False, width: int = 80) -> str:
    """The flow in one of FORMATS, without a line end after it. It need not be a valid flow.

    `ascii` and `width` (in characters) matter for "text": boxes and arrows when they fit, else a list of the steps.
    """
    if format == "text":
        return draw_boxes(spec, ascii=ascii, width=width) or draw_outline(spec, ascii=ascii)
    if format == "mermaid":
        return to_mermaid(spec)
    if format == "dot":
        return to_dot(spec)
    if format == "json":
        return canonical_json(to_structure(spec), indent=1)
    raise UnknownOption(f"unknown format '{format}' of a graph", hint=did_you_mean(format, FORMATS))
