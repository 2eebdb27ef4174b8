"""`bot kill` over real HTTP: whatever hangs, fails or lies, it ends flat by the venues' own word, or says that it did
not."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.fault_client import script_faults
from backtest.schema import schema_of
from bot.kill_journal import KillJournal
from bot.latch import HALT, LATCH, LatchFile, LatchState
from bot.ledger.store import Ledger
from bot.opened_ledger import ledger_path
from bot.run_folder import registry_of
from bot.venue_orders import Style, VenueOrder
from tests.fakes.account_ledger import begun, happen
from tests.fakes.rehearsal import LONG, SHORT, Rehearsal, rehearsed
from tests.fakes.venue_truth import rows
from tests.functional.commands import BOT, bot, eventually, soak
from tests.functional.warm import WarmPopen

LOST = (
    {"kind": "reset", "venue": "binance", "method": "POST", "request": "order", "after": True, "times": 1},
    {"kind": "status", "status": 503, "venue": "bybit", "method": "POST", "request": "order/create", "times": 1},
    {"kind": "reset", "venue": "okx", "method": "POST", "request": "trade/batch-orders", "after": True, "times": 1},
)
"""Orders that take effect, or do not, and nobody is told."""
VENUES = ("binance", "bybit", "hyperliquid", "okx")
HOLD = """\
import sys, time
from pathlib import Path
from bot.instance import single_instance
with single_instance(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One sandbox for all; each test leaves it flat."""
    with (
        pytest.MonkeyPatch.context() as patched,
        rehearsed(tmp_path_factory.mktemp("kill"), patched, speed=1.0, venues=VENUES) as one,
    ):
        yield one


@pytest.fixture
def hanging(rehearsal: Rehearsal) -> Iterator[subprocess.Popen]:
    """A bot that holds the folder and is stopped by SIGSTOP."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, rehearsal.var], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def killed(rehearsal: Rehearsal, *more: object) -> tuple[int, dict[str, Any]]:
    done = bot("kill", "--config", rehearsal.config, "--grace", 0.5, "--json", *more, timeout_s=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def enter(rehearsal: Rehearsal) -> None:
    rehearsal.trade(LONG, 40)
    rehearsal.trade(SHORT, -40)


def enter_everywhere(rehearsal: Rehearsal) -> dict[str, dict[str, float]]:
    """A pair more, on the other two venues; what has to be traded to be flat, by venue."""
    enter(rehearsal)
    rehearsal.trade(("bybit", "XRP/USDT:USDT"), 300)
    rehearsal.trade(("okx", "XRP/USDT:USDT"), -300)
    return {
        "binance": {LONG[1]: -40.0},
        "bybit": {"XRP/USDT:USDT": -300.0},
        "hyperliquid": {SHORT[1]: 40.0},
        "okx": {"XRP/USDT:USDT": 300.0},
    }


def test_a_stopped_bot_a_locked_ledger_and_resting_orders_end_flat(
    rehearsal: Rehearsal, hanging: subprocess.Popen
) -> None:
    expected = enter_everywhere(rehearsal)
    rest(rehearsal)
    with closing(sqlite3.connect(ledger_path(rehearsal.settings), isolation_level=None)) as ledger:
        ledger.execute("CREATE TABLE IF NOT EXISTS held (x)")
        ledger.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        code, told = killed(rehearsal)
        took = time.monotonic() - began
    assert (0, {}, 0) == (code, rehearsal.held(), rehearsal.resting())
    assert told["complete"]
    assert f"the bot (process {hanging.pid}) was ended by SIGKILL" == told["bot"]
    assert -signal.SIGKILL == hanging.wait(5)
    assert expected == {one["venue"]: one["closed"] for one in told["venues"]}
    assert LatchState.KILLED is LatchFile(rehearsal.var / LATCH).read().state
    assert took < 30


def rest(rehearsal: Rehearsal) -> None:
    async def place(access: Any) -> Any:
        instrument = next(one for one in access.instruments if one.symbol == LONG[1])
        bid = (await access.book(LONG[1])).bids[0][0]
        limit = round(bid * 0.97, 2)
        return await access.account.place(VenueOrder("resting1", instrument, 10.0, limit, Style.MAKE))

    report = rehearsal.at("binance", place)
    assert "open" == report.state, report


def test_lost_answers_and_partial_fills_end_flat_and_are_in_the_journal(rehearsal: Rehearsal) -> None:
    enter_everywhere(rehearsal)
    asyncio.run(script_faults(rehearsal.url, *LOST))
    rehearsal.happen("binance", "partial", percent=30, orders=2)
    rehearsal.happen("hyperliquid", "reject", code="-1", words="Price too far from oracle", orders=1)
    before = len(list(KillJournal(rehearsal.var / "kill-journal.jsonl").lines()))
    code, told = killed(rehearsal)
    assert (0, {}) == (code, rehearsal.held())
    lines = list(KillJournal(rehearsal.var / "kill-journal.jsonl").lines())[before:]
    assert 3 == sum(line["event"] == "order" and line["venue"] == "binance" for line in lines)
    sent = {line["client_id"] for line in lines if line["event"] == "order"}
    assert all(name.startswith(told["kill"]) for name in sent)
    venue_orders = {order["ticket"]["client_id"] for order in rehearsal.truth()["binance"]["orders"]}
    assert {
        line["client_id"] for line in lines if line["event"] == "order" and line["venue"] == "binance"
    } <= venue_orders


def test_a_venue_that_cannot_be_asked_is_not_called_flat_and_the_other_one_is_closed(rehearsal: Rehearsal) -> None:
    enter(rehearsal)
    os.environ["HYPERLIQUID_PRIVATE_KEY"], kept = "", os.environ["HYPERLIQUID_PRIVATE_KEY"]
    try:
        code, told = killed(rehearsal, "--deadline", 5)
    finally:
        os.environ["HYPERLIQUID_PRIVATE_KEY"] = kept
    assert (3, {SHORT: -40.0}) == (code, rehearsal.held())
    assert [True, True, False, True] == [one["flat"] for one in told["venues"]]
    assert "HYPERLIQUID_PRIVATE_KEY" in told["venues"][2]["trouble"]
    again = bot("kill", "--config", rehearsal.config, timeout_s=60)
    assert (0, {}) == (again.returncode, rehearsal.held()), again.stderr
    assert "no bot was running" in again.stdout
    assert "flat, as every venue says" in again.stdout


def test_on_paper_the_latch_is_set_and_nothing_else_is_done(tmp_path: Path) -> None:
    done = bot("kill", "--var", tmp_path, timeout_s=60)
    assert (0, LatchState.KILLED) == (done.returncode, LatchFile(tmp_path / LATCH).read().state)
    assert "no position on paper is open" in done.stdout


@pytest.mark.parametrize(
    ("state", "code", "says"),
    [("running", 3, "are closed at the next start of the bot: 1"), ("finished", 0, "no position on paper is open")],
)
def test_what_is_open_on_paper_waits_for_a_run_that_goes_on(tmp_path: Path, state: str, code: int, says: str) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        happen(ledger, begun(ledger, state=state), 0, [])
    done = bot("kill", "--var", tmp_path, timeout_s=60)
    assert (code, True) == (done.returncode, says in done.stdout), done.stdout


@soak
def test_a_bot_that_hangs_while_it_trades_is_killed_and_its_next_start_books_what_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rehearsed(tmp_path, monkeypatch, speed=0.0) as trading:
        registry = registry_of(trading.settings)
        chance = registry.register_plain("random", schema_of(trading.settings.environment))
        registry.promote(chance.name, None, "to trade often")
        process = live(trading)
        eventually(lambda: process.poll() is not None or len(trading.held()) >= 2, timeout_s=120, process=process)
        process.send_signal(signal.SIGSTOP)
        code, told = killed(trading)
        assert (0, {}) == (code, trading.held())
        assert "was ended by SIGKILL" in told["bot"]
        process.communicate()
        again = live(trading, "--hours", 2)
        _, said = again.communicate(timeout=120)
        assert 0 == again.returncode, said
        assert ({}, {}) == (trading.held(), by_the_ledger(trading.var))
        assert "killed" in {row["reason"] for row in rows(trading.var, "select reason from trades")}
        assert LatchState.KILLED is LatchFile(trading.var / LATCH).read().state
        assert LatchState.NONE is LatchFile(trading.var / HALT).read().state


def by_the_ledger(var: Path) -> dict[tuple[str, str], Decimal]:
    """Positions by all trades that are booked."""
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows(var, "select venue, symbol, quantity from venue_fills"):
        held[row["venue"], row["symbol"]] += Decimal(row["quantity"])
    return {key: quantity for key, quantity in held.items() if quantity}


def live(rehearsal: Rehearsal, *more: object) -> subprocess.Popen[str]:
    """`bot run --live`, with the phrase typed."""
    process = WarmPopen(
        [BOT, "run", "--live", "--config", rehearsal.config, *map(str, more)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("rehearse live trading\n")
    process.stdin.flush()
    return process
