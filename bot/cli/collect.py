"""`bot collect`: brings the lake up to now, venues in parallel, and says what it holds."""

import asyncio

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from bot.cli.tables import print_json, show
from bot.identity import Bounds
from bot.instance import single_instance
from bot.settings import Settings
from bot.status import iso
from bot.worlds import listed, make_collector, open_streams, open_world
from data.collection import Collected, Progress
from data.errors import ExitCode, MissingData
from data.lake import Lake
from data.panel import tradable
from data.types import HOUR_MS, Instrument


def collect_history(settings: Settings, bounds: Bounds, days: int | None, *, as_json: bool) -> None:
    """Collect, then print rows and time range per instrument. Raises VenueError for a venue that could not be used,
    after the others are collected and shown."""
    with single_instance(settings.var):
        try:
            asyncio.run(_collect(settings, bounds, days, as_json))
        except KeyboardInterrupt:
            Console(stderr=True).print("stopped; what has arrived is stored, the next `bot collect` goes on from there")
            raise SystemExit(ExitCode.INTERRUPTED.value) from None


async def _collect(settings: Settings, bounds: Bounds, days: int | None, as_json: bool) -> None:
    hours = settings.data.history_hours if days is None else 24 * days
    async with open_world(settings, bounds, fresh=False) as world:
        lake = Lake(world.lake)
        found, absent = await listed(world, lake)
        try:
            instruments = tradable(found, settings.data.assets)
        except MissingData:
            if absent:
                raise absent[0] from None
            raise
        collected, last = Collected(), Collected()
        with _Bars(list(world.venues)) as bars:
            streams = await open_streams(settings, world, instruments)
            collector = make_collector(settings, world.venues, lake, instruments, hours, bars.watch, streams)
            first = await world.clock.now_ms() // HOUR_MS * HOUR_MS
            for tick in range(first, first + (bounds.hours or 0) * HOUR_MS + 1, HOUR_MS):
                await world.clock.sleep_until(tick + settings.data.decision_delay_s * 1000)
                last = await collector.collect_all(tick)
                collected += last
        lake.compact()
    _report(lake, collected, [_held(lake, instrument, tick, hours) for instrument in instruments], tick, as_json)
    for failure in (*absent, *last.failures):
        raise failure


class _Bars:
    """A progress bar for each venue, with rows per second and the time that is left."""

    def __init__(self, venues: list[str]) -> None:
        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        )  # fmt: skip
        console = Console(stderr=True)
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {venue: self._bar.add_task(venue, total=None, rate="") for venue in venues}

    def __enter__(self) -> "_Bars":
        self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.stop()

    def watch(self, progress: Progress) -> None:
        """Move one venue's bar."""
        task = self._bar.tasks[self._tasks[progress.venue]]
        rate = f"{progress.rows:,} rows, {progress.rows / max(task.elapsed or 0.0, 0.1):,.0f}/s"
        self._bar.update(task.id, total=progress.total, completed=progress.done, rate=rate)


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


def _report(lake: Lake, collected: Collected, rows: list[dict[str, object]], tick: int, as_json: bool) -> None:
    told = vars(collected.rows)
    if as_json:
        troubles = [*collected.troubles, *map(str, collected.failures)]
        print_json({"lake": lake.shown, "until": iso(tick), "rows": told, "troubles": troubles, "instruments": rows})
        return
    table = Table(title="the lake's newest history", title_justify="left", box=SIMPLE)
    for heading in ("instrument", "bars", "gaps", "settled", "newest bar", "settlement"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "instrument" else "right")
    for row in rows:
        newest = (str(row[name] or "-")[5:13].replace("T", " ") + "h" for name in ("newest_bar", "newest_settlement"))
        figures = (str(row[name]) for name in ("bars", "bars_missing", "settlements"))
        table.add_row(f"{row['venue']} {row['symbol']}", *figures, *newest)
    counts = ", ".join(f"{number} {what}" for what, number in told.items())
    show(table, *collected.troubles, f"rows: {counts}; in {lake.shown}")
