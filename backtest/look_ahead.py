"""Whether anything that a policy sees comes from the future: a tick must look the same without all that came after it.

Used by walk forwards before they live through anything, and by tests that plant a look-ahead on purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.history import History
from backtest.schema import OPPORTUNITY
from backtest.tape import Tape, date
from backtest.windows import Window
from data.errors import LookAhead
from data.market import Market
from data.types import HOUR_MS, Bars, Settlements

TICKS = 24
"""How many are looked at, spread evenly over a window."""
SEEN = (*(feature.name for feature in OPPORTUNITY), "known", "direction", "carry", "rank")
"""What is seen of a pair: its features, and what orders the pairs and tells their legs apart."""
TapeOf = Callable[[History, Window], Tape]


@dataclass(frozen=True)
class Peek:
    """A pair that looks otherwise at a tick once the future is cut off."""

    tick: int
    """ms."""
    pair: str
    what: tuple[str, ...]
    """Of `SEEN`."""

    def __str__(self) -> str:
        return f"{', '.join(self.what)} of {self.pair} at {date(self.tick)}"


def refuse_look_ahead(history: History, window: Window, tape_of: TapeOf) -> None:
    """Raise LookAhead where a tick of `window` shows what was not known yet."""
    if found := look_ahead(history, window, tape_of):
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise LookAhead(
            f"{found[0]}{more}: it changes with what came later, so what is learnt or earned here could not be had; "
            "mend the code that makes it"
        )


def look_ahead(history: History, window: Window, tape_of: TapeOf, ticks: int = TICKS) -> list[Peek]:
    """What is shown at `ticks` ticks of `window` that is not shown by the tape of what was known at each of them.

    Empty where nothing looks ahead. Raises MissingData where the market does not cover the window.
    """
    whole = tape_of(history, window)
    found = []
    for row in _spread(whole, ticks):
        tick = int(whole.panel.ticks[row])
        past = History(without_future(history.market, tick, history.data.decision_delay_s), history.data, tick)
        cut = tape_of(past, Window(window.first_tick, tick))
        found += _peeks(tick, _seen(whole, tick), _seen(cut, tick))
    return found


def without_future(market: Market, tick: int, decision_delay_s: int) -> Market:
    """What had happened by the decision at `tick`: candles that had closed, settlements that were stamped."""
    bars = {
        key: Bars(*(column[: np.searchsorted(one.open_time, tick - HOUR_MS, "right")] for column in vars(one).values()))
        for key, one in market.bars.items()
    }
    settlements = {
        key: Settlements(*(column[one.stamp <= tick + decision_delay_s * 1000] for column in vars(one).values()))
        for key, one in market.settlements.items()
    }
    return Market(market.instruments, bars, settlements, market.episode)


def _spread(tape: Tape, count: int) -> list[int]:
    """Rows after the first decision, spread evenly over those at which any candle closed."""
    rows = np.flatnonzero(np.isfinite(tape.panel.close).any(axis=1))
    rows = rows[rows > tape.first]
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)
    return [int(row) for row in rows[chosen]]


def _seen(tape: Tape, tick: int) -> dict[str, NDArray[np.float64]]:
    """By pair [len(SEEN)] what stands in the row of `tick`."""
    row, features = tape.panel.row(tick), tape.features
    rank = np.full(len(features.legs), -1.0)
    order = features.order[row][features.order[row] >= 0]
    rank[order] = np.arange(len(order))
    columns = features.known[row], features.direction[row], features.carry[:, row], rank
    numbers = np.column_stack([features.values[row], *columns]).astype(np.float64)
    names = [" and ".join(" ".join(tape.panel.instruments[leg].key) for leg in legs) for legs in features.legs]
    return dict(zip(names, numbers, strict=True))


def _peeks(tick: int, whole: dict[str, NDArray[np.float64]], cut: dict[str, NDArray[np.float64]]) -> list[Peek]:
    """A pair that the past does not list must be unknown; every other must look the same, to the bit."""
    found = []
    for pair, numbers in whole.items():
        if pair in cut:
            same = (numbers == cut[pair]) | (np.isnan(numbers) & np.isnan(cut[pair]))
        else:
            same = np.array([name != "known" or not number for name, number in zip(SEEN, numbers, strict=True)])
        if not same.all():
            found.append(Peek(tick, pair, tuple(np.array(SEEN)[~same].tolist())))
    return found
