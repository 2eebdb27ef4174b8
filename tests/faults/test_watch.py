"""Between the hours: what venues take, what nobody can explain, venues that do not answer, prices that move far."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.bans import BANS, BanList
from bot.latch import LatchState
from bot.run_folder import halt_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.lives import Life
from tests.faults.market import BEGIN_MS
from tests.faults.oracle import check
from tests.functional.commands import soak

LONG, SHORT = ("binance", "BTC/USDT:USDT"), ("hyperliquid", "BTC/USDC:USDC")


@contextmanager
def hedged(folder: Path, hours: int = 1, **changes: Any) -> Iterator[tuple[Stage, Life]]:
    """A bot that has entered as many pairs as hours."""
    with staged(folder, by_hand=True, **changes) as stage:
        life = stage.begin()
        for hour in range(hours):
            stage.hour(life, hour)
        assert 2 * hours == len(stage.held())
        yield stage, life
        life.kill()


EXPLAINED = ("a leg is smaller than in the books", "a trade that the ledger does not have")
"""What the guard says of a leg that was reduced: by its position, or by the trade alone where that happened between its
first look at positions and that at trades."""


def halted(stage: Stage) -> str:
    latch = halt_file(stage.settings).read()
    return latch.reason if latch.state is LatchState.PAUSED else ""


def rounds(stage: Stage, life: Life, count: int = 1) -> None:
    """So many rounds of the guard."""
    for _ in range(count):
        time.sleep(0.2)  # the round before has ended
        looked = stage.asked("binance")["fapi/v1/openOrders"]
        stage.minutes(1.1)
        life.until(lambda looked=looked: stage.asked("binance")["fapi/v1/openOrders"] > looked, PATIENCE_S)


@control(17)
def test_what_a_venue_takes_of_a_leg_the_other_one_follows_and_the_pair_is_banned(tmp_path: Path) -> None:
    with hedged(tmp_path, 2) as (stage, life):
        before = stage.held()
        stage.happen("binance", "deleverage", symbol=LONG[1], percent=40)
        stage.minutes(1.1)
        life.until(lambda: abs(stage.held()[SHORT]) < abs(before[SHORT]), PATIENCE_S)
        left = stage.held()
        assert 0.55 < left[LONG] / before[LONG] < 0.65
        assert any(words in halted(stage) for words in EXPLAINED)
        stage.happen("hyperliquid", "liquidate")
        stage.minutes(1.1)
        life.until(lambda: stage.held() == {}, PATIENCE_S)
        stage.hour(life, 2)
        check(stage)
        assert {"lost"} == {row["reason"] for row in stage.rows("select reason from trades")}
        assert BanList(stage.var / BANS).bans([LONG, SHORT], BEGIN_MS + 3 * 3_600_000)
        assert "traded by others" in stage.events()


@control(17)
def test_of_a_pair_whose_contract_is_delisted_the_other_leg_is_closed_and_a_restart_goes_on(tmp_path: Path) -> None:
    with hedged(tmp_path, 2, ends={("binance", "BTC"): 2}) as (stage, life):
        stage.advance_to(2.005)
        life.until(lambda: SHORT not in stage.held(), PATIENCE_S)
        stage.hour(life, 2)
        assert {"ETH"} == {symbol.split("/")[0] for _, symbol in stage.held()}
        assert {"lost"} == {row["reason"] for row in stage.rows("select reason from trades")}
        check(stage)
        assert 0 == stage.command("resume", "--yes").end(PATIENCE_S)
        life.kill()
        again = stage.begin()
        stage.hour(again, 3)
        assert 4 == len(stage.held())
        check(stage)
        again.kill()


@control(12, 17)
def test_a_venue_that_does_not_answer_changes_nothing_about_what_is_held(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before = stage.held()
        stage.faults({"kind": "down", "venue": "hyperliquid"})
        for _ in range(3):
            stage.minutes(10)
            time.sleep(1.0)
        stage.advance_to(1.05)
        life.until(lambda: "hyperliquid cannot be reached" in stage.log(), PATIENCE_S)
        assert (before, "") == (stage.held(), halted(stage))
        stage.faults()
        life.until(lambda: stage.ticks() > 1, 2 * PATIENCE_S)
        assert 4 == len(stage.held())
        check(stage)


@control(19)
def test_what_nobody_can_explain_halts_entries_and_is_left_alone(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before = stage.held()
        stage.happen("binance", "trade", symbol="SOL/USDT:USDT", quantity="1")
        stage.minutes(1.1)
        life.until(lambda: halted(stage), PATIENCE_S)
        assert "binance SOL/USDT:USDT +1: a position that the books do not have" in halted(stage)
        stage.hour(life, 1)
        extra = {("binance", "SOL/USDT:USDT"): 1.0}
        assert before | extra == stage.held()
        assert "denied: entries are paused" in stage.events()
        check(stage, allowed={"SOL": 1.0})
        life.kill()
        again = stage.begin()
        stage.hour(again, 2)
        assert before | extra == stage.held()  # a restart guesses as little
        stage.happen("binance", "trade", symbol="SOL/USDT:USDT", quantity="-1")
        assert 0 == stage.command("resume", "--yes").end(PATIENCE_S)
        stage.hour(again, 3)
        assert 4 == len(stage.held())
        again.kill()


@control(16)
def test_both_legs_are_reduced_before_one_is_liquidated(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before = stage.held()
        stage.happen("hyperliquid", "transfer", amount="-4400")
        rounds(stage, life)
        assert before == stage.held()
        stage.distort({"kind": "price", "factor": 1.25})
        stage.minutes(1.1)
        life.until(lambda: all(abs(stage.held()[key]) < abs(before[key]) for key in before), PATIENCE_S)
        rounds(stage, life)
        assert all(0.4 < stage.held()[key] / before[key] < 0.6 for key in before)
        check(stage)
        assert "from its liquidation: reducing" in stage.log()
        assert {"api"} == {order["origin"] for one in stage.truth().values() for order in one["orders"]}


@soak
@control(16)
def test_legs_of_a_venue_that_would_lose_together_are_reduced_although_each_alone_is_far_away(tmp_path: Path) -> None:
    with hedged(tmp_path, 3, guard={"min_liquidation_distance_pct": 10.0}) as (stage, life):
        before = stage.held()
        rounds(stage, life)
        assert before == stage.held()
        stage.happen("hyperliquid", "transfer", amount="-4300")  # each alone is 26 % away, all together 8.6 %
        rounds(stage, life, 2)
        life.until(lambda: all(0.4 < stage.held()[key] / before[key] < 0.6 for key in before), PATIENCE_S)
        rounds(stage, life)
        assert all(0.4 < stage.held()[key] / before[key] < 0.6 for key in before)
        assert "with all of hyperliquid 8." in stage.log()
