"""A served sandbox with accounts, a live configuration that points at it, and hands at its venues: for rehearsals.

Everything goes over HTTP: orders through the bot's own gateway, the truth from the sandbox's control.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from bot.access import Access, open_access
from bot.identity import Bounds, world_file
from bot.settings import Settings
from data.settings import DataSettings, VenueSettings
from tests.fakes.live_accounts import keys

Result = TypeVar("Result")
ASSETS = ("BTC", "INJ", "XRP")
LONG, SHORT = ("binance", "INJ/USDT:USDT"), ("hyperliquid", "INJ/USDC:USDC")


@dataclass(frozen=True)
class Rehearsal:
    """A sandbox, and what a bot needs to trade in it."""

    url: str
    config: Path
    settings: Settings
    process: SandboxProcess

    @property
    def var(self) -> Path:
        """The bot's run-time folder."""
        return self.settings.var

    def happen(self, venue: str, kind: str, **event: Any) -> None:
        """Make something happen to an account."""
        asyncio.run(happen(self.url, venue, kind, **event))

    def trade(self, key: tuple[str, str], quantity: float, price: float | None = None) -> None:
        """Somebody trades by hand."""
        more = {} if price is None else {"price": str(price)}
        self.happen(key[0], "trade", symbol=key[1], quantity=str(quantity), **more)

    def truth(self) -> dict[str, Any]:
        """Every account, as the sandbox has it."""
        return asyncio.run(true_accounts(self.url))

    def held(self) -> dict[tuple[str, str], float]:
        """Every position, by venue and symbol."""
        accounts = self.truth()
        return {
            (venue, one["symbol"]): float(one["quantity"])
            for venue, account in accounts.items()
            for one in account["positions"]
        }

    def resting(self) -> int:
        """How many orders rest."""
        live = ("new", "open", "partially_filled", "partial")
        return sum(one["status"] in live for account in self.truth().values() for one in account["orders"])

    def at(self, venue: str, call: Callable[[Access], Awaitable[Result]]) -> Result:
        """What a call gives on the bot's own gateway."""

        async def talk() -> Result:
            async with open_access(venue, self.settings) as access:
                return await call(access)

        return asyncio.run(talk())


@contextmanager
def rehearsed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    speed: float = 60.0,
    balance: float = 10_000.0,
    venues: Sequence[str] = ("binance", "hyperliquid"),
    **changes: Any,
) -> Iterator[Rehearsal]:
    """A sandbox that runs at `speed`, with the keys of its accounts in the environment."""
    for name, value in keys().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).resolve().parents[2])]))
    sandbox = SandboxSettings(speed=speed, accounts={"balance": balance}, **changes)  # type: ignore[arg-type]
    told = {name: VenueSettings() for name in venues}
    world = world_file(Settings(data=DataSettings(assets=ASSETS, venues=told), sandbox=sandbox), Bounds())
    with SandboxProcess(world, folder / "world.json") as process:
        content = {
            "profile": "live",
            "var": str(folder / "var"),
            "data": {"assets": list(ASSETS), "venues": {name: {} for name in venues}},
            "environment": {"rebalance_below": 0.0},
            "learning": {"schedule": {"enabled": False}},
            "service": {"supervised": False},
            "sandbox": {"url": process.url},
        }
        config = folder / "live.yaml"
        config.write_text(yaml.safe_dump(content))
        yield Rehearsal(process.url, config, Settings.model_validate(content), process)
