"""What becomes of orders that rest: whether the price trades through them in the hour after each decision, and what the
order books hold at that moment. Computed once for a tape; the simulated venue only looks it up.

The maker-first style rests an order at the touch of the leg with the wider spread, looks at it now and then, moves it
to the touch once in a while, and takes the other leg as soon as it is filled. It counts as filled at a look that finds
the opposite touch strictly beyond its price: then the price traded through it, whoever stood before it in the queue.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG, SHORT
from backtest.order_book import QUOTE, level_size
from backtest.rules import Rules
from backtest.settings import EnvironmentSettings
from data.compiled import compiled, record
from data.market import OPEN_PLATEAU_MS, TURNS_MS, Market
from data.panel import Panel
from data.types import HOUR_MS

EXIT_A, EXIT_B, ENTRY = range(3)
"""What is done with a pair: closing a position that is long its leg a, or its leg b, or opening one as the row says."""

RESTED = record(
    [
        ("filled", np.bool_),
        # The leg whose order rests.
        ("first", np.int64),
        # At which it was filled.
        ("price", np.float64),
    ]
)
"""How resting ended."""


class Resting(NamedTuple):
    """[T, P, 3] each, the last axis being EXIT_A, EXIT_B, ENTRY."""

    ends: NDArray[np.record]
    """Of RESTED."""
    long: NDArray[np.record]
    """Of QUOTE: the order book of the position's long leg when resting ended, by a fill or by giving up."""
    short: NDArray[np.record]
    """The same of its short leg."""


class Patience(NamedTuple):
    """Times of looking at a resting order, after the decision."""

    begin_ms: int
    """After the full hour: when the order is placed."""
    look_ms: int
    looks: int
    """After that many, it is given up."""
    reprice_looks: int
    """It is moved to the touch once in so many."""


class Path(NamedTuple):
    """The market between the hours: T ticks, N instruments."""

    bars: NDArray[np.float64]
    """[T, N, 4] open, nearer extreme, further extreme and close of the bar that begins at each tick; NaN in a gap."""
    close: NDArray[np.float64]
    """[T, N] that the decision saw."""
    half_spread: NDArray[np.float64]
    """[N] fraction."""
    scale: NDArray[np.float64]
    """[N] 1 / tick size, where that is below 1; the tick size itself elsewhere."""


def patience_of(settings: EnvironmentSettings, decision_delay_s: int) -> Patience:
    """The times that the settings name."""
    look_s = settings.look_s
    return Patience(
        decision_delay_s * 1000, look_s * 1000, settings.maker_patience_s // look_s, settings.reprice_s // look_s
    )


def make_resting(
    market: Market,
    panel: Panel,
    half_spread_bps: Sequence[float],
    legs: NDArray[np.int64],
    direction: NDArray[np.int64],
    rules: Rules,
    patience: Patience,
) -> Resting:
    """What becomes of orders placed after every tick of `panel`; `legs` [P, 2], `direction` [T, P] as in `Frames`."""
    ticks = np.array([instrument.tick_size for instrument in panel.instruments])
    path = Path(
        bars=bars_after(market, panel),
        close=panel.close,
        half_spread=np.array(half_spread_bps) * 1e-4,
        scale=np.array([10.0 ** abs(round(np.log10(tick))) for tick in ticks]),
    )
    shape = (len(panel.ticks), len(legs), 3)
    rested = Resting(np.zeros(shape, dtype=RESTED), np.zeros(shape, dtype=QUOTE), np.zeros(shape, dtype=QUOTE))
    _rest_all(rested, path, legs, direction, rules, patience)
    return rested


def bars_after(market: Market, panel: Panel) -> NDArray[np.float64]:
    """[T, N, 4] as `Path.bars`: `Market.path` visits the extreme that is nearer to the open first."""
    out = np.full((*panel.close.shape, 4), np.nan)
    for column, instrument in enumerate(panel.instruments):
        bars = market.bars[instrument.key]
        rows = (bars.open_time - panel.ticks[0]) // HOUR_MS
        inside = (rows >= 0) & (rows < len(panel.ticks))
        low_first = np.abs(bars.open - bars.low) <= np.abs(bars.high - bars.open)
        near, far = np.where(low_first, bars.low, bars.high), np.where(low_first, bars.high, bars.low)
        out[rows[inside], column] = np.stack([bars.open, near, far, bars.close], axis=1)[inside]
    return out


@compiled
def _rest_all(
    rested: Resting, path: Path, legs: NDArray[np.int64], direction: NDArray[np.int64], rules: Rules, patience: Patience
) -> None:
    for row in range(direction.shape[0]):
        for pair in range(len(legs)):
            for what in range(3):
                way = direction[row, pair] if what == ENTRY else 1 if what == EXIT_A else -1
                long, short = legs[pair, 0], legs[pair, 1]
                if way < 0:
                    long, short = short, long
                _rest(rested, row, pair, what, long, short, path, rules, patience)


@compiled
def _rest(
    rested: Resting, row: int, pair: int, what: int, long: int, short: int, path: Path, rules: Rules, patience: Patience
) -> None:
    end, long_end, short_end = rested.ends[row, pair, what], rested.long[row, pair, what], rested.short[row, pair, what]
    _look(long_end, row, long, patience.begin_ms, path, rules)
    _look(short_end, row, short, patience.begin_ms, path, rules)
    end.first = LONG if wider(long_end, short_end) else SHORT
    end.price = np.nan
    if not (np.isfinite(long_end.mid) and np.isfinite(short_end.mid)):
        return
    instrument, quote = (long, long_end) if end.first == LONG else (short, short_end)
    buys = (end.first == LONG) == (what == ENTRY)
    at_ms = patience.begin_ms
    for look in range(patience.looks):
        if look % patience.reprice_looks == 0:
            end.price = quote.bid if buys else quote.ask
            if what == ENTRY and abs(end.price / path.close[row, instrument] - 1.0) > rules.price_collar:
                end.price = np.nan
        at_ms += patience.look_ms
        _look(quote, row, instrument, at_ms, path, rules)
        if traded_through(buys, end.price, quote.bid, quote.ask):
            end.filled = True
            break
    _look(long_end, row, long, at_ms, path, rules)
    _look(short_end, row, short, at_ms, path, rules)


@compiled
def wider(one: np.record, other: np.record) -> bool:
    """Whether the spread of `one` is at least as wide, as a share of the price."""
    return (one.ask - one.bid) / one.mid >= (other.ask - other.bid) / other.mid


@compiled
def traded_through(buys: bool, price: float, bid: float, ask: float) -> bool:
    """Whether an order at `price` must have been filled by the time that the book shows `bid` and `ask`; no for NaN."""
    return ask < price if buys else bid > price


@compiled
def _look(quote: np.record, row: int, instrument: int, at_ms: int, path: Path, rules: Rules) -> None:
    """Write the order book so long after the full hour into `quote`, as `data.market.touch` has it around the path."""
    rule = rules.instruments[instrument]
    mid, scale = _mid(path.bars[row, instrument], at_ms), path.scale[instrument]
    half = mid * path.half_spread[instrument]
    bid = np.floor((mid - half) / rule.tick_size + 1e-6)
    ask = np.ceil((mid + half) / rule.tick_size - 1e-6)
    bid, ask = (bid / scale, ask / scale) if rule.tick_size < 1.0 else (bid * scale, ask * scale)
    quote.mid, quote.bid, quote.ask = (bid + ask) / 2, bid, ask
    quote.bid_size, quote.ask_size = level_size(bid, rule), level_size(ask, rule)


@compiled
def _mid(bar: NDArray[np.float64], at_ms: int) -> float:
    """Price so long into a bar, as `Market.path` has it."""
    if at_ms <= OPEN_PLATEAU_MS:
        return bar[0]
    if at_ms <= TURNS_MS[0]:
        return _between(OPEN_PLATEAU_MS, TURNS_MS[0], bar[0], bar[1], at_ms)
    if at_ms <= TURNS_MS[1]:
        return _between(TURNS_MS[0], TURNS_MS[1], bar[1], bar[2], at_ms)
    return _between(TURNS_MS[1], HOUR_MS, bar[2], bar[3], at_ms)


@compiled
def _between(begin_ms: int, end_ms: int, first: float, last: float, at_ms: int) -> float:
    return (last - first) / (end_ms - begin_ms) * (at_ms - begin_ms) + first
