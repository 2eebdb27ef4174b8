"""Nothing is made and nothing is lost, whatever is done to an account: money, positions, histories, and their file."""

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.sandbox.accounts.events import Liquidate, Partial, Trade, Transfer
from backtest.sandbox.accounts.positions import liquidation_price
from backtest.sandbox.accounts.records import ZERO, Force, Side, Status
from backtest.sandbox.accounts.refusals import OrderRefused
from backtest.sandbox.accounts.state import Position
from tests.fakes.account_worlds import AAA, BBB, Desk, small_world

BALANCE = Decimal(2000)
PRICES = {2: 96.0, 3: 104.0, 5: 101.0, 9: 120.0, 10: 80.0, 14: 100.0}
Step = tuple[str, str, int, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["ioc", "gtc", "post_only", "fok", "market", "reduce", "stop", "cancel", "wait", "trade", "partial"]
        ),
        st.sampled_from([AAA, BBB]),
        st.integers(-20_000, 20_000).filter(bool),
        st.integers(8500, 11_500),
    ),
    min_size=1,
    max_size=25,
)


def do(desk: Desk, step: Step) -> None:
    """One thing that a person or a bot may do; what the venue refuses does nothing."""
    kind, symbol, lots, ticks = step
    quantity, limit = str(Decimal(lots) / 1000), str(Decimal(ticks) / 100)
    try:
        if kind == "wait":
            desk.world.clock.advance_to(desk.world.now_ms() + abs(lots) * 1000)
        elif kind == "cancel":
            desk.account().cancel_all({symbol})
        elif kind == "trade":
            Trade(kind="trade", symbol=symbol, quantity=Decimal(quantity), price=Decimal(limit)).happen(desk.account())
        elif kind == "partial":
            Partial(kind="partial", percent=Decimal(abs(lots) % 100)).happen(desk.account())
        elif kind == "market":
            desk.order(quantity, symbol=symbol)
        elif kind == "stop":
            desk.order(quantity, symbol=symbol, trigger=Decimal(limit), reduce_only=True)
        elif kind == "reduce":
            desk.order(quantity, limit, symbol=symbol, reduce_only=True)
        else:
            desk.order(quantity, limit, Force(kind), symbol=symbol)
    except OrderRefused:
        pass


@settings(max_examples=60, deadline=None)
@given(steps)
def test_every_account_can_be_added_up_from_its_histories(taken: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(small_world(Path(folder), PRICES, (AAA, BBB)), balance=float(BALANCE))
        for step in taken:
            do(desk, step)
        account = desk.account()
        histories = account.histories

        realised = sum((fill.realised - fill.fee for fill in histories.fills), ZERO)
        paid = sum((payment.amount for payment in histories.payments), ZERO)
        assert BALANCE + realised + paid == account.cash
        for symbol in (AAA, BBB):
            position = account.position(symbol)
            filled = sum((fill.quantity for fill in histories.fills if fill.symbol == symbol), ZERO)
            assert filled == (position.quantity if position else ZERO)
        for order in histories.orders.values():
            fills = [fill for fill in histories.fills if fill.order == order.number]
            assert order.filled == sum((fill.quantity for fill in fills), ZERO)
            assert order.spent == sum((abs(fill.quantity) * fill.price for fill in fills), ZERO)
            assert abs(order.filled) <= abs(order.ticket.quantity)
            assert (order.status is Status.FILLED) == (order.left == 0)
        numbers = [row.number for rows in (histories.fills, histories.payments) for row in rows] + list(
            histories.orders
        )
        assert len(numbers) == len(set(numbers))


@settings(max_examples=30, deadline=None)
@given(steps)
def test_no_fill_is_worse_than_its_order_s_limit(taken: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(small_world(Path(folder), PRICES, (AAA, BBB)), balance=float(BALANCE))
        for step in taken:
            do(desk, step)
        orders = desk.account().histories.orders

        for fill in desk.account().histories.fills:
            limit = orders[fill.order].ticket.limit
            assert limit is None or (fill.price <= limit if fill.quantity > 0 else fill.price >= limit)


@settings(max_examples=30, deadline=None)
@given(steps)
def test_an_account_that_was_saved_is_the_account_that_is_loaded(taken: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world, file = small_world(Path(folder), PRICES, (AAA, BBB)), Path(folder) / "accounts.db"
        desk = Desk(world, file=file, balance=float(BALANCE))
        for step in taken:
            do(desk, step)
        before = desk.account()
        desk.accounts.close()

        again = Desk(world, file=file)
        after = again.account()
        again.accounts.close()

        assert (before.state, before.histories) == (after.state, after.histories)
        assert before.live_orders() == after.live_orders()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1000, 1000).filter(bool), min_size=1, max_size=4),
    st.integers(100, 5000),
    st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("0.25")]),
)
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(sizes: list[int], cash: int, rate: Decimal) -> None:
    listed = [Position(str(i), Side.BOTH, Decimal(size) / 10, Decimal(100)) for i, size in enumerate(sizes)]
    price = liquidation_price(listed[0], listed, Decimal(cash), lambda symbol: Decimal(100), rate)

    def mark(symbol: str) -> Decimal:
        return price if symbol == "0" else Decimal(100)

    worth = Decimal(cash) + sum((p.quantity * (mark(p.symbol) - p.entry) for p in listed), ZERO)
    margin = rate * sum((abs(p.quantity) * mark(p.symbol) for p in listed), ZERO)
    assert price == 0 or abs(worth - margin) < Decimal("1e-9")


def test_a_transfer_and_a_liquidation_by_hand_add_up_too() -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(small_world(Path(folder)))
        desk.order("3", "101")
        Transfer(kind="transfer", amount=Decimal(-500)).happen(desk.account())
        Liquidate(kind="liquidate").happen(desk.account())
        account = desk.account()

        spent = sum((fill.fee - fill.realised for fill in account.fills()), ZERO)
        assert (Decimal(9500) - spent, ()) == (account.cash, account.positions)
