"""`bot status`, `bot positions`, `bot trades`: the newest run as the ledger has it, while it runs or after."""

from dataclasses import asdict

from rich.markup import escape

from bot.cli.tables import metrics_table, money_table, positions_table, print_json, show, trades_table
from bot.instance import is_running
from bot.latch import LatchState, latch_line
from bot.ledger.store import Ledger
from bot.opened_ledger import existing_ledger, ledger_place
from bot.run_folder import latches
from bot.settings import Settings
from bot.status import Status, newest_run, read_status, trade_as_json
from data.errors import StateError


def show_status(settings: Settings, *, as_json: bool) -> None:
    """Equity, P&L, drawdown, champion, positions."""
    status = read_status(_open(settings))
    running, latch = is_running(settings.var), latches(settings).read()
    if as_json:
        print_json(status.as_json() | {"running": running, "latch": asdict(latch)})
        return
    held_back = "" if latch.state is LatchState.NONE else f"\n[bold red]{escape(latch_line(latch))}[/bold red]"
    show(
        headline(status, "running now" if running else "no bot running") + held_back,
        money_table("", status.pnl, status.initial_capital),
        metrics_table(status.metrics),
        positions_table(status.positions),
    )


def headline(status: Status, state: str) -> str:
    """The account in three lines."""
    episode = f"\nepisode: {status.episode}" if status.episode else ""
    return (
        f"[bold]run {status.run}[/bold] ({state}) on {status.world}\n"
        f"champion {status.champion}, market time {status.market_time}\n"
        f"equity [bold]{status.equity:,.2f}[/bold] ({status.pnl_pct:+z.3f} %), drawdown {status.drawdown_pct:.3f} %, "
        f"funding earned {status.funding_earned:+z.2f}{episode}"
    )


def show_positions(settings: Settings, *, as_json: bool) -> None:
    """Open positions with both legs."""
    positions = read_status(_open(settings)).positions
    if as_json:
        print_json([asdict(position) for position in positions])
    else:
        show(positions_table(positions))


def show_trades(settings: Settings, *, as_json: bool) -> None:
    """Closed positions of the newest run."""
    ledger = _open(settings)
    trades = ledger.trades(newest_run(ledger).id)
    if as_json:
        print_json([trade_as_json(trade) for trade in trades])
    else:
        show(trades_table(trades))


def _open(settings: Settings) -> Ledger:
    ledger = existing_ledger(settings)
    if ledger is None:
        place = ledger_place(settings)
        raise StateError(f"there is no ledger at {place}: start with `bot run --paper`, or name its folder by --var")
    return ledger
