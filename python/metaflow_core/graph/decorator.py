"""A decorator as the user wrote it: a name and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..types import JsonObject
from .shape import Shape

__all__ = ["DecoratorSpec"]


@dataclass(frozen=True)
class DecoratorSpec:
    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    user: bool = False
    """Made by the user (R/step-decorator.R): it travels with the code, and the core knows only its name."""

    @classmethod
    def from_dict(cls, data: Any, where: str = "decorator") -> DecoratorSpec:
        shape = Shape(data, where)
        return cls(name=shape.text("name"), args=shape.mapping("args"), user=shape.flag("user"))

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "args": dict(self.args), **({"user": True} if self.user else {})}
