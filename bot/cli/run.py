"""`bot run`: a progress line while it trades, a summary at the end."""

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from backtest.accounting import Books, equity
from bot.alerts import Kind
from bot.child_process import end_on_signals
from bot.cli.inspect import headline
from bot.cli.tables import metrics_table, money_table, positions_table, print_json, show, trades_table
from bot.identity import Bounds
from bot.opened_ledger import open_ledger
from bot.pulse import Pulse
from bot.runtime import Progress, run
from bot.settings import Settings
from bot.status import iso, newest_run, read_status, trade_as_json
from data.types import HOUR_MS

QUIET = {Kind.DATA}
"""Events that stay in the log."""
OPENING = "opening the market; the first time, compiling takes half a minute"


def trade(settings: Settings, bounds: Bounds, *, fresh: bool, as_json: bool) -> None:
    """Run until the bound or Ctrl-C, then print the summary."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(OPENING, total=None, state="")
        pulse = Pulse()

        def watch(progress: Progress) -> None:
            books, tick, account = progress.trader.books, progress.record.tick, progress.run
            for event in progress.record.events:
                if event.kind not in QUIET:
                    console.print(f"{iso(event.tick)}  {event.text}", highlight=False, soft_wrap=True)
            state = stands(books, pulse if console.is_terminal else None)
            if not console.is_terminal and tick // HOUR_MS % 24 == 0:
                console.print(f"{iso(tick)}  {state}", highlight=False, soft_wrap=True)
            total = None if progress.last is None else (progress.last - account.from_ms) / HOUR_MS
            done = (tick - account.from_ms) / HOUR_MS
            bar.update(task, description=iso(tick), total=total, completed=done, state=state)

        asyncio.run(_until_signal(settings, bounds, fresh, watch, pulse))
    _summary(settings, as_json=as_json)


def stands(books: Books, pulse: Pulse | None) -> str:
    """The account in a line; with a pulse, also whether a cycle trains, for which simulated time may have to wait."""
    training = pulse is not None and pulse.training is not None
    state = f"equity {equity(books):,.2f}, {int((books.opened_at != 0).sum())} positions"
    return f"{state}, agents train" if training else state


async def _until_signal(
    settings: Settings, bounds: Bounds, fresh: bool, watch: Callable[[Progress], None], pulse: Pulse
) -> None:
    stop = asyncio.Event()
    end_on_signals(stop)
    await run(settings, bounds, fresh=fresh, stop=stop, watch=watch, pulse=pulse)


def _summary(settings: Settings, *, as_json: bool) -> None:
    ledger = open_ledger(settings)
    if ledger.snapshot(newest_run(ledger).id) is None:
        Console(stderr=True).print("stopped before the first hour was complete; the next start continues")
        return
    status = read_status(ledger)
    trades = ledger.trades(status.run)
    if as_json:
        print_json(status.as_json() | {"trades": [trade_as_json(trade) for trade in trades]})
        return
    show(
        trades_table(trades),
        positions_table(status.positions),
        money_table("", status.pnl, status.initial_capital),
        metrics_table(status.metrics),
        headline(status, "reached its bound" if status.state == "finished" else "stopped; the next start continues"),
    )
