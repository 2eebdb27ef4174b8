"""A live account that holds a pair in front of an in-process sandbox, and its guard: for tests of the minute guard."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.server import listening
from backtest.sandbox.world import World, fingerprint
from backtest.schema import schema_of
from bot.assembly import assemble
from bot.guard import Guard
from bot.identity import Bounds
from bot.latch import LatchState
from bot.ledger.store import Ledger, instruments_from_json
from bot.opened_ledger import ledger_path
from bot.run_folder import halt_file, registry_of
from bot.settings import Settings
from bot.trader import Trader
from bot.worlds import open_world
from data.clock import Clock
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from tests.fakes.scripted_policy import Scripted

DELAY_MS = 60_000
START_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
NOW_MS = START_MS + 250 * HOUR_MS
HOURS = 300
LISTED = (("BTC", 90_000.0, 0.001), ("INJ", 20.0, 1.0), ("DOGE", 0.3, 10.0))


def calm_world(folder: Path) -> World:
    """Three coins whose prices hardly move, and whose funding is worth to be long on Binance, short on Hyperliquid."""
    instruments, bars, paid = [], {}, {}
    hours = START_MS + np.arange(HOURS) * HOUR_MS
    for code, price, lot in LISTED:
        for venue, quote, least, rate in (("binance", "USDT", 5.0, -1e-4), ("hyperliquid", "USDC", 10.0, 2e-4)):
            tick = {"BTC": 1.0, "INJ": 0.001, "DOGE": 0.00001}[code]
            symbol = f"{code}/{quote}:{quote}"
            one = Instrument(venue, symbol, Asset(code), quote, lot, tick, least, 8 if venue == "binance" else 1)
            moves = price * (1 + 1e-4 * np.sin(np.arange(HOURS)))
            every = one.interval_hours
            stamps = hours[::every]
            instruments.append(one)
            bars[one.key] = Bars(hours, moves, moves * 1.0001, moves * 0.9999, moves, np.full(HOURS, 1e6))
            paid[one.key] = Settlements(stamps, np.zeros_like(stamps), np.full(len(stamps), rate))
    market = Market(tuple(instruments), bars, paid, "nothing unusual")
    identity = WorldIdentity(fingerprint(market, NOW_MS), "calm")
    clock = MarketClock(folder / "clock.json", identity, begin_ms=NOW_MS, end_ms=market.end_ms)
    shown = {venue: VenueSettings(half_spread_bps=0.5, levels=10) for venue in ("binance", "hyperliquid")}
    return World(market, clock, shown)


@dataclass
class Stage:
    """The account after its first hour."""

    url: str
    settings: Settings
    trader: Trader
    guard: Guard
    ledger: Ledger
    run_id: int
    instruments: tuple[Instrument, ...]
    clock: Clock
    tick: int

    @property
    def legs(self) -> dict[InstrumentKey, float]:
        """What the books hold."""
        books = self.trader.books
        return {
            self.instruments[int(books.instrument[slot, leg])].key: float(books.quantity[slot, leg])
            for slot, leg in np.argwhere(books.quantity != 0.0).tolist()
        }

    async def held(self) -> dict[InstrumentKey, float]:
        """What the venues hold."""
        accounts = await true_accounts(self.url)
        return {(v, one["symbol"]): float(one["quantity"]) for v, told in accounts.items() for one in told["positions"]}

    async def happen(self, venue: str, kind: str, **event: Any) -> None:
        await happen(self.url, venue, kind, **event)

    @property
    def halted(self) -> str:
        """Why entries are halted; empty where they are not."""
        latch = halt_file(self.settings).read()
        return latch.reason if latch.state is LatchState.PAUSED else ""

    async def hour(self) -> list[Any]:
        """The next tick; its trades."""
        self.tick += HOUR_MS
        await self.clock.sleep_until(self.tick + DELAY_MS)
        return (await self.trader.tick(self.tick, decide=True)).trades


def staged(var: Path, *scripts: Callable[[Stage], Awaitable[None]], **changes: Any) -> None:
    """Plays the first script on an account that has entered the best pair, each other one on what the process before it
    left."""

    async def play() -> None:
        async with listening(calm_world(var)) as url:
            content = {
                "profile": "live",
                "var": str(var),
                "data": {"assets": ["BTC", "INJ", "DOGE"], "history_hours": 192},
                "environment": {"rebalance_below": 0.0},
                "guard": {"confirm_s": 0.01},
                "learning": {"schedule": {"enabled": False}},
                "sandbox": {"url": url},
            }
            settings = Settings.model_validate(content | changes)
            for number, script in enumerate(scripts):
                await _play(settings, url, script, fresh=number == 0)
                gc.collect()  # the lake's lock goes with who held it

    asyncio.run(play())


async def _play(settings: Settings, url: str, script: Callable[[Stage], Awaitable[None]], *, fresh: bool) -> None:
    ledger = Ledger(ledger_path(settings))
    known = None if fresh else ledger.latest()
    policy = Scripted(schema_of(settings.environment), np.array([1] if fresh else [0]))
    try:
        async with open_world(settings, Bounds(), fresh=fresh) as opened:
            registry = registry_of(settings)
            ready = await assemble(settings, Bounds(), known, opened, ledger, registry, policy)
            run, trader, guard = ready.run, ready.trader, ready.guard
            assert guard is not None
            saved = ledger.snapshot(run.id)
            tick = run.from_ms if saved is None else saved[0]
            listed = instruments_from_json(run.instruments)
            stage = Stage(url, settings, trader, guard, ledger, run.id, listed, opened.clock, tick)
            if fresh:
                await opened.clock.sleep_until(tick + DELAY_MS)
                await trader.tick(tick, decide=True)
                assert 2 == len(stage.legs), "the policy entered no pair"
            await script(stage)
    finally:
        ledger.close()
