"""How long a backfill takes against what the venues' own limits allow, and what ccxt's paging loses of the same data:
`python -m benchmarks backfill`."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import WorldFile
from data.exchange import Venue
from data.ingest import Collector
from data.lake import Lake
from data.recorded import recorded_market
from data.settings import VenueSettings
from data.types import HOUR_MS
from tests.fakes.changing_market import QUOTES, write_changing_market

BEGIN_MS = 1_735_689_600_000
LATENCY_MS = 150
PAGINATED_SYMBOLS = 3


def show_backfill(console: Console, symbols: int, days: int) -> None:
    """Settled funding and candles of `symbols` contracts on four venues, answers taking 150 ms."""
    hours = 24 * days + 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_changing_market(folder / "market", symbols, hours + 1, BEGIN_MS)
        begin = datetime.fromtimestamp((BEGIN_MS + hours * HOUR_MS) / 1000 + 60, UTC)
        world = WorldFile(
            settings=SandboxSettings(replay=folder / "market", begin=begin, latency_ms=LATENCY_MS),
            venues={venue: VenueSettings() for venue in QUOTES},
        )
        with SandboxProcess(world, folder / "state.json") as sandbox:
            asyncio.run(_timed(console, sandbox.url, folder, symbols, days))
            asyncio.run(_compared(console, sandbox.url, folder, days))


async def _timed(console: Console, url: str, folder: Path, symbols: int, days: int) -> None:
    market = recorded_market(folder / "market", tuple(QUOTES))
    spent = dict.fromkeys(QUOTES, 0.0)
    async with AsyncExitStack() as stack:
        venues = {name: await _opened(stack, url, name) for name in QUOTES}
        instruments = [one for venue in venues.values() for one in await venue.instruments()]
        for name, venue in venues.items():
            _count(venue, name, spent)
        lake = Lake(folder / "lake")
        begun = time.perf_counter()
        tick = (BEGIN_MS + (24 * days + 2) * HOUR_MS) // HOUR_MS * HOUR_MS
        collected = await Collector(venues, lake, instruments, 24 * days).collect(tick)
        took = time.perf_counter() - begun
    assert len(market.instruments) == len(instruments) and not collected.troubles
    table = Table(title=f"{symbols} contracts x {len(QUOTES)} venues x {days} days", title_justify="left", box=SIMPLE)
    for heading in ("venue", "throttle floor, s"):
        table.add_column(heading, justify="right")
    for name, seconds in spent.items():
        table.add_row(name, f"{seconds:.1f}")
    console.print(table)
    slowest = max(spent.values())
    rows = collected.rows.new
    console.print(f"{rows:,} rows in {took:.1f} s: {took / slowest:.2f} x the slowest venue's floor", highlight=False)


async def _opened(stack: AsyncExitStack, url: str, name: str, *, throttle: bool = True) -> Venue:
    told = VenueSettings(base_url=f"{url}/{name}", throttle=throttle)
    return await stack.enter_async_context(Venue(name, told, timeout_s=30, concurrency=8))


def _count(venue: Venue, name: str, spent: dict[str, float]) -> None:
    """Add up what the venue's limit makes each request wait, in seconds."""
    client: Any = venue._connection.client
    throttle = client.throttle

    async def counted(cost: float | None = None) -> None:
        spent[name] += (1.0 if cost is None else cost) * client.rateLimit / 1000
        await throttle(cost)

    client.throttle = counted


async def _compared(console: Console, url: str, folder: Path, days: int) -> None:
    """The same contracts by ccxt's own `paginate=True`."""
    market = recorded_market(folder / "market", tuple(QUOTES))
    lake = Lake(folder / "lake")
    table = Table(title="settlements of the same contracts", title_justify="left", box=SIMPLE)
    for heading in ("venue", "contract", "served", "ours", "ccxt's paginate"):
        table.add_column(heading, justify="left" if heading in ("venue", "contract") else "right")
    async with AsyncExitStack() as stack:
        for name in QUOTES:
            client: Any = (await _opened(stack, url, name, throttle=False))._connection.client
            await client.load_markets()
            for one in [i for i in market.instruments if i.venue == name][:PAGINATED_SYMBOLS]:
                since = BEGIN_MS + 2 * HOUR_MS
                until = (
                    BEGIN_MS + (24 * days + 3) * HOUR_MS
                )  # the market's time is past, ccxt would begin at this clock's
                told = {"paginate": True, "until": until}
                ask = partial(client.fetch_funding_rate_history, one.symbol, since, None, told)
                theirs = {row["timestamp"] for row in await ask()}
                held = lake.settlements([one], since, BEGIN_MS + 10**11)[one.key].stamp
                truth = market.settlements[one.key].stamp
                wanted = set(truth[(truth >= since) & (truth <= held[-1])].tolist())
                table.add_row(
                    name, one.symbol, str(len(wanted)), str(len(wanted & set(held.tolist()))), str(len(wanted & theirs))
                )
    console.print(table)
