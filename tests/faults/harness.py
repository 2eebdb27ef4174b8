"""A served sandbox, a live configuration that trades in it, and the bot as a subprocess: what every fault is injected
into.

The clock is stepped unless a speed is given: then the bot's hours follow each other as fast as it can trade them, and
what goes wrong is scripted before it starts.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backtest.sandbox.account_client import distort, happen
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.fault_client import clear_faults, faults_met, requests_asked, script_faults
from backtest.sandbox.settings import SandboxSettings
from bot.cli.live import phrase
from bot.identity import Bounds, world_file
from bot.settings import Settings
from tests.fakes.live_accounts import keys
from tests.fakes.venue_truth import rows, truth
from tests.faults.market import ASSETS, moment, write_market
from tests.functional.commands import BOT, eventually

PATIENCE_S = 120.0
SEND = {
    "binance": {"venue": "binance", "method": "POST", "request": "order"},
    "hyperliquid": {"venue": "hyperliquid", "method": "POST", "request": "exchange"},
    "bybit": {"venue": "bybit", "method": "POST", "request": "order/create"},
    "okx": {"venue": "okx", "method": "POST", "request": "trade/order"},
}
"""The requests that send an order: to be scripted with a `kind`, once the account is prepared."""
FILLS = {
    "binance": {"venue": "binance", "request": "userTrades"},
    "hyperliquid": {"venue": "hyperliquid", "request": "userFills*"},
    "bybit": {"venue": "bybit", "request": "execution/list"},
    "okx": {"venue": "okx", "request": "trade/fills*"},
}
"""The requests that read trades."""


class Stage:
    """One rehearsal. The rule trades: it enters a pair an hour, from the first hour on, and holds."""

    def __init__(self, folder: Path, venues: Sequence[str], sandbox: SandboxProcess, changes: Mapping[str, Any]) -> None:
        self.url = sandbox.url
        self.sandbox = sandbox
        self.var = folder / "var"
        self.config = folder / "live.yaml"
        self.venues = tuple(venues)
        self._content: dict[str, Any] = {
            "profile": "live",
            "data": {"assets": list(ASSETS), "history_hours": 192, "timeout_s": 3.0, "venues": {v: {} for v in venues}},
            "environment": {"rebalance_below": 0.0},
            "guard": {"confirm_s": 0.05},
            "learning": {"schedule": {"enabled": False}},
            "sandbox": {"url": sandbox.url},
        }
        self.configure(**changes)

    def configure(self, **changes: Any) -> None:
        """Change settings for the next start, a section at a time."""
        for section, values in changes.items():
            self._content[section] = self._content.get(section, {}) | values
        self.config.write_text(json.dumps(self._content))

    @property
    def settings(self) -> Settings:
        """As the bot reads them."""
        return Settings.model_validate(self._content | {"var": self.var})

    def start(self, *more: object) -> subprocess.Popen[str]:
        """The bot, with the phrase typed."""
        arguments = ["run", "--live", "--config", self.config, "--var", self.var, *more]
        process = subprocess.Popen(
            [BOT, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True, env=os.environ | keys(),
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(f"{phrase(self.settings)}\n")
        process.stdin.flush()
        return process

    def live(self, hours: int, *more: object) -> str:
        """One life of so many hours after the one that it begins in, to its end; what it said."""
        process = self.start("--hours", hours, *more)
        try:
            _, said = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"the bot did not end: {process.communicate()[1][-2000:]}") from None
        assert 0 == process.returncode, said
        return said

    def bot(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Another command of the bot on the same folder, whatever its exit code."""
        command = [BOT, arguments[0], "--config", self.config, "--var", self.var, *arguments[1:]]
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            env=os.environ | keys(),
        )  # fmt: skip

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
        if not (self.var / "ledger.sqlite").exists():
            return []
        return [dict(row) for row in rows(self.var, query)]

    def events(self) -> str:
        """All that the ledger tells people."""
        return "\n".join(row["text"] for row in self.rows("select text from events order by id"))

    def log(self) -> str:
        """All that was logged."""
        return "\n".join(path.read_text() for path in sorted((self.var / "logs").glob("*")))

    def kill_when_struck(self, index: int, *more: object) -> None:
        """Start, and kill -9 as soon as the fault of that index is met: in the middle of a request that it holds up."""
        process = self.start(*more)
        eventually(lambda: self.struck()[index] or process.poll() is not None, PATIENCE_S, process=process)
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGKILL)
        process.communicate()


@contextmanager
def staged(
    folder: Path,
    *,
    venues: Sequence[str] = ("binance", "hyperliquid"),
    speed: float = 0.0,
    begin: float = 0.0,
    sandbox: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Iterator[Stage]:
    """A rehearsal that begins `begin` hours after the market is ready, its clock at `speed`; `changes` are settings by
    section, `sandbox` is more of the sandbox's own."""
    market = write_market(folder / "market", venues)
    told = {"replay": str(market), "begin": moment(begin), "speed": speed, "accounts": {"balance": 5_000.0}}
    shown = {"assets": list(ASSETS), "venues": {venue: {} for venue in venues}}
    served = SandboxSettings.model_validate(told | dict(sandbox or {}))
    world = world_file(Settings.model_validate({"data": shown, "sandbox": served}), Bounds())
    with SandboxProcess(world, folder / "world" / "state.json") as process:
        yield Stage(folder, venues, process, changes)
