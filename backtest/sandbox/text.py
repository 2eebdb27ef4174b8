"""How the venues write numbers, and rows of JSON that are rendered once: used by every venue module."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np


def decimal(value: float) -> str:
    """The shortest decimal notation of a finite double, never scientific: `float` of it is the same double again."""
    text = repr(float(value))
    return np.format_float_positional(value, unique=True, trim="0") if "e" in text else text


def plain(value: Decimal) -> str:
    """Decimal notation without trailing zeros, never scientific."""
    return f"{value.normalize() + 0:f}"


def decimals(unit: float) -> int:
    """Digits after the point that a multiple of `unit`, a power of ten, can have."""
    return max(0, -round(math.log10(unit)))


def multiple(count: int, unit: float) -> float:
    """`count` times `unit`, a power of ten, as the double nearest to its decimal notation."""
    exponent = round(math.log10(unit))
    return count / 10.0**-exponent if exponent < 0 else count * 10.0**exponent


def json_text(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


class Rows:
    """The JSON rows of one series: row i is rendered by `render(i)` when it is first asked for, then kept."""

    def __init__(self, length: int, render: Callable[[int], str]) -> None:
        """Nothing is rendered yet."""
        self._rows: list[str | None] = [None] * length
        self._render = render

    def page(self, first: int, stop: int) -> list[str]:
        """Rows first..stop-1; empty if there are none between them."""
        return [
            row if (row := self._rows[index]) is not None else self._rendered(index) for index in range(first, stop)
        ]

    def _rendered(self, index: int) -> str:
        row = self._rows[index] = self._render(index)
        return row
