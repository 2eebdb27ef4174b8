"""Lines over an axis, laid out in a square of SIDE x SIDE that the page stretches; used by `pictures`.

The page draws strokes that do not scale and labels as text beside the square, so both stay readable at any width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from data.types import HOUR_MS

SIDE = 1000
MOST_POINTS = 360
"""Places along a line; each keeps its highest and its lowest value."""
_DAYS = (1, 2, 7, 14)
_MONTHS = (1, 2, 3, 6, 12)
_MOST_TICKS = 9


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, % from the left or from the top."""

    place: float
    label: str


@dataclass(frozen=True)
class Series:
    """One line, and its entry in the legend."""

    name: str
    points: str
    """For an SVG polyline."""
    last: str
    """The value that it ends with, for people."""
    number: int
    """Its place in the legend, and its colour."""

    @property
    def above(self) -> bool:
        """The rule is drawn last, and dashed: a bot that did the same shows through."""
        return self.name == "rule"


@dataclass(frozen=True)
class Chart:
    """A picture of lines over time."""

    name: str
    title: str
    caption: str
    unit: str
    series: tuple[Series, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    marks: tuple[Tick, ...] = ()
    """Vertical lines where something happened."""

    @property
    def summary(self) -> str:
        """What who cannot see the picture is told."""
        return f"{self.title}: " + ", ".join(f"{one.name} ends at {one.last} {self.unit}" for one in self.series)


@dataclass(frozen=True)
class Scale:
    """Values `low`..`high` on an axis."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """% of the way from low to high."""
        return 100 * (value - self.low) / (self.high - self.low)


def lines(
    name: str,
    title: str,
    caption: str,
    unit: str,
    first_ms: int,
    curves: Sequence[tuple[str, NDArray[np.float64]]],
    marks: Sequence[tuple[int, str]] = (),
    digits: int = 2,
) -> Chart:
    """A chart of hourly curves [T] that begin at `first_ms`; `marks` are times (ms) with what happened."""
    hours = max(len(curves[0][1]) - 1, 1)
    scale = spanning(np.concatenate([values for _, values in curves]))
    time = Scale(first_ms, first_ms + hours * HOUR_MS)
    return Chart(
        name=name,
        title=title,
        caption=caption,
        unit=unit,
        series=tuple(
            Series(one, polyline(values, scale), signed(float(values[-1]), digits), number)
            for number, (one, values) in enumerate(curves)
        ),
        across=time_ticks(time),
        up=tuple(Tick(100 - scale.place(value), label) for value, label in value_ticks(scale)),
        marks=tuple(Tick(time.place(ms), text) for ms, text in marks),
    )


def spanning(values: NDArray[np.float64]) -> Scale:
    """A scale with zero and all finite values on it, and a little room."""
    known = values[np.isfinite(values)]
    low, high = min(0.0, float(known.min(initial=0.0))), max(0.0, float(known.max(initial=0.0)))
    room = 0.04 * (high - low) or 1.0
    return Scale(low - room * (low < 0 or high == 0), high + room * (high > 0 or low == 0))


def polyline(values: NDArray[np.float64], scale: Scale) -> str:
    """The points of `values` [T], evenly spaced, thinned to what can be seen."""
    last = max(len(values) - 1, 1)
    return " ".join(
        f"{SIDE * row / last:.1f},{SIDE - SIDE / 100 * scale.place(float(values[row])):.1f}" for row in thinned(values)
    )


def thinned(values: NDArray[np.float64]) -> list[int]:
    """Rows of `values` [T] that show its course: of every part the first, the lowest and the highest; and the last."""
    if len(values) <= 2 * MOST_POINTS:
        return list(range(len(values)))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), MOST_POINTS):
        kept |= {int(part[np.argmin(values[part])]), int(part[np.argmax(values[part])])}
    return sorted(kept)


def value_ticks(scale: Scale, about: int = 6) -> list[tuple[float, str]]:
    """Round values on a scale, with labels of as many digits as tell them apart."""
    rough = (scale.high - scale.low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(scale.low / step - 1e-9)
    values = [step * number for number in range(first, math.floor(scale.high / step + 1e-9) + 1)]
    return [(value, f"{value:,.{digits}f}".replace("-", "−")) for value in values]


def time_ticks(time: Scale) -> tuple[Tick, ...]:
    """Round times on a scale of ms, UTC."""
    days = (time.high - time.low) / (24 * HOUR_MS)
    if days <= _MOST_TICKS / 4:
        return _every(time, 6 * HOUR_MS if days > 1 else 3 * HOUR_MS, "%H:%M")
    for step in _DAYS:
        if days / step <= _MOST_TICKS:
            return _every(time, step * 24 * HOUR_MS, "%-d %b")
    return _by_month(time, next((step for step in _MONTHS if days / step / 30 <= _MOST_TICKS), _MONTHS[-1]))


def signed(value: float, digits: int = 2) -> str:
    """A number for people, always with its sign, which is never a minus before what is rounded to zero."""
    return f"{value:+z,.{digits}f}".replace("-", "−")


def _every(time: Scale, step: int, shape: str) -> tuple[Tick, ...]:
    first = math.ceil(time.low / step) * step
    return tuple(Tick(time.place(ms), _utc(ms).strftime(shape)) for ms in range(first, int(time.high) + 1, step))


def _by_month(time: Scale, step: int) -> tuple[Tick, ...]:
    begun, ticks = _utc(time.low), list[Tick]()
    month = begun.year * 12 + begun.month - 1
    month += -month % step
    while (at := datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000) <= time.high:
        if at >= time.low:
            shape = "%b %Y" if month % 12 == 0 or not ticks else "%b"
            ticks.append(Tick(time.place(at), _utc(at).strftime(shape)))
        month += step
    return tuple(ticks)


def _utc(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
