"""A served sandbox, a live configuration that trades in it, and the bot as a subprocess: what every fault is injected
into.

The clock is stepped unless a speed is given: then the bot's hours follow each other as fast as it can trade them, and
what goes wrong is scripted before it starts.
"""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from backtest.sandbox.account_client import distort, happen
from backtest.sandbox.fault_client import clear_faults, faults_met, requests_asked, script_faults
from backtest.sandbox.settings import SandboxSettings
from bot.cli.live import phrase
from bot.identity import Bounds, world_file
from bot.settings import Settings
from data.types import HOUR_MS
from tests.fakes.live_accounts import keys
from tests.fakes.venue_truth import rows, truth
from tests.faults.lives import Life
from tests.faults.market import BEGIN_MS, HOURS, PRICES, Ends, Gaps, Intervals, moment, write_market
from tests.faults.served import HAND_SPEED, Served

PATIENCE_S = 120.0
SEND = {
    "binance": {"venue": "binance", "method": "POST", "request": "order"},
    "hyperliquid": {"venue": "hyperliquid", "method": "POST", "request": "exchange/order"},
    "bybit": {"venue": "bybit", "method": "POST", "request": "order/create"},
    "okx": {"venue": "okx", "method": "POST", "request": "trade/batch-orders"},
}
"""The requests that send an order, to be scripted with a `kind`."""
FILLS = {
    "binance": {"venue": "binance", "request": "userTrades"},
    "hyperliquid": {"venue": "hyperliquid", "request": "userFills*"},
    "bybit": {"venue": "bybit", "request": "execution/list"},
    "okx": {"venue": "okx", "request": "trade/fills*"},
}
"""The requests that read trades."""


class Stage:
    """One rehearsal. The rule trades: it enters a pair an hour, from the first hour on, and holds."""

    def __init__(
        self,
        folder: Path,
        venues: Sequence[str],
        sandbox: Served,
        assets: Collection[str],
        changes: Mapping[str, Any],
        hours: float = 0.0,
    ) -> None:
        """The clock stands at so many `hours` after the beginning."""
        self.url = sandbox.url
        self.sandbox = sandbox
        self.var = folder / "var"
        self.config = folder / "live.yaml"
        self.venues = tuple(venues)
        self._folder = folder
        self._hours = hours
        self._content: dict[str, Any] = {
            "profile": "live",
            "var": str(self.var),
            "data": {"assets": list(assets), "history_hours": 192, "timeout_s": 3.0, "venues": {v: {} for v in venues}},
            "environment": {"rebalance_below": 0.0, "max_positions": len(assets), "max_opportunities": 8},
            "guard": {"confirm_s": 0.05},
            "learning": {"schedule": {"enabled": False}},
            "service": {"supervised": False},
            "sandbox": {"url": sandbox.url},
        }
        self.configure(**changes)

    def beside(self, folder: Path, **changes: Any) -> "Stage":
        """Another bot at the same accounts, with a folder of its own."""
        folder.mkdir()
        return Stage(folder, self.venues, self.sandbox, self._content["data"]["assets"], changes, self._hours)

    def configure(self, **changes: Any) -> None:
        """Change settings for the next start, a section at a time."""
        for section, values in changes.items():
            self._content[section] = self._content.get(section, {}) | values
        self.config.write_text(json.dumps(self._content))

    @property
    def settings(self) -> Settings:
        """As the bot reads them."""
        return Settings.model_validate(self._content)

    def start(self, *more: object, off_s: float = 0.0) -> Life:
        """`bot run --live`, with the phrase typed, on a machine whose clock is off."""
        return self.command("run", "--live", *more, said=f"{phrase(self.settings)}\n", off_s=off_s)

    def begin(self, *more: object, off_s: float = 0.0) -> Life:
        """The same, once it waits for its next hour: the accounts are prepared and the guard has looked."""
        before = self.logged("started") + self.logged("resumed")
        life = self.start(*more, off_s=off_s)
        life.until(lambda: self.logged("started") + self.logged("resumed") > before, PATIENCE_S)
        return life

    def command(self, name: str, *more: object, said: str = "", off_s: float = 0.0) -> Life:
        """Any command on the same folder and configuration."""
        return Life([*name.split(), "--config", self.config, *more], said, keys(), self._folder / "said", off_s)

    def live(self, hours: int, *more: object) -> str:
        """One life of so many hours after the one that it begins in, to its end; what it said."""
        life = self.start("--hours", hours, *more)
        assert 0 == life.end(PATIENCE_S), life.output
        return life.output

    def hour(self, life: Life, number: int, *, after_s: float = 61.0) -> None:
        """Move the clock by hand to the decision of the hour of that number, and wait until it is complete."""
        self.advance_to(number + after_s / 3600)
        life.until(lambda: self.ticks() > number, PATIENCE_S)

    def caught_up(self, life: Life) -> None:
        """Wait until the hour that the clock shows is complete."""
        life.until(lambda: self.ticks() > int(self._hours), PATIENCE_S)

    def advance_to(self, hours: float) -> None:
        """Move the clock by hand to so many hours after the beginning."""
        self.sandbox.advance(3600 * (hours - self._hours))
        self._hours = hours

    def minutes(self, count: float) -> None:
        """Move the clock on by hand."""
        self.advance_to(self._hours + count / 60)

    def ticks(self) -> int:
        """How many hours are complete, counted from the beginning."""
        saved = self.rows("select tick from snapshots")
        return (saved[0]["tick"] - BEGIN_MS) // HOUR_MS + 1 if saved else 0

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """What goes wrong from now on, instead of what did before."""
        asyncio.run(script_faults(self.url, *faults) if faults else clear_faults(self.url))

    def struck(self) -> list[int]:
        """How often each fault was met."""
        return [fault["struck"] for fault in asyncio.run(faults_met(self.url))["script"]]

    def asked(self, venue: str) -> dict[str, int]:
        """Requests to a venue so far, by endpoint."""
        endpoints: dict[str, int] = asyncio.run(requests_asked(self.url))[venue]["endpoints"]
        return endpoints

    def happen(self, venue: str, kind: str, **event: Any) -> None:
        """Make something happen to an account."""
        asyncio.run(happen(self.url, venue, kind, **event))

    def distort(self, *distortions: Mapping[str, Any]) -> None:
        """What the venues show wrongly from now on."""
        asyncio.run(distort(self.url, *distortions))

    def truth(self) -> dict[str, Any]:
        """Every account, as the sandbox has it."""
        return truth(self.url)

    def held(self) -> dict[tuple[str, str], float]:
        """What the venues hold."""
        return {(v, p["symbol"]): float(p["quantity"]) for v, one in self.truth().items() for p in one["positions"]}

    def orders(self, venue: str) -> int:
        """How many orders the bot has at a venue."""
        return sum(order["origin"] == "api" for order in self.truth()[venue]["orders"])

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Of the ledger; none before there is one."""
        with suppress(sqlite3.OperationalError):  # it is being made
            return [dict(row) for row in rows(self.var, query)] if (self.var / "ledger.sqlite").exists() else []
        return []

    def events(self) -> str:
        """All that the ledger tells people."""
        return "\n".join(row["text"] for row in self.rows("select text from events order by id"))

    def log(self) -> str:
        """All that was logged."""
        return "\n".join(path.read_text() for path in sorted((self.var / "logs").glob("*")))

    def logged(self, kind: str) -> int:
        """How many lines of a kind were logged."""
        return self.log().count(f'"kind": "{kind}"')

    def kill_when_struck(self, life: Life, index: int = 0) -> None:
        """kill -9 as soon as the fault of that index is met: in the middle of a request that it holds up."""
        life.until(lambda: self.struck()[index], PATIENCE_S)
        life.kill()


@contextmanager
def staged(
    folder: Path,
    *,
    venues: Sequence[str] = ("binance", "hyperliquid"),
    by_hand: bool = False,
    market_hours: int = HOURS,
    first_hour: int = 0,
    sandbox: Mapping[str, Any] | None = None,
    gap: Gaps | None = None,
    intervals: Intervals | None = None,
    prices: Mapping[str, float] = PRICES,
    ends: Ends | None = None,
    **changes: Any,
) -> Iterator[Stage]:
    """A rehearsal of which the first leg is always at the first venue, whose books are the thinner ones. Its clock is
    stepped by the bot unless it is moved `by_hand`; `changes` are settings by section, `sandbox` more of the sandbox's
    own, `gap`, `intervals`, `prices` and `ends` make the market another one. What learns needs more past: a later
    `first_hour`."""
    market = write_market(folder / "market", venues, gap or {}, intervals or {}, prices, market_hours, ends or {})
    speed = HAND_SPEED if by_hand else 0.0
    told = {"replay": str(market), "begin": moment(first_hour), "speed": speed, "accounts": {"balance": 5_000.0}}
    depth = {venue: {"level_quote": 20_000.0 if venue == venues[0] else 25_000.0} for venue in venues}
    served = SandboxSettings.model_validate(told | dict(sandbox or {}))
    world = world_file(Settings.model_validate({"data": {"venues": depth}, "sandbox": served}), Bounds())
    with Served(world, folder / "world" / "state.json", by_hand=by_hand) as running:
        yield Stage(folder, venues, running, prices, changes, first_hour)
