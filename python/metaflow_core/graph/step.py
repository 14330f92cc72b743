"""A step of a flow: where it goes next, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..types import JsonObject
from .decorator import DecoratorSpec
from .shape import Shape

__all__ = ["MAX_ITERATIONS", "StepSpec", "SwitchSpec"]

MAX_ITERATIONS = 100


@dataclass(frozen=True)
class SwitchSpec:
    """Goes to `cases[value of the artifact named by condition]`. `max_iterations`: how often a step that goes back to
    itself may run in one place; None means `MAX_ITERATIONS`."""

    condition: str
    cases: Mapping[str, str]
    max_iterations: int | None = None

    @classmethod
    def from_dict(cls, data: Any, where: str = "switch") -> SwitchSpec:
        shape = Shape(data, where)
        cases = shape.mapping("cases")
        # Only to have the targets checked as texts.
        Shape({"cases": list(cases.values())}, where).texts("cases")
        return cls(shape.text("condition"), cases, shape.optional_integer("max_iterations"))

    def to_dict(self) -> JsonObject:
        written: JsonObject = {"condition": self.condition, "cases": dict(self.cases)}
        if self.max_iterations is not None:
            written["max_iterations"] = self.max_iterations
        return written


@dataclass(frozen=True)
class StepSpec:
    """`function` is where a step of another language than R has its function ("steps.py:train"); `arity` is the number
    of arguments of the step's function, None when unknown or variable; `line` is where the step stands in the script.
    When `switch` is set, `next` holds its distinct targets. `on_error` ("stop" or "continue") and `min_success` (a
    fraction of the splits) belong to a foreach."""

    name: str
    next: tuple[str, ...] = ()
    language: str = "r"
    foreach: str | None = None
    join: bool = False
    has_function: bool = False
    function: str | None = None
    arity: int | None = None
    switch: SwitchSpec | None = None
    line: int | None = None
    decorators: tuple[DecoratorSpec, ...] = ()
    on_error: str | None = None
    min_success: float | None = None

    @property
    def spared_to(self) -> float:
        """The fraction of the splits that must succeed."""
        if self.min_success is not None:
            return self.min_success
        return 0.0 if self.on_error == "continue" else 1.0

    @classmethod
    def from_dict(cls, data: Any, where: str = "step") -> StepSpec:
        shape = Shape(data, where)
        name = shape.text("name")
        where = f"step '{name}'"
        shape = Shape(data, where)
        switch = shape.optional_mapping("switch")
        return cls(
            name=name,
            next=shape.texts("next"),
            language=shape.optional_text("language") or "r",
            foreach=shape.optional_text("foreach"),
            join=shape.flag("join"),
            has_function=shape.flag("has_function"),
            function=shape.optional_text("function"),
            arity=shape.optional_integer("arity"),
            switch=None if switch is None else SwitchSpec.from_dict(switch, f"{where}, switch"),
            line=shape.optional_integer("line"),
            on_error=shape.optional_text("on_error"),
            min_success=shape.optional_number("min_success"),
            decorators=tuple(
                DecoratorSpec.from_dict(item, f"{where}, decorator {number}")
                for number, item in enumerate(shape.items("decorators"), start=1)
            ),
        )

    def to_dict(self) -> JsonObject:
        splits = {"on_error": self.on_error, "min_success": self.min_success}
        return {
            "name": self.name,
            "language": self.language,
            "next": list(self.next),
            "foreach": self.foreach,
            "join": self.join,
            "has_function": self.has_function,
            **({} if self.function is None else {"function": self.function}),
            "arity": self.arity,
            "switch": None if self.switch is None else self.switch.to_dict(),
            "line": self.line,
            "decorators": [decorator.to_dict() for decorator in self.decorators],
            **{name: value for name, value in splits.items() if value is not None},
        }
