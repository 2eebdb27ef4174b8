"""Two hand-made venues for the tests of the books' surroundings: eight instruments, four pairs, three slots."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import Books, fill, new_books
from backtest.order_book import make_quotes
from backtest.rules import INSTRUMENT, VENUE, Rules
from backtest.settlement import HOUR, settle
from backtest.simulated_venue import KEEP, Closings, Frames, closings_layout, trade
from data.types import HOUR_MS

NOW = 1000 * HOUR_MS
CLOSE = (100.0, 100.0, 50.0, 50.0, 20.0, 20.0, 10.0, 10.0)
"""Of AAA, BBB, CCC and DDD; the even instruments are on venue 0, the odd ones on venue 1."""
FEE = (0.0005, 0.0004)
"""By venue."""
HALF_SPREAD_BPS = 10.0


def rules_of(**changes: object) -> Rules:
    """Legs of 1000 under cross margin, deep books with a touch of 0.1 %, no rebalancing; any field can be changed."""
    instruments, venues = np.zeros(8, dtype=INSTRUMENT), np.zeros(2, dtype=VENUE)
    usual = {
        "venue": [0, 1] * 4,
        "fee_rate": FEE * 4,
        "lot_step": [0.01, 0.1] * 4,
        "tick_size": 1e-6,
        "min_notional": [5.0, 10.0] * 4,
        "half_spread": HALF_SPREAD_BPS * 1e-4,
        "level_quote": 1e9,
        "levels": 20,
        "maintenance": 0.05,
        "slot_notional": 1000.0,
        "stop_loss": 0.015,
        "price_collar": 0.03,
        "rebalance_below": 0.0,
        "transfer_cost": 1.0,
        "transfer_ms": HOUR_MS,
    }
    rest = {}
    for name, value in {**usual, **changes}.items():
        if name in (INSTRUMENT.names or ()):
            instruments[name] = value
        elif name in (VENUE.names or ()):
            venues[name] = value
        else:
            rest[name] = value
    return Rules(instruments=instruments, venues=venues, **rest)


def prices(first: Sequence[float]) -> NDArray[np.float64]:
    """[8]: these, and CLOSE for the other instruments."""
    return np.array([*first, *CLOSE[len(first) :]])


def hours_of(
    close: Sequence[float] = (), settled: Mapping[int, float] | None = None, gone: Sequence[int] = ()
) -> NDArray[np.record]:
    """[1, 8] of HOUR: `settled` rates by instrument, and those that are `gone`."""
    hours = np.zeros((1, 8), dtype=HOUR)
    hours["close"] = prices(close)
    for instrument, rate in (settled or {}).items():
        hours["settled"][0, instrument] = rate
    hours["gone"][0, list(gone)] = True
    return hours


def frames_of(
    now: Sequence[float] = (),
    *,
    close: Sequence[float] = (),
    later: Sequence[float] | None = None,
    order: Sequence[int] = (0, 1, 2, 3),
    direction: Sequence[int] = (1, 1, 1, 1),
    rules: Rules | None = None,
) -> Frames:
    """One row at NOW: mids of now (and of `later`), and the closes that the decision saw."""
    rules = rules or rules_of()
    quotes = [
        make_quotes(prices(mids)[None], [HALF_SPREAD_BPS] * 8, rules) for mids in (now, now if later is None else later)
    ]
    legs = np.arange(8).reshape(4, 2)
    pair_of = np.full((8, 8), -1)
    pair_of[legs[:, 0], legs[:, 1]] = pair_of[legs[:, 1], legs[:, 0]] = np.arange(4)
    return Frames(
        first_tick=NOW,
        hours=hours_of(close),
        now=quotes[0],
        later=quotes[1],
        order=np.array([[*order, *[-1] * (4 - len(order))]]),
        direction=np.array([direction]),
        legs=legs,
        pair_of=pair_of,
    )


def account(capital: float = 10_000.0) -> Books:
    return new_books(2, 3, capital)


def opened(
    books: Books, slot: int, long: int, short: int, quantity: float, price: float, fee: float = 0.0,
    rules: Rules | None = None,
) -> Books:  # fmt: skip
    """A position opened an hour ago at mid `price` on both legs."""
    leverage = (rules or rules_of()).venues["leverage"]
    fill(books, slot, 0, long, long % 2, quantity, price, price, fee, leverage[long % 2], NOW - HOUR_MS)
    fill(books, slot, 1, short, short % 2, -quantity, price, price, fee, leverage[short % 2], NOW - HOUR_MS)
    return books


def settled_to(
    books: Books,
    *close: float,
    settled: Mapping[int, float] | None = None,
    gone: Sequence[int] = (),
    rules: Rules | None = None,
    tick: int = NOW,
) -> Books:
    """The same books, moved in place to `tick`."""
    settle(books, tick, hours_of(close, settled, gone), 0, rules or rules_of())
    return books


ROOM = 100
"""For closed positions; what trades is compiled anew for every other number."""


def new_closings() -> Closings:
    return np.zeros(1, dtype=closings_layout(ROOM))[0]


def plan_of(wants: Mapping[int, int]) -> NDArray[np.int64]:
    """[4]: KEEP but for these pairs."""
    return np.array([wants.get(pair, KEEP) for pair in range(4)])


def decide(
    books: Books, wants: Mapping[int, int] | None = None, frames: Frames | None = None, rules: Rules | None = None
) -> Closings:
    """Carry out one plan in place; what it closed."""
    closings = new_closings()
    trade(books, plan_of(wants or {}), 0, frames or frames_of(rules=rules), rules or rules_of(), closings)
    return closings


def reasons(closings: Closings) -> list[int]:
    """Why each position was closed, in that order."""
    return closings.reason[: closings.count].tolist()
