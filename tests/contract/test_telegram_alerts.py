"""News of a real ledger, told over HTTP: nothing lost, nothing twice over a restart, and not too much of the same."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.alerts import Kind
from bot.instance import single_instance
from bot.latch import HALT, LATCH, LatchFile
from bot.ledger.feed import LedgerFeed
from bot.ledger.models import Run
from bot.ledger.store import Ledger
from bot.log_feed import LogFeed
from bot.run_folder import ledger_path
from bot.settings import Settings
from bot.telegram.alerts import Alerts
from bot.telegram.api import bot_api
from bot.telegram.outbox import Outbox
from bot.telegram.token import Token
from bot.telegram.told import Told
from tests.fakes.account_ledger import begun, happen
from tests.fakes.bot_api import TOKEN, BotApiServer, Fault, bot_api_server

ANN = 11


@dataclass
class Stage:
    """A ledger that a trader writes, and a chat that is told of it."""

    server: BotApiServer
    settings: Settings
    ledger: Ledger
    run: Run
    hours: int = 0

    def happen(self, *events: tuple[Kind, str]) -> None:
        """At the trader's next hour."""
        self.hours += 1
        happen(self.ledger, self.run, self.hours, events)

    def look(self, times: int = 1, **changes: Any) -> list[tuple[str, bool]]:
        """What a process that is started now tells in so many looks: (text, silent)."""
        before = len(self.server.sent)
        asyncio.run(asyncio.wait_for(self._look(times, changes), 60))
        return [(one.text, one.silent) for one in self.server.sent[before:]]

    async def _look(self, times: int, changes: Mapping[str, Any]) -> None:
        async with self.alerts(changes) as alerts:
            for _ in range(times):
                await alerts.look()

    @asynccontextmanager
    async def alerts(self, changes: Mapping[str, Any]) -> AsyncIterator[Alerts]:
        told = self.settings.telegram.model_dump() | dict(changes)
        settings = Settings.model_validate(self.settings.model_dump() | {"telegram": told})
        async with bot_api(self.server.url, Token(TOKEN)) as api:
            outbox = Outbox(api, settings.telegram.queue, first_wait_s=0.01)
            sending = asyncio.create_task(outbox.run())
            feed, logs = LedgerFeed.file(ledger_path(settings)), LogFeed(settings.var / "logs")
            yield Alerts(settings, ANN, feed, logs, Told(settings.var / "told.json"), outbox)
            sending.cancel()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with bot_api_server(ann=ANN) as server:
        settings = Settings.model_validate({"var": tmp_path / "a b é", "telegram": {"enabled": True, "chats": [ANN]}})
        with closing(Ledger(ledger_path(settings))) as ledger:
            one = Stage(server, settings, ledger, begun(ledger))
            one.happen((Kind.ENTERED, "before anybody listened"))
            assert [] == one.look(), "a chat that is new hears what happens from now on"
            yield one


def test_loud_and_silent_events_are_told_apart_and_those_that_are_off_are_not(stage: Stage) -> None:
    stage.happen(
        (Kind.ENTERED, "entered <INJ> & co"), (Kind.LIQUIDATED, "binance took a leg"), (Kind.DENIED, "too large")
    )
    loud, silent = stage.look()
    assert ("🔴 01-06 02:00 binance took a leg", False) == loud
    assert ("▶️ 01-06 02:00 entered <INJ> & co", True) == silent
    assert [] == stage.look()


def test_a_restart_tells_nothing_twice_and_leaves_nothing_out(stage: Stage) -> None:
    stage.happen((Kind.ENTERED, "one"))
    told = stage.look()
    stage.happen((Kind.EXITED, "two"))
    stage.happen((Kind.ENTERED, "three"))
    told += stage.look()
    told += stage.look()
    assert ["▶️ 01-06 02:00 one", "⏹ 01-06 03:00 two\n▶️ 01-06 04:00 three"] == [text for text, _ in told]


def test_what_was_not_delivered_is_told_after_a_restart(stage: Stage) -> None:
    stage.happen((Kind.LIQUIDATED, "a leg is gone"))
    stage.server.fail(Fault("outage", times=10_000))

    async def cut() -> None:
        async with stage.alerts({}) as alerts:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(alerts.look(), 0.3)

    asyncio.run(cut())
    stage.server.faults.clear()
    assert [("🔴 01-06 02:00 a leg is gone", False)] == stage.look()


def test_much_at_once_is_one_message(stage: Stage) -> None:
    stage.happen(*[(Kind.TROUBLE, f"trouble {number}") for number in range(236)], *[(Kind.TROUBLE, "again")] * 12)
    ((text, silent),) = stage.look()
    lines = text.split("\n")
    assert (13, "⚠️ 01-06 02:00 trouble 0", "… and 236 more: 236 trouble", False) == (
        len(lines), lines[0], lines[-1], silent,
    )  # fmt: skip


def test_trouble_that_comes_again_waits_and_comes_with_its_count(stage: Stage) -> None:
    async def play() -> None:
        async with stage.alerts({"repeat_minutes": 0.02}) as alerts:
            stage.happen((Kind.TROUBLE, "binance does not answer"))
            await alerts.look()
            for _ in range(3):
                stage.happen((Kind.TROUBLE, "binance does not answer"), (Kind.ENTERED, "INJ"))
                await alerts.look()
            await asyncio.sleep(1.3)
            await alerts.look()

    before = len(stage.server.sent)
    asyncio.run(asyncio.wait_for(play(), 60))
    told = [one.text for one in stage.server.sent[before:]]
    assert 5 == len(told)
    assert "⚠️ 01-06 02:00 binance does not answer" == told[0]
    assert ["▶️ 01-06 03:00 INJ", "▶️ 01-06 04:00 INJ", "▶️ 01-06 05:00 INJ"] == told[1:4]
    assert "⚠️ 01-06 03:00 binance does not answer ×3" == told[4]


def test_trouble_that_waited_when_the_process_ended_is_told_by_the_next_one(stage: Stage) -> None:
    stage.happen((Kind.TROUBLE, "first"))

    async def play() -> None:
        async with stage.alerts({}) as alerts:
            await alerts.look()
            stage.happen((Kind.TROUBLE, "second"), (Kind.ENTERED, "INJ"))
            await alerts.look()

    asyncio.run(asyncio.wait_for(play(), 60))
    assert [("⚠️ 01-06 03:00 second", False)] == stage.look()


def warn(stage: Stage, text: str, kind: str = "bot", level: str = "warning") -> None:
    """As a process of the bot logs it."""
    told = {"time": "2026-01-06T02:00:00.000+00:00", "level": level, "kind": kind, "market_ms": None, "text": text}
    path = stage.settings.var / "logs" / "bot.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(told) + "\n")


def test_a_venue_that_is_away_is_told_of_though_no_hour_is_complete_and_counted(stage: Stage) -> None:
    async def play() -> None:
        async with stage.alerts({"repeat_minutes": 0.01}) as alerts:
            warn(stage, "all is well", level="info")
            warn(stage, "Telegram could not be asked", kind="bot.telegram")
            warn(stage, "binance does not answer; asking again in 30 s")
            for _ in range(2):
                await alerts.look()
                warn(stage, "binance does not answer; asking again in 30 s")
            await asyncio.sleep(0.7)
            await alerts.look()

    asyncio.run(asyncio.wait_for(play(), 60))
    line = "⚠️ 01-06 02:00 binance does not answer; asking again in 30 s"
    assert [line, f"{line} ×2"] == stage.server.told(ANN)


def test_what_the_guard_logs_at_once_is_not_told_again_when_the_ledger_has_it(stage: Stage) -> None:
    warn(stage, "a leg is 7 % from its liquidation: reducing", kind="trouble")
    ((first, _),) = stage.look()
    assert "7 % from its liquidation" in first
    stage.happen((Kind.TROUBLE, "a leg is 7 % from its liquidation: reducing"), (Kind.TROUBLE, "something else"))
    assert [("⚠️ 01-06 02:00 something else", False)] == stage.look()
    assert [] == stage.look()
    stage.happen((Kind.TROUBLE, "a leg is 7 % from its liquidation: reducing"))
    assert 1 == len(stage.look()), "what the ledger tells anew is new"


def test_latches_are_told_without_a_trader(stage: Stage) -> None:
    assert [] == stage.look()
    LatchFile(stage.settings.var / LATCH).kill("<by hand>")
    ((killed, silent),) = stage.look(times=2)
    assert ("⛔️ killed since", ": <by hand>", False) == (killed[:15], killed[-11:], silent)
    LatchFile(stage.settings.var / HALT).pause("venues and books differ")
    ((halted, _),) = stage.look()
    assert "venues and books differ" in halted
    (stage.settings.var / LATCH).unlink()
    assert [("▶️ kill.json is lifted", False)] == stage.look()


def test_a_trader_that_comes_and_goes_is_told(stage: Stage) -> None:
    with single_instance(stage.settings.var):
        assert [("🟢 a trader runs", True)] == stage.look()
    assert [("🔴 no trader runs any more", False)] == stage.look()
    with single_instance(stage.settings.var):
        stage.look()
    stage.ledger.finish(stage.run.id)
    assert [("⚪️ no trader runs any more: the run reached its bound", True)] == stage.look()


def test_a_ledger_that_is_begun_anew_is_told_from_its_beginning(stage: Stage) -> None:
    for _ in range(3):
        stage.happen((Kind.ENTERED, "old"))
    stage.look()
    stage.ledger.close()
    for path in stage.settings.var.glob("ledger.sqlite*"):
        path.unlink()
    stage.ledger = Ledger(ledger_path(stage.settings))
    stage.run = begun(stage.ledger)
    stage.happen((Kind.ENTERED, "new"))
    assert 1 == sum("new" in text for text, _ in stage.look())
    stage.ledger.close()


def test_a_damaged_memory_begins_with_what_happens_from_now_on(stage: Stage) -> None:
    stage.happen((Kind.ENTERED, "one"))
    (stage.settings.var / "told.json").write_text("{")
    assert [] == stage.look()
    stage.happen((Kind.ENTERED, "two"))
    assert ["▶️ 01-06 03:00 two"] == [text for text, _ in stage.look()]


def test_a_trader_can_write_while_its_ledger_is_read_and_a_held_one_is_read_nevertheless(stage: Stage) -> None:
    with closing(sqlite3.connect(ledger_path(stage.settings), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert 1 == LedgerFeed.file(ledger_path(stage.settings)).newest()
        with closing(Ledger(ledger_path(stage.settings), read_only=True)) as reader:
            latest = reader.latest()
    assert latest is not None
    with (
        pytest.raises(Exception, match="readonly"),
        closing(Ledger(ledger_path(stage.settings), read_only=True)) as one,
    ):
        one.finish(latest.id)
