"""The observation scaler: fitted on the training window alone, stored with the policy, applied wherever it decides.

Statistics belong to a feature, not to a place in the vector: all ranks of an opportunity feature share them, so
exchanging two ranks exchanges their numbers and nothing else. What is fitted and how:

- Opportunity features in market units: mean and standard deviation of what was shown (every rank of every tick of the
  window), winsorised at 1 % and 99 %. On recorded Binance x Hyperliquid data (2024-10..2025-04; kurtosis up to 200 in
  the funding rates, 101 in spread_now, 23 in volatility_24h) the largest scale of short_rate over month-long windows is
  2.9 times the smallest by plain moments, 2.2 times winsorised; over quarters of a synthetic year with its stressed
  episode, that of expected_net 3.6 times and 1.2 times. Median and inter-quartile range fail: due times and intervals
  take few values and funding rests at its default, so the range falls to zero, and 6 % of the next month's long_rate
  lies beyond the clip of 10. Winsorised, at most .7 % of any feature does.
- Shares and 0/1: left as they are.
- Account and slots: left as they are. They depend on the policy, so the market cannot say how they are spread, and
  their units (% of capital or of leg notional, weeks, bps per 8 h, ratios) put them near one: under the rule, and under
  random actions in episodes of 336 h, on that data 98 % of each lie within -10..13.

What is absent stays zero: an opportunity that is not shown and a free slot are all zeros before and after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from backtest.schema import ACCOUNT, OPPORTUNITY, POSITION
from backtest.tape import Tape
from data.compiled import compiled
from data.errors import ConfigurationError, CorruptData, MissingData

Numbers = NDArray[np.float32]

WINSORISED_PCT = 1.0
"""Share of values drawn in at either end before mean and standard deviation are taken, %."""
RESOLUTION = 1e-6
"""A standard deviation below this share of the mean (or of one) is 32-bit dust: the feature is constant."""
UNSCALED_UNITS = ("0/1", "share")
SHOWN = "round_trip_cost"
"""Zero only where no opportunity stands: what tells a rank without one."""


class Statistic(NamedTuple):
    """What a feature is centred on and divided by, in its unit."""

    mean: float
    scale: float


IDENTITY = Statistic(0.0, 1.0)


class Layout(Protocol):
    """Which feature stands where, as `Schema` says it: by names such as `opportunity0.spread_now`, `equity`."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per number of the last axis; the feature is what follows the dot."""

    @property
    def hash(self) -> str:
        """Changes with anything that changes the meaning of a number."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """Centres, divides and clips the O numbers of an observation."""

    schema_hash: str
    window: tuple[int, int]
    """First and last tick it was fitted on, ms."""
    mean: Numbers
    """[O]."""
    scale: Numbers
    """[O], above zero."""
    shown_by: NDArray[np.int64]
    """[O] the number that is zero where this one is absent; -1: never absent."""
    clip: float = 10.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise CorruptData("a scaler with a mean or scale that is no number, or a scale not above zero: fit it anew")
        if not 0 < self.clip < np.inf:
            raise CorruptData(f"a scaler that clips at {self.clip}, which is not above zero: fit it anew")
        for array in (self.mean, self.scale, self.shown_by):
            array.setflags(write=False)

    def apply(self, observations: Numbers, out: Numbers | None = None) -> Numbers:
        """Scaled [..., O] of observations [..., O]; written to `out` if given, which may be `observations` itself.

        Raises ValueError for an `out` that is not laid out like a fresh array of that shape.
        """
        scaled = np.empty(observations.shape, dtype=np.float32) if out is None else out
        if scaled.shape != observations.shape or not scaled.flags.c_contiguous:
            raise ValueError(f"out must be a contiguous array of shape {observations.shape}")
        count = len(self.mean)
        flat = observations.reshape(-1, count), scaled.reshape(-1, count)
        _scale(*flat, self.mean, self.scale, self.shown_by, np.float32(self.clip))
        return scaled

    def as_dict(self) -> dict[str, Any]:
        """For JSON; 32-bit floats survive it bit for bit."""
        return {
            "schema": self.schema_hash,
            "window": list(self.window),
            "clip": self.clip,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any], layout: Layout) -> "Scaler":
        """What `as_dict` gave. Raises ConfigurationError for another schema, CorruptData for what is no scaler."""
        try:
            schema_hash, (first, last) = str(content["schema"]), content["window"]
            if schema_hash != layout.hash:
                raise ConfigurationError(
                    f"this scaler is for observations of schema {schema_hash}, not {layout.hash}: run the program and "
                    "settings that its policy was trained with, or train anew"
                )
            mean, scale = (_numbers(content[key], len(layout.names)) for key in ("mean", "scale"))
            return Scaler(
                schema_hash, (int(first), int(last)), mean, scale, _shown_by(layout.names), float(content["clip"])
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CorruptData(f"this is no scaler ({type(error).__name__}: {error}): restore or fit it anew") from error


@compiled
def _scale(
    seen: Numbers, out: Numbers, mean: Numbers, scale: Numbers, shown_by: NDArray[np.int64], clip: np.float32
) -> None:
    """Fill `out` [B, O] from `seen` [B, O]; which numbers are absent is read before any is overwritten."""
    absent = np.empty(len(mean), dtype=np.bool_)
    for b in range(seen.shape[0]):
        for number in range(len(mean)):
            absent[number] = shown_by[number] >= 0 and seen[b, shown_by[number]] == 0
        for number in range(len(mean)):
            if absent[number]:
                out[b, number] = 0.0
            else:
                out[b, number] = min(max((seen[b, number] - mean[number]) / scale[number], -clip), clip)


def fit_scaler(tape: Tape, first_row: int, last_row: int, clip: float = 10.0) -> Scaler:
    """The scaler of a tape's rows `first_row` to `last_row`, both included, for its schema.

    Raises ConfigurationError for rows outside the tape's playing time, MissingData where no opportunity is shown.
    """
    if not tape.first <= first_row <= last_row < len(tape.panel.ticks):
        raise ConfigurationError(
            f"a scaler cannot be fitted on rows {first_row} to {last_row}: the tape is played on rows {tape.first} to "
            f"{len(tape.panel.ticks) - 1}"
        )
    window = int(tape.panel.ticks[first_row]), int(tape.panel.ticks[last_row])
    statistics = feature_statistics(shown_opportunities(tape, first_row, last_row))
    return lay_out(statistics, tape.schema, window, clip)


def shown_opportunities(tape: Tape, first_row: int, last_row: int) -> NDArray[np.float64]:
    """[n, 22] the opportunities that the rows' observations show, by time and rank; in `pairs` all that are known."""
    shown = tape.features.order if tape.schema.formulation == "pairs" else tape.features.ranked
    ranked = shown[first_row : last_row + 1]
    row, rank = np.nonzero(ranked >= 0)
    if len(row) == 0:
        raise MissingData(
            f"no opportunity on rows {first_row} to {last_row} to fit a scaler on: choose a longer window, more assets"
        )
    return tape.features.values[first_row + row, ranked[row, rank]].astype(np.float64)


def feature_statistics(shown: NDArray[np.float64]) -> dict[str, Statistic]:
    """The statistic of every feature by name, from opportunities [n, 22] that were shown; see the module."""
    statistics = {feature.name: IDENTITY for feature in (*ACCOUNT, *POSITION, *OPPORTUNITY)}
    for feature, values in zip(OPPORTUNITY, shown.T, strict=True):
        if feature.unit not in UNSCALED_UNITS:
            statistics[feature.name] = _winsorised(values)
    return statistics


def lay_out(statistics: Mapping[str, Statistic], layout: Layout, window: tuple[int, int], clip: float = 10.0) -> Scaler:
    """The scaler for any layout of the features whose statistics are given."""
    chosen = [statistics[_feature(name)] for name in layout.names]
    mean, scale = (np.array(column, dtype=np.float32) for column in zip(*chosen, strict=True))
    return Scaler(layout.hash, window, mean, scale, _shown_by(layout.names), clip)


def _winsorised(values: NDArray[np.float64]) -> Statistic:
    drawn_in = np.clip(values, *np.percentile(values, [WINSORISED_PCT, 100 - WINSORISED_PCT]))
    mean, deviation = float(drawn_in.mean()), float(drawn_in.std())
    return Statistic(mean, deviation if deviation > RESOLUTION * max(1.0, abs(mean)) else 1.0)


def _feature(name: str) -> str:
    return name.rpartition(".")[2]


def _shown_by(names: Sequence[str]) -> NDArray[np.int64]:
    """[O] for each number of an opportunity, where its block keeps SHOWN; -1 for account and positions."""
    index = {name: number for number, name in enumerate(names)}
    opportunity = {feature.name for feature in OPPORTUNITY}
    blocks = [(name.rpartition("."), _feature(name) in opportunity) for name in names]
    return np.array([index[f"{head}{dot}{SHOWN}"] if shown else -1 for (head, dot, _), shown in blocks], dtype=np.int64)


def _numbers(content: Any, count: int) -> Numbers:
    with np.errstate(over="ignore"):
        numbers = np.array(content, dtype=np.float64).astype(np.float32)
    if numbers.shape != (count,):
        raise ValueError(f"{count} numbers belong here, not {numbers.shape}")
    return numbers
