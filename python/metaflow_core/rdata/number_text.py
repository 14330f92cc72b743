"""Numbers as R writes them: as.character() of a double, with at most 15 significant digits."""

from __future__ import annotations

import math

__all__ = ["number_text"]

_DIGITS = 15


def number_text(number: float, scipen: int = 0) -> str:
    """1e5 is "1e+05", 123456 is "123456", 0.1 + 0.2 is "0.3"."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Inf" if number > 0 else "-Inf"
    if number == 0:
        return "0"
    mantissa, exponent = _shortest(abs(number))
    sign = "-" if number < 0 else ""
    digits = mantissa.replace(".", "")
    scientific = f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    decimals = max(0, len(digits) - 1 - exponent)
    fixed_width = len(sign) + max(exponent, 0) + 1 + (decimals + 1 if decimals else 0)
    if fixed_width > len(scientific) + scipen:
        return scientific
    return f"{number:.{decimals}f}"


def _shortest(number: float) -> tuple[str, int]:
    """The mantissa with no more digits than tell the number from others of 15 digits, and the exponent."""
    mantissa, _, exponent = f"{number:.{_DIGITS - 1}e}".partition("e")
    return mantissa.rstrip("0").rstrip("."), int(exponent)
