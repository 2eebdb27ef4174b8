"""What goes wrong while an order rests: fills in parts and at the last moment, refusals, lost answers, deaths."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from backtest.settlement import STOP_LOSS
from bot.run_folder import latch_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, SEND, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import assert_written_before_sent, check
from tests.functional.commands import soak

RESTS = {
    "execution": "maker_first",
    "maker_gives_up": "leave",
    "maker_patience_s": 600,
    "reprice_s": 60,
    "look_s": 10,
}
QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
PAIRS = [("binance", "hyperliquid")]
SOAKED = [("hyperliquid", "binance"), ("bybit", "okx"), ("okx", "bybit")] if os.environ.get("SOAK") else []
CANCEL: Mapping[str, Mapping[str, Any]] = {
    "binance": {"venue": "binance", "method": "DELETE", "request": "order"},
    "hyperliquid": {"venue": "hyperliquid", "request": "exchange/cancelByCloid"},
    "bybit": {"venue": "bybit", "request": "order/cancel"},
    "okx": {"venue": "okx", "request": "trade/cancel-order"},
}
WOULD_TAKE = {
    "binance": ("-5022", "Due to the order could not be executed as maker, the Post Only order will be rejected."),
    "hyperliquid": ("-1", "Post only order would have immediately matched"),
    "bybit": ("110094", "Refused"),
    "okx": ("51008", "Refused"),
}


@pytest.fixture(scope="module", params=PAIRS + SOAKED, ids=" ".join)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    patient = {"max_failed_entries": 100}
    folder = tmp_path_factory.mktemp("resting")
    with staged(folder, by_hand=True, venues=request.param, guard=QUIET, risk=patient, environment=RESTS) as one:
        yield one


@pytest.fixture(scope="module")
def lives(stage: Stage) -> Iterator[list[Life]]:
    """The newest one is the one that runs."""
    ours = [stage.begin()]
    yield ours
    ours[-1].kill()


class Rested:
    """The order that the rule has come to rest in the hour that begins now."""

    def __init__(self, stage: Stage, life: Life) -> None:
        self.stage, self.life = stage, life
        if len(stage.held()) > 8:
            close_all(stage, life)
        self.before = stage.held()
        stage.advance_to(stage.ticks() + 61 / 3600)
        life.until(lambda: self.resting(), PATIENCE_S)
        ((self.venue, self.order),) = self.resting()
        (self.other,) = (venue for venue in stage.venues if venue != self.venue)
        self.symbol = self.order["ticket"]["symbol"]

    def resting(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            (venue, order)
            for venue, account in self.stage.truth().items()
            for order in account["orders"]
            if order["status"] in ("open", "partly_filled")
        ]

    def hit(self, percent: int) -> None:
        self.stage.happen(self.venue, "hit", symbol=self.symbol, percent=percent)

    def on(self, seconds: float) -> None:
        """Market time goes on, to just beyond a look."""
        self.stage.minutes((seconds + 1) / 60)

    def until(self, condition: Any) -> None:
        self.life.until(condition, PATIENCE_S)

    def gained(self) -> list[float]:
        """What the venues hold more than before."""
        return [quantity for key, quantity in self.stage.held().items() if key not in self.before]

    def ends(self) -> None:
        """The hour ends, with nothing at rest, and all that must hold holds."""
        self.stage.faults()
        self.stage.caught_up(self.life)
        assert [] == self.resting()
        check(self.stage)

    def fills(self) -> None:
        """All of it, at the next look."""
        self.hit(100)
        self.on(10)
        self.ends()

    def replaced(self) -> bool:
        """Whether another order rests in its place."""
        return any(order["number"] != self.order["number"] for _, order in self.resting())

    def moved(self) -> dict[str, Any]:
        """A price from which the order is further away than before."""
        factor = 1.002 if float(self.order["ticket"]["quantity"]) > 0 else 0.998
        return {"kind": "price", "factor": factor}


@control(4, soak=("bybit", "okx"))
def test_each_part_of_a_fill_is_hedged_and_the_trade_tells_what_resting_saved(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    for percent in (40, 100):
        orders = stage.orders(rested.other)
        rested.hit(percent)
        rested.on(10)
        rested.until(lambda orders=orders: stage.orders(rested.other) > orders)
    rested.ends()
    assert 2 == len(rested.gained())
    (execution,) = stage.rows("select max(execution) as number from orders")
    rows = stage.rows(f"select style, purpose, venue from orders where execution = {execution['number']}")
    assert [("make", rested.venue)] + [("take", rested.other)] * 2 == [(row["style"], row["venue"]) for row in rows]
    fills = stage.rows("select maker, fee, price, quantity from venue_fills order by time_ms desc, trade_id desc")
    assert {0, 1} == {row["maker"] for row in fills}


def test_an_order_is_moved_to_the_touch_by_an_order_of_its_own(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    stage.distort(rested.moved())
    rested.on(60)
    rested.until(rested.replaced)
    ((_, moved),) = rested.resting()
    assert moved["ticket"]["limit"] != rested.order["ticket"]["limit"]
    rested.fills()
    stage.distort()
    assert 2 == len(rested.gained())


@control(4, 5, soak=("bybit", "okx"))
def test_a_fill_between_a_cancel_and_its_answer_is_hedged(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    stage.faults(CANCEL[rested.venue] | {"kind": "delay", "ms": 1_000, "times": 1})
    stage.distort(rested.moved())
    rested.on(60)
    rested.until(lambda: stage.struck()[0])
    rested.hit(100)
    rested.ends()
    stage.distort()
    assert 2 == len(rested.gained())


@control(2, 3, soak=("bybit", "okx"))
@pytest.mark.parametrize("after", [True, pytest.param(False, marks=soak)], ids=["taken", "never received"])
def test_a_cancel_whose_answer_is_lost_leaves_one_order_at_rest_at_most(
    stage: Stage, lives: list[Life], after: bool
) -> None:
    rested = Rested(stage, lives[-1])
    stage.faults(CANCEL[rested.venue] | {"kind": "status", "status": 503, "page": True, "after": after, "times": 1})
    stage.distort(rested.moved())
    rested.on(60)
    rested.until(rested.replaced)
    assert 1 == len(rested.resting())
    rested.fills()
    stage.distort()
    assert 2 == len(rested.gained())


@control(2, 3, soak=("bybit", "okx"))
def test_a_hedge_whose_answer_is_lost_is_found_and_never_sent_again(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    orders = stage.orders(rested.other)
    stage.faults(SEND[rested.other] | {"kind": "reset", "after": True, "times": 1})
    rested.fills()
    assert (orders + 1, 2) == (stage.orders(rested.other), len(rested.gained()))


def test_an_order_that_is_refused_as_it_would_take_is_tried_again_when_it_is_repriced_next(
    stage: Stage, lives: list[Life]
) -> None:
    rested = Rested(stage, lives[-1])
    code, words = WOULD_TAKE[rested.venue]
    stage.happen(rested.venue, "reject", code=code, words=words, orders=1)
    stage.distort(rested.moved())
    rested.on(60)
    rested.until(lambda: not rested.resting())
    rested.on(60)
    rested.until(rested.replaced)
    rested.fills()
    stage.distort()
    assert 2 == len(rested.gained())
    states = [row["state"] for row in stage.rows("select state from orders order by rowid desc limit 4")]
    assert ["rejected", "ended"] == states[2:]


@control(1, 2, soak=("bybit", "okx"))
@pytest.mark.parametrize("percent", [0, 40, 100])
def test_a_kill_with_an_order_at_rest_ends_hedged_or_flat_with_nothing_at_rest(
    stage: Stage, lives: list[Life], percent: int
) -> None:
    rested = Rested(stage, lives[-1])
    lives[-1].kill()
    assert_written_before_sent(stage.truth(), stage.var)
    assert 1 == len(rested.resting())
    if percent:
        rested.hit(percent)
    lives.append(stage.begin())
    rested.life = lives[-1]
    rested.ends()
    assert [] == rested.gained()
    assert [] == stage.rows("select * from executions where number is null")


def test_a_pause_ends_what_rests_for_an_entry_and_keeps_what_it_got(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    rested.hit(40)
    latch = latch_file(stage.settings)
    latch.pause("to look")
    rested.on(10)
    rested.ends()
    latch.lift(latch.read())
    assert 2 == len(rested.gained())


def test_an_entry_is_left_when_patience_ends(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    rested.on(600)
    rested.ends()
    assert [] == rested.gained()
    assert "the price did not trade through an order" in stage.events()


def close_all(stage: Stage, life: Life) -> None:
    """Have the bot close everything, so that there is room for entries."""
    latch = latch_file(stage.settings)
    latch.kill("to make room")
    stage.hour(life, stage.ticks())
    latch.lift(latch.read())
    check(stage)


@control(15, soak=("bybit", "okx"))
def test_a_stop_loss_does_not_wait_for_what_rests(stage: Stage, lives: list[Life]) -> None:
    if not stage.held():
        Rested(stage, lives[-1]).fills()
    rested = Rested(stage, lives[-1])
    (venue, symbol), quantity = next(iter(rested.before.items()))
    fell = {"kind": "price", "venue": venue, "symbol": symbol, "factor": 0.95 if quantity > 0 else 1.05}
    stage.distort(fell)
    rested.on(70)
    rested.until(lambda: (venue, symbol) not in stage.held())
    stage.distort()
    rested.ends()
    told = stage.rows("select proposal from executions order by id desc limit 1")
    assert STOP_LOSS == json.loads(told[0]["proposal"])["reason"]
    assert [] == rested.gained()


def test_who_asks_the_bot_to_end_does_not_wait_for_a_fill(stage: Stage, lives: list[Life]) -> None:
    rested = Rested(stage, lives[-1])
    rested.hit(40)
    lives[-1].send(signal.SIGTERM)
    assert 0 == lives[-1].end(PATIENCE_S)
    assert [] == rested.resting()
    check(stage)
    assert len(rested.gained()) in (0, 2)
    lives.append(stage.begin())
