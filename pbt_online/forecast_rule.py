"""A rule that trades a forecast of the funding spread instead of its trailing mean: a teacher of cloning."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from backtest.policies import Actions, Observations, legal_actions
from backtest.schema import OPPORTUNITY, Schema
from backtest.simulated_venue import FLAT, IN, KEEP
from backtest.tape import Tape
from data.errors import ConfigurationError, MissingData

PENALTY = 0.01
"""Of the ridge, for each hour and pair that it is fitted on."""
CLIP = 5.0
"""Standard deviations beyond which a feature counts as no more."""
_COLUMN = {feature.name: number for number, feature in enumerate(OPPORTUNITY)}
_SEEN = _COLUMN["held"]
"""Features before this one do not depend on the books."""

Floats = NDArray[np.float64]


class ForecastRule:
    """By pair: enter where the forecast mean spread pays for the round trip within `hours`, leave where it turns.

    The forecast is linear in what is seen of the pair, one for all pairs; the trailing mean is one of its inputs.
    """

    def __init__(self, schema: Schema, hours: int, centre: Floats, scale: Floats, weights: Floats) -> None:
        self.name = f"forecast, {hours} h"
        self.schema = schema
        self._hours, self._centre, self._scale, self._weights = hours, centre, scale, weights

    @classmethod
    def fitted(cls, tape: Tape, hours: int) -> Self:
        """Fit to all of `tape`; `hours`, 72 or 168, is how far is looked ahead.

        Raises MissingData for a tape that has no spread to fit to, ConfigurationError for one that is not by pair."""
        if tape.schema.formulation != "pairs":
            raise ConfigurationError("a forecast is traded by pair: set learning.learner.formulation to pairs")
        features, rows = tape.features, slice(tape.first, len(tape.panel.ticks) - hours)
        values = features.values.astype(np.float64)
        ahead = values[hours:, :, _COLUMN[f"spread_{hours}h"]] * features.direction[hours:]
        told = (ahead * features.direction[: len(ahead)])[rows]
        seen = values[rows, :, :_SEEN]
        usable = features.known[rows] & np.isfinite(told)
        x, y = seen[usable], told[usable]
        if len(x) == 0:
            raise MissingData(f"a tape without a spread {hours} h ahead has nothing to fit to: lengthen the window")
        centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        x = _inputs(x, centre, scale)
        penalty = PENALTY * len(x) * np.eye(x.shape[1])
        penalty[-1, -1] = 0.0  # of the constant
        weights = np.linalg.solve(x.T @ x + penalty, x.T @ y).astype(np.float64)
        return cls(tape.schema, hours, centre, scale, weights)

    def forecast(self, observations: Observations) -> Floats:
        """[..., P] mean spread over the hours to come, bps per 8 h, of the legs as they are shown."""
        return _inputs(observations[..., :_SEEN].astype(np.float64), self._centre, self._scale) @ self._weights

    def decide(self, observations: Observations) -> Actions:
        """KEEP, IN or FLAT [B, P] for observations [B, P, O]."""
        legal, spread = legal_actions(self.schema, observations), self.forecast(observations)
        pays = spread * self._hours / 8 > observations[..., _COLUMN["round_trip_cost"]]
        as_shown = observations[..., self.schema.names.index("position.carry_72h")] >= 0
        turned = np.where(as_shown, spread, -spread) < 0
        actions = np.where(legal[..., FLAT] & turned, FLAT, np.where(legal[..., IN] & pays, IN, KEEP))
        return actions.astype(np.int64)


def _inputs(seen: Floats, centre: Floats, scale: Floats) -> Floats:
    """Standardised, and a constant behind them."""
    standard = np.clip((seen - centre) / scale, -CLIP, CLIP)
    return np.concatenate([standard, np.ones((*standard.shape[:-1], 1))], axis=-1)
