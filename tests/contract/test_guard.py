"""The minute guard over real HTTP: what a venue takes is booked and the other leg follows, what nobody can explain
halts entries, and a venue that does not answer is never taken for empty."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.account_client import true_accounts
from backtest.sandbox.fault_client import clear_faults, script_faults
from bot.access import open_access
from bot.alerts import LOG
from bot.bans import BANS, BanList
from bot.execution.account import VenueAccount
from bot.execution.flatten import Flattening
from bot.guard import Guard
from bot.kill_journal import JOURNAL, KillJournal
from bot.latch import LATCH, LatchFile
from bot.run_folder import halt_file, latch_file
from bot.venue_orders import Style, VenueOrder
from data.types import HOUR_MS
from tests.contract.guarded import Stage, staged
from tests.fakes.live_accounts import keys


@pytest.fixture(autouse=True)
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keys().items():
        monkeypatch.setenv(name, value)


async def assert_the_books_are_the_venues(stage: Stage) -> None:
    """Positions to the lot, and cash to a millionth: each venue began with 10,000 and the books with 5,000 there."""
    assert pytest.approx(stage.legs) == await stage.held()
    truth = await true_accounts(stage.url)
    there = {venue: float(account["cash"]) - 10_000.0 for venue, account in truth.items()}
    here = dict(zip(sorted(there), (stage.trader.books.cash - 5_000.0).tolist(), strict=True))
    assert pytest.approx(there, abs=1e-6) == here


def test_an_account_that_is_as_the_books_say_is_left_alone(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        before = stage.legs
        await stage.guard.minute()
        assert (before, "") == (stage.legs, stage.halted)
        await stage.hour()
        await stage.guard.minute()
        assert (before, "") == (stage.legs, stage.halted)
        await assert_the_books_are_the_venues(stage)

    staged(tmp_path, script)


@pytest.mark.parametrize("event", [("deleverage", 100), ("liquidate", None)])
def test_a_leg_that_the_venue_took_is_booked_and_the_other_leg_follows(
    tmp_path: Path, event: tuple[str, int | None]
) -> None:
    async def script(stage: Stage) -> None:
        pair = list(stage.legs)
        (venue, symbol), kind, percent = pair[0], *event
        more: dict[str, Any] = {} if percent is None else {"symbol": symbol, "percent": percent}
        await stage.happen(venue, kind, **more)
        await stage.guard.minute()
        assert {} == stage.legs
        assert "a leg is gone" in stage.halted
        assert BanList(stage.settings.var / BANS).bans(pair, stage.tick + HOUR_MS)
        await assert_the_books_are_the_venues(stage)
        (trade,) = await stage.hour()
        assert "lost" == trade.reason
        await stage.guard.minute()
        await assert_the_books_are_the_venues(stage)

    staged(tmp_path, script)


def test_of_a_leg_that_shrank_the_other_one_keeps_as_much(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        before = stage.legs
        (venue, symbol) = next(iter(before))
        await stage.happen(venue, "deleverage", symbol=symbol, percent=40)
        await stage.guard.minute()
        long, short = (abs(quantity) for quantity in stage.legs.values())
        assert pytest.approx(long) == short
        assert 0.55 < long / abs(before[venue, symbol]) < 0.65
        assert "a leg is smaller" in stage.halted
        await assert_the_books_are_the_venues(stage)
        assert [] == await stage.hour()
        await stage.guard.minute()
        await assert_the_books_are_the_venues(stage)

    staged(tmp_path, script)


def test_a_position_that_nobody_knows_halts_entries_and_is_left_alone(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        before = stage.legs
        await stage.happen("binance", "trade", symbol="DOGE/USDT:USDT", quantity="100")
        await stage.guard.minute()
        assert before == stage.legs
        assert "binance DOGE/USDT:USDT +100: a position that the books do not have" in stage.halted
        assert 3 == len(await stage.held())

    staged(tmp_path, script)


def test_an_order_that_is_not_ours_halts_entries(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        async with open_access("binance", stage.settings) as access:
            one = next(one for one in access.instruments if one.symbol == "INJ/USDT:USDT")
            bid = (await access.book(one.symbol)).bids[0][0]
            order = VenueOrder("stranger", one, 10.0, round(0.97 * bid, 2), Style.MAKE)
            assert "open" == (await access.account.place(order)).state
        await stage.guard.minute()
        assert "INJ/USDT:USDT (stranger): an order rests there that the bot did not leave" in stage.halted

    staged(tmp_path, script)


def test_a_venue_that_cannot_be_asked_changes_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(stage: Stage) -> None:
        before = stage.legs
        await stage.happen("hyperliquid", "liquidate")
        await script_faults(stage.url, {"kind": "status", "venue": "hyperliquid", "status": 503})
        LOG.addHandler(caplog.handler)
        await stage.guard.minute()
        LOG.removeHandler(caplog.handler)
        assert (before, "") == (stage.legs, stage.halted)
        assert "hyperliquid cannot be reached" in caplog.text
        await clear_faults(stage.url)
        await stage.guard.minute()
        assert {} == stage.legs
        await assert_the_books_are_the_venues(stage)

    staged(tmp_path, script)


def test_both_legs_are_reduced_before_a_liquidation(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        before = stage.legs
        for venue in ("binance", "hyperliquid"):
            await stage.happen(venue, "transfer", amount="-9000")
        await stage.guard.minute()
        after = stage.legs
        assert all(0.4 < abs(after[key] / before[key]) < 0.6 for key in before)
        assert pytest.approx(0.0) == sum(after.values())
        assert pytest.approx(after) == await stage.held()
        assert [] == await stage.hour()

    staged(tmp_path, script, guard={"confirm_s": 0.01, "min_liquidation_distance_pct": 60.0})


def test_a_stop_loss_does_not_wait_for_the_hour(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        await stage.guard.minute()
        assert {} == stage.legs
        await assert_the_books_are_the_venues(stage)
        assert ["stop_loss"] == [trade.reason for trade in await stage.hour()]

    environment = {"rebalance_below": 0.0, "max_position_loss_pct": 0.01}
    staged(tmp_path, script, environment=environment)


def test_a_kill_while_the_bot_runs_on_closes_everything_through_the_bot(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        LatchFile(stage.settings.var / LATCH).kill("by hand")
        await stage.guard.minute()
        assert ({}, "") == (stage.legs, stage.halted)
        await assert_the_books_are_the_venues(stage)
        assert ["killed"] == [trade.reason for trade in await stage.hour()]

    staged(tmp_path, script)


def test_what_the_kill_switch_closed_of_a_pair_is_booked_at_the_next_start_and_the_rest_follows(tmp_path: Path) -> None:
    async def kill(stage: Stage) -> None:
        LatchFile(stage.settings.var / LATCH).kill("by hand")
        async with open_access("hyperliquid", stage.settings) as access:
            listed = {one.symbol: one for one in access.instruments}
            write = KillJournal(stage.settings.var / JOURNAL).write
            assert (await Flattening(access.account, listed, access.book, write, "kill1x").run(20.0)).flat

    async def resume(stage: Stage) -> None:
        assert 2 == len(stage.legs)
        await stage.guard.minute()
        assert ({}, "") == (stage.legs, stage.halted)
        await assert_the_books_are_the_venues(stage)
        assert ["killed"] == [trade.reason for trade in await stage.hour()]
        await stage.guard.minute()
        assert "" == stage.halted

    async def again(stage: Stage) -> None:
        await stage.guard.minute()
        assert ({}, "") == (stage.legs, stage.halted)
        await assert_the_books_are_the_venues(stage)

    staged(tmp_path, kill, resume, again)


class Lying:
    """An account whose venue answers that nothing is held."""

    def __init__(self, account: VenueAccount) -> None:
        self._account = account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._account, name)

    async def positions(self) -> dict[str, Any]:
        return {}


def test_an_empty_answer_that_no_trade_explains_halts_entries_and_closes_nothing(tmp_path: Path) -> None:
    async def script(stage: Stage) -> None:
        before, watched = stage.legs, stage.guard.watched
        accounts = {**watched.accounts, "hyperliquid": Lying(watched.accounts["hyperliquid"])}
        halt, bans = halt_file(stage.settings), BanList(stage.settings.var / BANS)
        liar = Guard(replace(watched, accounts=accounts), stage.settings.guard, latch_file(stage.settings), halt, bans)
        for _ in range(3):
            await liar.minute()
        assert "a leg is gone" in stage.halted
        assert before == stage.legs
        assert pytest.approx(before) == await stage.held()

    staged(tmp_path, script)
