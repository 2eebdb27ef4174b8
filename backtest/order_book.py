"""The order book of the simulated venues: evenly spaced levels of one size, as deep as the settings say.

The sandbox servers show the same levels; `tests/parity` holds the two to the same fills.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.rules import Rules, decimal_multiple
from data.compiled import compiled, kernel, record
from data.market import touch

QUOTE = record(
    [
        ("mid", np.float64),
        # The touch, and what rests on it, units of the asset.
        ("bid", np.float64),
        ("ask", np.float64),
        ("bid_size", np.float64),
        ("ask_size", np.float64),
    ]
)
"""The best level of each side of one instrument; NaN where nothing trades."""


Quote = np.record
"""One QUOTE."""


class Quotes(NamedTuple):
    """The same by side, [T, N] each."""

    mid: NDArray[np.float64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]


def make_quotes(mids: NDArray[np.float64], half_spread_bps: Sequence[float], rules: Rules) -> NDArray[np.record]:
    """[T, N] of QUOTE around `mids` [T, N]; NaN stays NaN. `half_spread_bps` by instrument."""
    quotes = np.zeros(mids.shape, dtype=QUOTE)
    for column, (rule, half) in enumerate(zip(rules.instruments, half_spread_bps, strict=True)):
        bid, ask = touch(mids[:, column], half, float(rule.tick_size))
        quotes["bid"][:, column], quotes["ask"][:, column] = bid, ask
    quotes["mid"] = (quotes["bid"] + quotes["ask"]) / 2
    for side in ("bid", "ask"):
        _write_sizes(quotes[side], quotes[f"{side}_size"], rules)
    return quotes


@kernel
def _write_sizes(prices: NDArray[np.float64], sizes: NDArray[np.float64], rules: Rules) -> None:
    for row in range(prices.shape[0]):
        for column in range(prices.shape[1]):
            price = prices[row, column]
            sizes[row, column] = level_size(price, rules.instruments[column]) if np.isfinite(price) else np.nan


@compiled
def depth(quantity: float, quote: Quote, rule: np.record) -> float:
    """How much of signed `quantity` the visible order book takes, without sign; 0 where nothing trades."""
    wanted = left = abs(quantity)
    if wanted <= (quote.ask_size if quantity > 0.0 else quote.bid_size):
        return wanted
    if not np.isfinite(quote.mid):
        return 0.0
    for level in range(rule.levels):
        left -= level_size(_level_price(quantity, level, quote, rule), rule)
        if left <= 0.0:
            return wanted
    return wanted - left


@compiled
def walk(quantity: float, quote: Quote, rule: np.record) -> float:
    """Average price of taking signed `quantity` level by level; what no level holds is priced at the last one."""
    wanted = left = abs(quantity)
    if wanted <= (quote.ask_size if quantity > 0.0 else quote.bid_size):
        return quote.ask if quantity > 0.0 else quote.bid
    paid, price = 0.0, 0.0
    for level in range(rule.levels):
        at = _level_price(quantity, level, quote, rule)
        if not at > 0.0:
            break
        price = at
        taken = min(left, level_size(price, rule))
        paid, left = paid + taken * price, left - taken
        if left <= 1e-12 * wanted:
            return paid / wanted
    return (paid + left * price) / wanted


@compiled
def _level_price(quantity: float, level: int, quote: Quote, rule: np.record) -> float:
    """Price of a level of the side that `quantity` takes from: levels lie half a spread of the mid, in
    whole ticks and one at least, apart."""
    touch = quote.ask if quantity > 0.0 else quote.bid
    if level == 0:
        return touch
    apart = level * max(1.0, np.round(quote.mid * rule.half_spread / rule.tick_size))
    ticks = np.round(touch / rule.tick_size) + (apart if quantity > 0.0 else -apart)
    return decimal_multiple(ticks, rule.tick_size)


@compiled
def level_size(price: float, rule: np.record) -> float:
    """One lot at least; nothing at a price that is not above zero, NaN among them."""
    if not price > 0.0:
        return 0.0
    return decimal_multiple(max(1.0, np.floor(rule.level_quote / price / rule.lot_step + 1e-9)), rule.lot_step)
