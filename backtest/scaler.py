"""The observation scaler: brings every number near unit size, fitted on the training window, stored with the policy.

A feature has one centre and one scale wherever it stands, so exchanging two ranks exchanges their numbers. What comes
from the market (the opportunities' features) is fitted; what comes from the policy's own behaviour (the account, the
positions) has fixed scales, because it cannot be known before there is a policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.observation import OPPORTUNITY, Schema
from backtest.tape import Tape
from data.errors import ConfigurationError, CorruptData

CLIP = 10.0
"""Scaled numbers lie within minus this and this."""
UNSCALED = frozenset({"0/1", "share"})
"""Units of features that are of unit size as they are."""
FIXED = {"equity": 5.0, "leverage": 2.0, "drawdown": 2.0, "pnl": 1.0, "held_time": 1.0, "carry_72h": 3.0}
"""Scales of numbers that depend on what the policy does, in their own units: a typical large value of each."""
_IQR_OF_NORMAL = 1.349
_CONSTANT = 1e-8


@dataclass(frozen=True, eq=False)
class Scaler:
    """(number - centre) / scale, clipped; what shows no opportunity stays all zero."""

    schema: Schema
    first_ms: int
    """First and last tick of the window that it was fitted on."""
    last_ms: int
    centre: NDArray[np.float32]
    """[O]."""
    scale: NDArray[np.float32]
    """[O]."""

    def apply(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scaled copies of observations [..., O]."""
        scaled = (observations - self.centre) / self.scale
        np.clip(scaled, -CLIP, CLIP, out=scaled)
        for first, last, cost in self._shown_blocks():
            scaled[..., first:last] *= observations[..., cost : cost + 1] != 0
        return scaled

    def _shown_blocks(self) -> list[tuple[int, int, int]]:
        """First number, end and cost of each opportunity: where the cost is zero nothing is shown."""
        width, names = len(OPPORTUNITY), self.schema.names
        costs = [index for index, name in enumerate(names) if name.endswith(".round_trip_cost")]
        offset = [feature.name for feature in OPPORTUNITY].index("round_trip_cost")
        return [(cost - offset, cost - offset + width, cost) for cost in costs]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, exact to the bit."""
        return {
            "schema": self.schema.hash,
            "window": [self.first_ms, self.last_ms],
            "centre": [float(number) for number in self.centre],
            "scale": [float(number) for number in self.scale],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], schema: Schema) -> "Scaler":
        """The reverse of `as_dict`. Raises ConfigurationError for a scaler of another schema, CorruptData for numbers
        that no fit gives."""
        if content["schema"] != schema.hash:
            raise ConfigurationError(
                f"the scaler was fitted for observation schema {content['schema']}, not {schema.hash}: fit it anew"
            )
        centre, scale = (np.array(content[name], dtype=np.float32) for name in ("centre", "scale"))
        sound = centre.shape == scale.shape == (schema.size,) and np.isfinite(centre).all() and np.isfinite(scale).all()
        if not sound or not (scale > 0).all():
            raise CorruptData(
                "the scaler holds numbers that are not finite or not positive: restore it, or fit it anew"
            )
        return cls(schema, int(content["window"][0]), int(content["window"][1]), centre, scale)


def fit_scaler(tape: Tape, first_row: int, last_row: int) -> Scaler:
    """A scaler for the tape's schema from what rows `first_row` to `last_row` of it show, and from nothing else.

    Centre and scale of a market feature are its median and its interquartile range (of a normal distribution's unit):
    spreads and bases have kurtosis 8 to 60, and a standard deviation would follow the few wildest hours. A feature that
    hardly moves keeps scale 1. Raises ConfigurationError for a window that shows no opportunity.
    """
    features, rows = tape.features, slice(first_row, last_row + 1)
    if tape.schema.formulation == "pairs":
        shown = features.values[rows][features.known[rows]]
    else:
        ranked = features.ranked[rows]
        seen = np.take_along_axis(features.values[rows], np.maximum(ranked, 0)[:, :, None], axis=1)
        shown = seen[ranked >= 0]
    if not len(shown):
        raise ConfigurationError("the training window shows no opportunity to fit a scaler on: choose a longer one")
    market = _statistics(shown.astype(np.float64))
    centre, scale = zip(*(_of(name.rpartition(".")[2], market) for name in tape.schema.names), strict=True)
    ticks = tape.panel.ticks
    return Scaler(
        tape.schema,
        int(ticks[first_row]),
        int(ticks[last_row]),
        np.array(centre, dtype=np.float32),
        np.array(scale, dtype=np.float32),
    )


def _statistics(shown: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Centre and scale by name of the opportunities' features [M, 22]."""
    lower, middle, upper = np.quantile(shown, (0.25, 0.5, 0.75), axis=0)
    spread = (upper - lower) / _IQR_OF_NORMAL
    # Where half of all values are equal (a default rate, a fixed interval) the range says nothing.
    spread = np.where(spread > _CONSTANT, spread, shown.std(axis=0))
    return {
        feature.name: (0.0, 1.0)
        if feature.unit in UNSCALED
        else (float(centre), float(scale) if scale > _CONSTANT else 1.0)
        for feature, centre, scale in zip(OPPORTUNITY, middle, spread, strict=True)
    }


def _of(name: str, market: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    return market[name] if name in market else (0.0, FIXED.get(name, 1.0))
