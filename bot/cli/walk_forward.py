"""`bot backtest --walk-forward`: the whole bot's out-of-sample curve, beside what plain policies earned meanwhile."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from backtest.hindsight import hindsight_bound
from backtest.history import History
from backtest.policies import plain_policy
from backtest.report.page import page
from backtest.report.trades import write_trades
from backtest.sandbox.world import WARM_UP_MS
from backtest.schema import schema_of
from backtest.walk_forward import walk_along
from backtest.windows import Window
from bot.arms import compare
from bot.cli.tables import print_json, show, waiting
from bot.cli.walk_tables import summary
from bot.histories import Played, played_market
from bot.identity import Bounds, market_name
from bot.instance import single_instance
from bot.settings import Settings
from bot.walk_forward import Watching, known_at, tapes, walk_forward
from bot.walk_report import Beside, Json, document
from data.durable import write_whole
from data.market import Market
from data.types import HOUR_MS
from pbt_online.cycle import Watch


def walk(settings: Settings, bounds: Bounds, *, fresh: bool, arms: bool, as_json: bool) -> None:
    """Walk, compare (with the `arms` too, where they are asked for), print, and leave a report. A walk that was broken
    off is gone on with unless `fresh`."""
    shown = played_market(settings)
    market, window = shown.market, window_of(settings, bounds, shown)
    folder = walk_folder(settings, window, shown)
    with single_instance(folder):
        if fresh:
            for learnt in ("population", "arms"):
                rmtree(folder / learnt, ignore_errors=True)
        with _watching(window) as watch:
            walked = asyncio.run(walk_forward(settings, market, window, folder / "population", watch))
            compared = None
            if arms:
                compared = asyncio.run(compare(settings, market, window, folder / "arms", walked, watch))
        with waiting("playing the plain policies, and looking for what hindsight would have earned"):
            told = document(settings, window, walked, beside(settings, market, window), compared)
        written = write_report(folder, told)
    if as_json:
        print_json(told)
    else:
        show(*summary(told))
    Console(stderr=as_json).print(f"report: {written}", soft_wrap=True, markup=False, highlight=False)


def write_report(folder: Path, told: Json) -> Path:
    """`report.html` in `folder`, and its trades as CSV and parquet; the path of the first."""
    path = folder / "report.html"
    write_whole(path, page(told).encode())
    write_trades(folder, told["trades"])
    return path


def window_of(settings: Settings, bounds: Bounds, shown: Played) -> Window:
    """The hours that are lived through: by default from where `bot run` begins in a simulated market, or what is
    collected of real venues suffices for features, to the market's end."""
    first = shown.begin_ms + WARM_UP_MS if bounds.from_ms is None else bounds.from_ms
    last = shown.newest(settings) if bounds.to_ms is None else bounds.to_ms
    return Window(first, last if bounds.hours is None else first + bounds.hours * HOUR_MS)


def walk_folder(settings: Settings, window: Window, shown: Played) -> Path:
    """Where a walk keeps what it has learnt: one for each market, window and settings that matter to it."""
    collected = () if settings.profile == "sandbox" else (shown.begin_ms,)  # more of it may come in
    told = (
        market_name(settings),
        settings.data.model_dump_json(),
        settings.environment.model_dump_json(),
        settings.learning.model_dump_json(exclude={"backend", "tensorboard"}),
        settings.seed,
        asdict(window),
        *collected,
    )
    return settings.var / "walk-forward" / hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def beside(settings: Settings, market: Market, window: Window) -> Beside:
    """The yardsticks of a window: the plain policies' paths, and what hindsight could have earned."""
    history: History = known_at(market, window.first_tick, settings, window.last_tick)
    tape_of, schema = tapes(settings, history, window), schema_of(settings.environment)
    rule, flat = (
        walk_along(name, tape_of, [(window.first_tick, plain_policy(name, schema, settings.seed))])
        for name in ("rule", "flat")
    )
    tape = tape_of(schema)
    return Beside(rule, flat, hindsight_bound(tape), hindsight_bound(tape, basis=False))


@contextmanager
def _watching(window: Window) -> Iterator[Watching]:
    """A bar on the terminal; nothing where the output is a file or a pipe."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing", total=window.hours)

        def cycle(number: int, of: int) -> None:
            bar.update(task, description=f"cycle {number} of {of}")

        def walked(tick: int, worth: float) -> None:
            bar.update(task, completed=(tick - window.first_tick) // HOUR_MS)

        learning = Watch(round=lambda done: bar.update(task, description=f"cycle {done.cycle}, round {done.number}"))
        yield Watching(cycle, learning, walked)
