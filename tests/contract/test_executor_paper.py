"""The paper executor against the sandbox's books over HTTP: what every executor promises of `execute`."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest

from backtest.accounting import LONG, SHORT, new_books
from backtest.sandbox.server import listening
from backtest.settings import EnvironmentSettings
from backtest.tape import make_rules
from bot.execution.paper import PaperExecutor
from bot.orders import Executed, LegFill, LegOrder, Proposal, Unfilled
from bot.risk import ApprovedOrder, RiskGate
from bot.settings import RiskSettings
from data.exchange import Venue
from data.market import Market, touch
from data.panel import build_panel, tradable
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset
from tests.contract.conftest import GAP, SHOWN, START_MS, WorldAt

NOON = START_MS + 1000 * HOUR_MS
TWO_MINUTES_MS = 120_000
VENUES = {name: VenueSettings(taker_fee_bps=fee) for name, fee in (("binance", 5.0), ("hyperliquid", 4.5))}
WIDE = RiskSettings(
    max_leg_notional=1e9,
    max_asset_notional=1e9,
    max_venue_notional=1e9,
    max_gross_notional=1e9,
    max_price_collar_pct=100.0,
)
QUANTITY = {"BTC": 0.01, "DOGE": 1000.0}

Carry = Callable[..., Any]


class Table:
    """A market at an hour, an executor on its venues, and a gate that approves everything within wide limits."""

    def __init__(self, market: Market, tick: int) -> None:
        self.tick = tick
        self.market = market
        self.instruments = tradable(market.listed(tick))
        self.rules = make_rules(self.instruments, VENUES, EnvironmentSettings())
        self.panel = build_panel(self.instruments, market.bars, {}, tick - 5 * HOUR_MS, tick, 60)
        self.gate = RiskGate(WIDE, self.rules, run=1)

    def order(self, code: str, *, quantity: float | None = None, entry: bool = False, collar: float = math.inf) -> Any:
        """An order for both legs of a coin, long on Binance."""
        legs = []
        for column, one in enumerate(self.instruments):
            if one.asset == Asset(code):
                leg = LONG if one.venue == "binance" else SHORT
                size = (quantity or QUANTITY[code]) * (1 if leg == LONG else -1)
                reference = float(self.market.bars[one.key].close[-1])
                venue = int(self.rules.instruments[column].venue)
                legs.append(LegOrder(leg, one, column, venue, size, reference, collar))
        long, short = sorted(legs, key=lambda leg: leg.leg)
        proposal = Proposal(entry, 0, self.tick, 0, (long, short), (long.column, short.column))
        return self.gate.review(proposal, new_books(2, 3, 1e9), self.panel)


@pytest.fixture
def carry_out(world_at: WorldAt, sandbox_market: Market) -> Carry:
    """`carry_out(tick, order)`: what executing `order(table)` two minutes after the hour gives."""

    def run(tick: int, order: Callable[[Table], ApprovedOrder], down: str = "") -> tuple[Table, Any]:
        async def talk() -> tuple[Table, Any]:
            table = Table(sandbox_market, tick)
            async with AsyncExitStack() as stack:
                url = await stack.enter_async_context(listening(world_at(tick + TWO_MINUTES_MS)))
                bases = {name: f"{url}/{name}" if name != down else "http://127.0.0.1:9" for name in VENUES}
                venues = {
                    name: await stack.enter_async_context(
                        Venue(name, VenueSettings(base_url=base), timeout_s=5, concurrency=4)
                    )
                    for name, base in bases.items()
                }
                outcome = await PaperExecutor(venues, table.rules, {}, 24).execute(order(table))
                return table, outcome.fills if isinstance(outcome, Executed) else outcome

        return asyncio.run(talk())

    return run


def best(table: Table, leg: LegOrder) -> tuple[float, float]:
    """(price, mid) of a small order: the touch on the other side, around the open of the hour."""
    market, one = table.market, leg.instrument
    mid = market.mid(one.key, table.tick + TWO_MINUTES_MS)
    bid, ask = (float(price) for price in touch(mid, SHOWN[one.venue].half_spread_bps, one.tick_size))
    return (ask if leg.quantity > 0 else bid), (bid + ask) / 2


def test_a_small_order_fills_both_legs_at_the_touch(carry_out: Carry) -> None:
    orders: list[ApprovedOrder] = []
    table, fills = carry_out(NOON, lambda table: orders.append(table.order("BTC")) or orders[0])

    order = orders[0]
    assert order.client_ids == tuple(fill.client_id for fill in fills)
    for leg, fill in zip(order.proposal.legs, fills, strict=True):
        price, mid = best(table, leg)
        fee = VENUES[leg.instrument.venue].taker_fee_bps or 0.0
        assert (leg.quantity, price, mid) == (fill.quantity, fill.price, fill.mid)
        assert pytest.approx(fee * 1e-4) == fill.fee_rate


def test_both_legs_are_bought_above_and_sold_below_the_mid(carry_out: Carry) -> None:
    _, (long, short) = carry_out(NOON, lambda table: table.order("BTC"))

    assert long.price > long.mid and short.price < short.mid


def test_a_larger_order_pays_more_than_the_touch(carry_out: Carry) -> None:
    table, fills = carry_out(NOON, lambda table: table.order("BTC", quantity=1.0))

    long, short = fills
    touched = {
        fill.client_id: best(table, leg)[0] for fill, leg in zip(fills, table.order("BTC").proposal.legs, strict=True)
    }
    assert long.price > touched[long.client_id]
    assert short.price < touched[short.client_id]


@pytest.mark.parametrize(
    ("tick", "order"),
    [
        (NOON, lambda table: table.order("BTC", collar=1e-9)),
        (START_MS + GAP[1] * HOUR_MS, lambda table: table.order("DOGE")),
    ],
    ids=["beyond the collar", "nothing trades"],
)
def test_what_cannot_be_filled_on_both_legs_is_filled_on_neither(carry_out: Carry, tick: int, order: Any) -> None:
    _, outcome = carry_out(tick, order)

    assert isinstance(outcome, Unfilled)
    assert "not enough depth" in outcome.cause


@pytest.mark.parametrize("entry", [True, False])
def test_more_than_the_depth_is_filled_in_equal_parts_and_whole_lots(carry_out: Carry, entry: bool) -> None:
    table, (long, short) = carry_out(NOON, lambda table: table.order("BTC", quantity=100.0, entry=entry, collar=1.0))

    held = SHOWN["binance"].level_quote * SHOWN["binance"].levels / max(long.mid, short.mid)
    lots = long.quantity / max(one.lot_step for one in table.instruments if one.asset == Asset("BTC"))
    assert long.quantity == -short.quantity
    assert 0.99 * held < long.quantity < 1.01 * held
    assert pytest.approx(round(lots)) == lots


@pytest.mark.parametrize("down", ["binance", "hyperliquid"])
def test_with_one_venue_down_neither_leg_is_filled(
    carry_out: Carry, down: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.exchange.BACKOFF_S", 0.001)
    _, outcome = carry_out(NOON, lambda table: table.order("BTC"), down)

    assert isinstance(outcome, Unfilled)
    assert outcome.cause.startswith(down)


def test_filling_twice_gives_the_same_fills(carry_out: Carry) -> None:
    first, second = (carry_out(NOON, lambda table: table.order("BTC"))[1] for _ in range(2))

    assert all(isinstance(fill, LegFill) for fill in first)
    assert first == second


def test_settling_leaves_the_books_that_were_given_as_they_were(sandbox_market: Market) -> None:
    table = Table(sandbox_market, NOON)
    books = new_books(2, 3, 10_000.0)
    books.in_transit[1], books.arrives_at[1] = 7.0, NOON
    before = books.copy()
    after, payments = asyncio.run(PaperExecutor({}, table.rules, {}, 24).settle(books, table.panel, NOON))

    assert () == payments
    assert 7.0 == after.cash[1] - before.cash[1]
    for name in before.dtype.names or ():
        np.testing.assert_array_equal(before[name], books[name], err_msg=name)
