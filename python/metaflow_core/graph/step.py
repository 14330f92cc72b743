"""A step of a flow: where it goes next, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..types import JsonObject
from .decorator import DecoratorSpec
from .shape import Shape

__all__ = ["StepSpec", "SwitchSpec"]


@dataclass(frozen=True)
class SwitchSpec:
    """Goes to `cases[value of the artifact named by condition]`."""

    condition: str
    cases: Mapping[str, str]

    @classmethod
    def from_dict(cls, data: Any, where: str = "switch") -> SwitchSpec:
        shape = Shape(data, where)
        cases = shape.mapping("cases")
        # Only to have the targets checked as texts.
        Shape({"cases": list(cases.values())}, where).texts("cases")
        return cls(condition=shape.text("condition"), cases=cases)

    def to_dict(self) -> JsonObject:
        return {"condition": self.condition, "cases": dict(self.cases)}


@dataclass(frozen=True)
class StepSpec:
    """`arity` is the number of arguments of the step's function, None when unknown or variable; `line` is where the
    step stands in the script. When `switch` is set, `next` holds its distinct targets."""

    name: str
    next: tuple[str, ...] = ()
    language: str = "r"
    foreach: str | None = None
    join: bool = False
    has_function: bool = False
    arity: int | None = None
    switch: SwitchSpec | None = None
    line: int | None = None
    decorators: tuple[DecoratorSpec, ...] = ()

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
            arity=shape.optional_integer("arity"),
            switch=None if switch is None else SwitchSpec.from_dict(switch, f"{where}, switch"),
            line=shape.optional_integer("line"),
            decorators=tuple(
                DecoratorSpec.from_dict(item, f"{where}, decorator {number}")
                for number, item in enumerate(shape.items("decorators"), start=1)
            ),
        )

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "language": self.language,
            "next": list(self.next),
            "foreach": self.foreach,
            "join": self.join,
            "has_function": self.has_function,
            "arity": self.arity,
            "switch": None if self.switch is None else self.switch.to_dict(),
            "line": self.line,
            "decorators": [decorator.to_dict() for decorator in self.decorators],
        }
