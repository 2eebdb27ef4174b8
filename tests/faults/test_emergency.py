"""The kill switch on a bot that hangs, the venues' own switch, a ledger that takes nothing, a disk that is full."""

import asyncio
import json
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from bot.access import open_access
from bot.latch import LATCH, LatchFile, LatchState
from bot.venue_orders import Style, VenueOrder
from tests.fakes.live_accounts import keys
from tests.faults.controls import control
from tests.faults.disks import small_disk
from tests.faults.harness import PATIENCE_S, Stage, staged
from tests.faults.oracle import assert_written_before_sent, check
from tests.faults.test_watch import hedged
from tests.functional.commands import eventually, soak


@control(13)
def test_a_bot_that_hangs_with_its_ledger_locked_is_killed_flat_and_stays_latched(tmp_path: Path) -> None:
    with hedged(tmp_path, 2) as (stage, life):
        life.send(signal.SIGSTOP)
        with closing(sqlite3.connect(stage.var / "ledger.sqlite", isolation_level=None)) as ledger:
            ledger.execute("BEGIN EXCLUSIVE")
            killing = stage.command("kill", "--grace", 0.5, "--json")
            assert 0 == killing.end(PATIENCE_S), killing.output
        assert ({}, False) == (stage.held(), life.alive)
        told = json.loads(killing.output[killing.output.index("{") :])
        assert told["complete"]
        assert LatchState.KILLED is LatchFile(stage.var / LATCH).read().state
        again = stage.begin()
        stage.hour(again, 2)
        stage.hour(again, 3)
        assert {} == stage.held()
        check(stage)
        assert {"killed"} == {row["reason"] for row in stage.rows("select reason from trades")}
        assert 0 == stage.command("resume", "--yes").end(PATIENCE_S)
        stage.hour(again, 4)
        assert 2 == len(stage.held())
        check(stage)
        again.kill()


@control(14)
@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
def test_orders_that_rest_when_the_bot_hangs_are_cancelled_by_the_venue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    for name, value in keys().items():
        monkeypatch.setenv(name, value)
    with staged(tmp_path, by_hand=True, sandbox={"accounts": {"balance": 100_000.0}}) as stage:
        for quantity in (7, -7):  # Hyperliquid has this switch for who has traded a million
            stage.happen("hyperliquid", "trade", symbol="BTC/USDC:USDC", quantity=str(quantity), price="90000")
        stage.advance_to(1.0)
        life = stage.begin()
        stage.hour(life, 1)
        before = stage.held()
        life.send(signal.SIGSTOP)
        assert "open" == asyncio.run(rest(stage, venue))
        assert 1 == resting(stage)
        stage.minutes(1.5)
        assert 1 == resting(stage)
        stage.minutes(2.5)
        assert (0, before) == (resting(stage), stage.held())
        assert 2 == len(before)
        life.kill()


async def rest(stage: Stage, venue: str) -> str:
    """Leave an order at a venue, as somebody who hangs afterwards."""
    async with open_access(venue, stage.settings) as access:
        one = next(one for one in access.instruments if one.symbol.startswith("INJ/"))
        bid = (await access.book(one.symbol)).bids[0][0]
        order = VenueOrder("resting1", one, 10.0, round(0.97 * bid, 2), Style.MAKE)
        return (await access.account.place(order)).state.value


def resting(stage: Stage) -> int:
    """How many orders rest."""
    live = ("open", "partly_filled", "waiting")
    return sum(order["status"] in live for account in stage.truth().values() for order in account["orders"])


@soak
@control(20)
def test_a_ledger_that_takes_nothing_has_no_order_sent(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        before, orders = stage.held(), stage.orders("binance")
        with closing(sqlite3.connect(stage.var / "ledger.sqlite", isolation_level=None)) as ledger:
            ledger.execute("BEGIN EXCLUSIVE")
            stage.advance_to(1.02)
            time.sleep(15)
        assert orders == stage.orders("binance")
        if not life.alive:
            life = stage.begin()
        stage.caught_up(life)
        check(stage)
        assert before.items() <= stage.held().items()
        life.kill()


@control(20)
def test_exits_go_on_while_the_ledger_takes_nothing_and_are_booked_afterwards(tmp_path: Path) -> None:
    with hedged(tmp_path) as (stage, life):
        with closing(sqlite3.connect(stage.var / "ledger.sqlite", isolation_level=None)) as ledger:
            ledger.execute("BEGIN EXCLUSIVE")
            LatchFile(stage.var / LATCH).kill("to have it exit")
            stage.minutes(1.1)
            eventually(lambda: stage.held() == {} or not life.alive, PATIENCE_S)
            assert {} == stage.held(), life.output
            assert_written_before_sent(stage.truth(), stage.var)
        life.kill()
        again = stage.begin()
        stage.hour(again, 1)
        check(stage)
        assert {} == stage.held()
        again.kill()


@control(20)
@pytest.mark.parametrize("mount", [True, pytest.param(False, marks=soak)])
def test_on_a_full_disk_nothing_is_entered_and_exits_are_booked_once_there_is_room(tmp_path: Path, mount: bool) -> None:
    with small_disk(tmp_path / "var", mount=mount) as disk, hedged(tmp_path) as (stage, life):
        before, orders = stage.held(), stage.orders("binance")
        disk.fill(life.pid)
        stage.advance_to(1.02)
        life.until(lambda: "again in" in stage.log() + life.output, PATIENCE_S)
        assert (orders, before) == (stage.orders("binance"), stage.held())
        disk.free()
        stage.caught_up(life)
        check(stage)
        held = stage.held()
        LatchFile(stage.var / LATCH).kill("to have it exit")
        disk.fill(life.pid)
        stage.minutes(1.1)
        eventually(lambda: stage.held() == {} or not life.alive, PATIENCE_S)
        assert ({}, True) == (stage.held(), bool(held)), life.output
        assert_written_before_sent(stage.truth(), stage.var)
        disk.free()
        life.kill()
        again = stage.begin()
        stage.hour(again, 2)
        check(stage)
        again.kill()
