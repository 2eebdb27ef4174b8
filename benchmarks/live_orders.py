"""How long a live order takes, from the decision's data in memory to both legs sent: `python -m benchmarks orders`.

Over HTTP to a served sandbox, every order on the disk before it is sent. Wall time, and the bot's own processor time.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from backtest.policies import plain_policy
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.client import SandboxProcess
from backtest.schema import schema_of
from bot.execution.live.account import LiveAccount
from bot.identity import Bounds, world_file
from bot.runtime import run
from bot.settings import Settings
from bot.trader import Trader
from bot.venue_orders import OrderReport, VenueOrder

HOURS = 120
TOLD: dict[str, Any] = {
    "data": {"assets": ["BTC", "INJ", "XRP"]},
    "environment": {"rebalance_below": 0.0},
    "risk": {"max_drawdown_pct": 100.0, "max_daily_loss_pct": 100.0, "max_failed_entries": 1000},
    "guard": {"enabled": False},
    "learning": {"schedule": {"enabled": False}},
}


class Stopwatch:
    """When decisions began and second legs were sent: (wall s, processor s) of the first pair of each hour."""

    def __init__(self) -> None:
        self.pairs: list[tuple[float, float]] = []
        self._began = self._now()
        self._legs = 0

    def begin(self) -> None:
        """A decision has its data."""
        self._began, self._legs = self._now(), 0

    def sending(self) -> None:
        """An order goes out."""
        self._legs += 1
        if self._legs == 2:
            wall, processor = self._now()
            self.pairs.append((wall - self._began[0], processor - self._began[1]))

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def show_orders(console: Console) -> None:
    """Percentiles of a run that trades by chance."""
    with tempfile.TemporaryDirectory() as folder, timed() as watch:
        asyncio.run(_rehearse(Path(folder)))
    wall, processor = (1000 * np.array(watch.pairs)).T
    console.print(f"{len(watch.pairs)} pairs, from the panel in memory to the second order, ms", highlight=False)
    for name, taken in (("wall time", wall), ("the bot's processor time", processor)):
        p50, p99 = np.percentile(taken, [50, 99])
        console.print(f"  {name:<26} p50 {p50:6.1f}   p99 {p99:6.1f}", highlight=False)


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Within the block every live trader runs against the watch."""
    watch = Stopwatch()
    trade, place = Trader._trade, LiveAccount.place

    async def traded(self: Trader, *told: Any) -> Any:
        watch.begin()
        return await trade(self, *told)

    async def placed(self: LiveAccount, order: VenueOrder) -> OrderReport:
        watch.sending()
        return await place(self, order)

    Trader._trade, LiveAccount.place = traded, placed  # type: ignore[method-assign]
    try:
        yield watch
    finally:
        Trader._trade, LiveAccount.place = trade, place  # type: ignore[method-assign]


async def _rehearse(folder: Path) -> None:
    account = AccountSettings(balance=5_000.0)
    os.environ |= {
        "BINANCE_API_KEY": account.key,
        "BINANCE_API_SECRET": account.secret,
        "HYPERLIQUID_WALLET_ADDRESS": account.wallet,
        "HYPERLIQUID_PRIVATE_KEY": account.private_key,
    }
    world = Settings.model_validate(TOLD | {"sandbox": {"accounts": account}})
    with SandboxProcess(world_file(world, Bounds()), folder / "world.json") as served:
        told = {"profile": "live", "sandbox": {"url": served.url}, "var": folder / "var"}
        settings = Settings.model_validate(TOLD | told)
        policy = plain_policy("random", schema_of(settings.environment), 1)
        bounds, stop = Bounds(hours=HOURS), asyncio.Event()
        await run(settings, bounds, fresh=True, stop=stop, watch=lambda progress: None, policy=policy)
