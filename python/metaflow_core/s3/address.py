"""Addresses like ``s3://bucket/some/prefix``."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import SettingsError

__all__ = ["S3Address", "is_s3_address", "parse_address"]

_ADDRESS = re.compile(r"s3[an]?://([^/\x00-\x20?#]+)(?:/(.*))?\Z", re.DOTALL)


class S3Address(NamedTuple):
    """A bucket and a prefix in it, without "/" at its ends; "" is the whole bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def key(self, below: str) -> str:
        """The object key of something below the prefix."""
        return f"{self.prefix}/{below}" if self.prefix and below else self.prefix or below

    def url(self, below: str) -> str:
        return f"s3://{self.bucket}/{self.key(below)}"


def is_s3_address(text: object) -> bool:
    return isinstance(text, str) and _ADDRESS.match(text) is not None


def parse_address(text: str) -> S3Address:
    """SettingsError when it is no address of S3."""
    found = _ADDRESS.match(text) if isinstance(text, str) else None
    if found is None:
        raise SettingsError(f"{text!r} is no address in S3", hint="Write s3://BUCKET/PREFIX.", data={"address": text})
    return S3Address(found.group(1), (found.group(2) or "").strip("/"))
