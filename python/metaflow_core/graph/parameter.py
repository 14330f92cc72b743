"""A parameter of a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..types import JsonObject
from .shape import Shape

__all__ = ["PARAMETER_TYPES", "ParameterSpec"]

PARAMETER_TYPES = ("bool", "date", "float", "int", "json", "str")


@dataclass(frozen=True)
class ParameterSpec:
    """`has_default` tells a default of null from no default. `type` None means: taken from the default, else text."""

    name: str
    type: str | None = None
    required: bool = False
    default: Any = None
    has_default: bool = False
    help: str | None = None
    separator: str | None = None
    is_flag: bool = False

    @classmethod
    def from_dict(cls, data: Any, where: str = "parameter") -> ParameterSpec:
        shape = Shape(data, where)
        default = shape.any("default")
        return cls(
            name=shape.text("name"),
            type=shape.optional_text("type"),
            required=shape.flag("required"),
            default=default,
            has_default=shape.flag("has_default", default=default is not None),
            help=shape.optional_text("help"),
            separator=shape.optional_text("separator"),
            is_flag=shape.flag("is_flag"),
        )

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "type": self.type,
            "required": self.required,
            "default": self.default,
            "has_default": self.has_default,
            "help": self.help,
            "separator": self.separator,
            "is_flag": self.is_flag,
        }
