"""`/report`: pictures of the account for a phone: equity with drawdown, and what was and is held."""

from contextlib import closing
from html import escape
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from backtest.figures import drawdowns
from backtest.trades import Trade
from bot.account_history import equity_curve
from bot.answers.text import money, percent
from bot.run_folder import looked_at_ledger
from bot.settings import Settings
from bot.status import Status, newest_run, read_status
from data.types import HOUR_MS

SIZE_INCHES, DPI = (6.0, 6.4), 150
"""Tall, as phones are."""
BARS = 40
"""Positions shown, the newest."""
GAIN, LOSS, LINE = "#2a9d5c", "#c8463c", "#2b6cb0"


def pictures(settings: Settings) -> list[tuple[str, bytes]]:
    """(caption, PNG) of each picture. Raises StateError before the first complete hour."""
    with closing(looked_at_ledger(settings)) as ledger:
        run, told = newest_run(ledger), read_status(ledger)
        caption = (
            f"<b>equity {told.equity:,.2f}</b> ({percent(told.pnl_pct, 3)}), drawdown {told.drawdown_pct:.3f}%\n"
            f"run {told.run}, {escape(told.market_time)}"
        )
        closed = ledger.trades(run.id)
        return [
            (caption, _png(_equity(*equity_curve(ledger, run)))),
            (_held_caption(told, closed), _png(_positions(told, closed))),
        ]


def _equity(ticks: np.ndarray, curve: np.ndarray) -> Figure:
    """Equity above, drawdown below, over time."""
    figure = _figure()
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    times = ticks.astype("datetime64[ms]")
    above.plot(times, curve, color=LINE, linewidth=1.6)
    above.axhline(curve[0], color="0.7", linewidth=0.8)
    above.set_title("Equity", loc="left")
    below.fill_between(times, drawdowns(curve), color=LOSS, alpha=0.5, linewidth=0)
    below.set_title("Drawdown, %", loc="left")
    _dated(below)
    return figure


def _positions(told: Status, closed: list[Trade]) -> Figure:
    """A bar from entry to exit for each position, green where it earned; open ones reach to now."""
    figure = _figure()
    axes = figure.subplots()
    now = _ms(told.market_time)
    bars = [(one.asset, one.opened_ms, one.closed_ms, one.pnl) for one in closed]
    bars += [(f"{one.asset} ▸", _ms(one.opened), now, one.pnl) for one in told.positions]
    for row, (_, opened, until, pnl) in enumerate(bars := bars[-BARS:]):
        begin, end = (np.datetime64(ms, "ms") for ms in (opened, max(until, opened + HOUR_MS // 2)))
        axes.barh(row, end - begin, left=begin, height=0.7, color=GAIN if pnl >= 0 else LOSS)
        axes.annotate(f" {money(pnl)}", (end, row), va="center", fontsize=7)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars], fontsize=8)
    axes.set_title("Positions, ▸ open" if bars else "No position yet", loc="left")
    first = min([opened for _, opened, *_ in bars], default=now - HOUR_MS) - HOUR_MS
    ends = [np.datetime64(ms, "ms") for ms in (first, now + (now - first) // 5)]  # the figures need room
    axes.set_xlim(*date2num(ends))  # type: ignore[no-untyped-call]
    _dated(axes)
    return figure


def _held_caption(told: Status, closed: list[Trade]) -> str:
    held = f"{len(told.positions)} held, {len(closed)} closed"
    return f"<b>{held}</b>, {money(sum(one.pnl for one in closed))} by those that were closed"


def _ms(iso: str) -> int:
    return int(np.datetime64(iso.removesuffix("Z"), "ms").astype(np.int64))


def _figure() -> Figure:
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _dated(axes: Axes) -> None:
    """Dates on the lower axis, as few words as possible."""
    locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _png(figure: Figure) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
