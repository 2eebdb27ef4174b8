"""`bot collect`: brings the lake up to now and says what it holds."""

import asyncio
import contextlib

from rich.box import SIMPLE
from rich.table import Table

from bot.cli.tables import print_json, show
from bot.identity import Bounds
from bot.run_folder import single_instance
from bot.settings import Settings
from bot.status import iso
from bot.worlds import open_world
from data.ingest import Collector
from data.lake import Appended, Lake
from data.panel import tradable
from data.types import HOUR_MS, Instrument


def collect_history(settings: Settings, bounds: Bounds, *, as_json: bool) -> None:
    """Collect, then print rows and time range per instrument."""
    with single_instance(settings.var), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_collect(settings, bounds, as_json))


async def _collect(settings: Settings, bounds: Bounds, as_json: bool) -> None:
    async with open_world(settings, bounds, fresh=False) as world:
        listings = [await venue.instruments() for venue in world.venues.values()]
        instruments = tradable([i for listing in listings for i in listing], settings.data.assets)
        lake = Lake(world.lake)
        collector = Collector(world.venues, lake, instruments, settings.data.history_hours)
        first = await world.clock.now_ms() // HOUR_MS * HOUR_MS
        report = Appended()
        for tick in range(first, first + (bounds.hours or 0) * HOUR_MS + 1, HOUR_MS):
            await world.clock.sleep_until(tick + settings.data.decision_delay_s * 1000)
            report += (await collector.collect(tick)).rows
    rows = [_held(lake, instrument, tick, settings.data.history_hours) for instrument in instruments]
    if as_json:
        print_json({"lake": str(world.lake), "until": iso(tick), "rows": vars(report), "instruments": rows})
    else:
        show(_shown(rows), _told(report, str(world.lake)))


def _held(lake: Lake, instrument: Instrument, tick: int, history_hours: int) -> dict[str, object]:
    first = tick - history_hours * HOUR_MS
    bars = lake.bars([instrument], first, tick).get(instrument.key)
    settlements = lake.settlements([instrument], first, tick).get(instrument.key)
    return {
        "venue": instrument.venue,
        "symbol": instrument.symbol,
        "bars": 0 if bars is None else len(bars),
        "bars_missing": history_hours - (0 if bars is None else len(bars)),
        "settlements": 0 if settlements is None else len(settlements),
        "newest_bar": None if bars is None else iso(int(bars.open_time[-1])),
        "newest_settlement": None if settlements is None else iso(int(settlements.time[-1])),
    }


def _shown(rows: list[dict[str, object]]) -> Table:
    table = Table(title="the lake's newest history", title_justify="left", box=SIMPLE)
    for heading in ("instrument", "bars", "gaps", "settled", "newest bar", "settlement"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "instrument" else "right")
    for row in rows:
        newest = (str(row[name] or "-")[5:13].replace("T", " ") + "h" for name in ("newest_bar", "newest_settlement"))
        counts = (str(row[name]) for name in ("bars", "bars_missing", "settlements"))
        table.add_row(f"{row['venue']} {row['symbol']}", *counts, *newest)
    return table


def _told(report: Appended, lake: str) -> str:
    return (
        f"{report.new} new rows, {report.known} known, {report.conflicting} conflicting, "
        f"{report.rejected} rejected; in {lake}"
    )
