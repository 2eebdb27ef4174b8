"""How long an entry takes, from a complete snapshot in memory to both orders sent: `python -m benchmarks execution`.

The snapshot is the panel and the order books of likely entries; features are made of the panel while venues are asked
for those books, and how long that takes stands apart. Over HTTP to a served sandbox, every order on the disk before it
is sent, while a population trains beside it at a lower priority. Wall time by stage, and the bot's own processor time.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import bot.trader
from backtest.policies import Actions, Observations
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.client import SandboxProcess
from backtest.schema import Schema, schema_of
from bot.execution.live.account import LiveAccount
from bot.execution.live.executor import LiveExecutor
from bot.identity import Bounds, world_file
from bot.ledger.journal import Journal
from bot.risk import RiskGate
from bot.runtime import Progress, run
from bot.settings import Settings
from bot.trader import Trader
from data.connection import Connection
from pbt_online.ensemble import Ensemble
from pbt_online.network import NetworkPolicy

ENTRIES = 200
MOST_HOURS = 5 * ENTRIES
WARM_UP_HOURS = 4
"""Kernels are loaded, connections are made."""
NICENESS = "10"
HIDDEN = (256, 256, 128)
TOLD: dict[str, Any] = {
    "data": {"assets": ["BTC", "INJ", "XRP"]},
    "environment": {"rebalance_below": 0.0},
    "risk": {"max_drawdown_pct": 100.0, "max_daily_loss_pct": 100.0, "max_failed_entries": 1000},
    "guard": {"enabled": False},
    "learning": {"schedule": {"enabled": False}},
}
SEEN, DECIDED, REVIEWED, BOOKS = "observation", "ensemble of 3", "proposal and risk", "order books"
WRITTEN, SENT, ANSWERED = "order {} on the disk", "order {} signed and sent", "order {} answered"
STAGES = (
    SEEN, DECIDED, REVIEWED, BOOKS,
    WRITTEN.format(1), SENT.format(1), ANSWERED.format(1), WRITTEN.format(2), SENT.format(2),
)  # fmt: skip
"""In the order in which they end, each where the next one begins."""
Moment = tuple[float, float]
"""Wall clock and processor time, s."""
Taken = NDArray[np.float64]


class Stopwatch:
    """When each stage of an hour's first proposal ended; kept for entries of which both orders were sent."""

    def __init__(self) -> None:
        self.entries: list[list[Moment]] = []
        """The beginning, and the end of each stage."""
        self.read_ahead: list[list[Moment]] = []
        """Of the same entries: when the panel was in memory, and the beginning."""
        self._panel: Moment = _now()
        self._ends: dict[str, Moment] = {}
        self._hours = 0
        self._sending = 0

    def panel(self) -> None:
        """The panel is in memory; order books are asked for."""
        self._panel = _now()

    def begin(self) -> None:
        """A decision has its data."""
        self._hours += 1
        self._sending = 0
        self._ends = {"": _now()}
        if self._hours <= WARM_UP_HOURS:
            self.discard()

    def end(self, stage: str) -> None:
        """Of the order in work, where the stage is of one; the first time counts."""
        self._ends.setdefault(stage.format(self._sending), _now())
        if list(self._ends) == ["", *STAGES]:
            self.entries.append(list(self._ends.values()))
            self.read_ahead.append([self._panel, self._ends[""]])
            self.discard()

    def next_order(self) -> None:
        """The next one is about to be written."""
        self._sending += 1

    def discard(self) -> None:
        """Nothing more of this hour counts."""
        self._ends = {}

    def taken(self) -> Taken:
        """[entry, stage, 2] wall and processor time of each, ms."""
        return 1000 * np.diff(np.array(self.entries), axis=1)

    def taken_ahead(self) -> Taken:
        """[entry, 2] likewise, of features and order books before the first stage."""
        return 1000 * np.diff(np.array(self.read_ahead), axis=1)[:, 0]


def _now() -> Moment:
    return time.perf_counter(), time.process_time()


class InTurn:
    """Has an ensemble of three networks decide, and then enters the best pair and leaves it, in turn: what is measured
    is the way of an order, and every other hour is to have one."""

    name = "in turn"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        sizes, random = (schema.size, *HIDDEN, schema.actions), np.random.default_rng(0)
        layers = [
            [
                (random.normal(0, a**-0.5, (a, b)).astype(np.float32), np.zeros(b, np.float32))
                for a, b in pairwise(sizes)
            ]
            for _ in range(3)
        ]
        self._ensemble = Ensemble("three", [NetworkPolicy(str(n), schema, one) for n, one in enumerate(layers)])
        self._enter = False

    def decide(self, observations: Observations) -> Actions:
        """One action for each."""
        decided = self._ensemble.decide(observations)
        self._enter = not self._enter
        return np.full_like(decided, 1 if self._enter else self.schema.opportunities + 1)


def show_execution(console: Console) -> None:
    """Percentiles, all together and by stage."""
    with tempfile.TemporaryDirectory() as folder, training(), timed() as watch:
        asyncio.run(_rehearse(Path(folder), watch))
    taken = watch.taken()
    title = f"{len(taken)} entries, from the snapshot in memory to both orders sent, ms"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in ("stage", "p50", "p99", "processor p50"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    stages = [(name, taken[:, number]) for number, name in enumerate(STAGES)]
    stages += [("all", taken.sum(axis=1)), ("before: features, order books", watch.taken_ahead())]
    for name, one in stages:
        wall, processor = one.T
        numbers = (*np.percentile(wall, [50, 99]), np.median(processor))
        table.add_row(name, *(f"{number:.1f}" for number in numbers))
    console.print(table)


@contextmanager
def training() -> Iterator[None]:
    """Within the block a population of the reference's size trains in another process, at a lower priority."""
    command = ["nice", "-n", NICENESS, sys.executable, "-m", "benchmarks", "population", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the training beside it ended early: raise its time steps")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Within the block every live trader runs against the watch."""
    watch = Stopwatch()
    with ExitStack() as patches:

        def wrap(owner: Any, name: str, wrapped: Callable[..., Any]) -> None:
            patches.enter_context(patch.object(owner, name, wrapped))

        def at_end(owner: Any, name: str, stage: str) -> None:
            wrap(owner, name, _at_end(getattr(owner, name), watch, stage))

        at_end(bot.trader, "shown", SEEN)
        at_end(InTurn, "decide", DECIDED)
        at_end(LiveExecutor, "_sized", BOOKS)
        at_end(LiveAccount, "place", ANSWERED)
        wrap(Trader, "_features", _begun(Trader._features, watch.panel))
        wrap(Trader, "_trade", _begun(Trader._trade, watch.begin))
        wrap(RiskGate, "review", _reviewed(RiskGate.review, watch))
        wrap(Connection, "_gated", _sent(Connection._gated, watch))
        for name in ("write_first", "write"):
            wrap(Journal, name, _written(getattr(Journal, name), watch))
        yield watch


def _at_end(call: Callable[..., Any], watch: Stopwatch, stage: str) -> Callable[..., Any]:
    def ended(*told: Any, **named: Any) -> Any:
        result = call(*told, **named)
        watch.end(stage)
        return result

    async def ended_later(*told: Any, **named: Any) -> Any:
        result = await call(*told, **named)
        watch.end(stage)
        return result

    return ended_later if asyncio.iscoroutinefunction(call) else ended


def _begun(call: Callable[..., Any], begin: Callable[[], None]) -> Callable[..., Any]:
    async def begun(*told: Any) -> Any:
        begin()
        return await call(*told)

    return begun


def _reviewed(review: Callable[..., Any], watch: Stopwatch) -> Callable[..., Any]:
    def reviewed(gate: RiskGate, proposal: Any, *told: Any) -> Any:
        if not proposal.entry:
            watch.discard()
        verdict = review(gate, proposal, *told)
        watch.end(REVIEWED)
        return verdict

    return reviewed


def _written(write: Callable[..., Any], watch: Stopwatch) -> Callable[..., Any]:
    def written(*told: Any) -> None:
        watch.next_order()
        write(*told)
        watch.end(WRITTEN)

    return written


def _sent(send: Callable[..., Any], watch: Stopwatch) -> Callable[..., Any]:
    async def sent(connection: Connection, url: str, method: str, *told: Any, **named: Any) -> Any:
        if method == "POST" and ("/order" in url or url.endswith("/exchange")):
            watch.end(SENT)
        return await send(connection, url, method, *told, **named)

    return sent


async def _rehearse(folder: Path, watch: Stopwatch) -> None:
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
        stop, policy = asyncio.Event(), InTurn(schema_of(settings.environment))

        def enough(progress: Progress) -> None:
            if len(watch.entries) >= ENTRIES:
                stop.set()

        await run(settings, Bounds(hours=MOST_HOURS), fresh=True, stop=stop, watch=enough, policy=policy)
