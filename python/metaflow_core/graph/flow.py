"""A flow as plain data: what R builds from the pipe of steps and every other part reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InvalidFlow
from ..types import JsonObject
from .decorator import DecoratorSpec
from .parameter import ParameterSpec
from .shape import Shape
from .step import StepSpec

__all__ = ["FORMAT", "FlowSpec"]

FORMAT = 1


@dataclass(frozen=True)
class FlowSpec:
    name: str
    steps: tuple[StepSpec, ...] = ()
    parameters: tuple[ParameterSpec, ...] = ()
    decorators: tuple[DecoratorSpec, ...] = ()
    script: str | None = None

    @classmethod
    def from_dict(cls, data: Any) -> FlowSpec:
        """Reads the JSON object; InvalidFlow when it is not the shape of a flow. Whether the flow is a good one is
        the business of `lint.problems`."""
        shape = Shape(data, "the flow")
        _check_format(shape.optional_integer("format"))
        return cls(
            name=shape.text("name"),
            script=shape.optional_text("script"),
            parameters=tuple(
                ParameterSpec.from_dict(item, f"parameter {number}")
                for number, item in enumerate(shape.items("parameters"), start=1)
            ),
            decorators=tuple(
                DecoratorSpec.from_dict(item, f"flow decorator {number}")
                for number, item in enumerate(shape.items("decorators"), start=1)
            ),
            steps=tuple(
                StepSpec.from_dict(item, f"step {number}") for number, item in enumerate(shape.items("steps"), start=1)
            ),
        )

    def to_dict(self) -> JsonObject:
        return {
            "format": FORMAT,
            "name": self.name,
            "script": self.script,
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "decorators": [decorator.to_dict() for decorator in self.decorators],
            "steps": [step.to_dict() for step in self.steps],
        }

    def step(self, name: str) -> StepSpec:
        """The step called `name`; KeyError when there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def _check_format(number: int | None) -> None:
    if number is not None and number > FORMAT:
        raise InvalidFlow(
            f"the flow is written in format {number}, this version of metaflow reads format {FORMAT}",
            hint="Install the newer version of metaflow which wrote it.",
        )
