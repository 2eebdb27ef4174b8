"""Answers about the account: `/status`, `/positions`, `/pnl`, `/balance`, `/trades`, `/funding`, from the ledger."""

import time
from html import escape

from bot.account_history import DAY_MS, funding_by, money_by_venue, payments, periods
from bot.answers.text import WIDTH, ago, bold, money, percent, short_time, table
from bot.instance import is_running
from bot.latch import HALT, LATCH, Latches, LatchFile, LatchState, latch_line
from bot.ledger.store import Ledger
from bot.settings import Settings
from bot.status import Position, Status, newest_run, read_status

LATE_S = 75 * 60
"""An hour of real time that is not complete by then is told of."""
TRADES, MOST_TRADES, MOST_POSITIONS = 5, 40, 12


def status(ledger: Ledger, settings: Settings) -> str:
    """The account in one screen."""
    run, told = newest_run(ledger), read_status(ledger)
    running = is_running(settings.var)
    figures = (
        ("equity", f"{told.equity:,.2f}"),
        ("P&L", money(told.pnl["total"])),
        ("", percent(told.pnl_pct, 3)),
        ("drawdown", f"{told.drawdown_pct:.3f}%"),
        *((cause, money(told.pnl[cause])) for cause in ("funding", "basis", "fees", "slippage")),
    )
    saved = ledger.snapshot(run.id)
    lines = [
        f"{'🟢' if running else '⚪️'} {bold(f'run {told.run}')} · {'running' if running else 'no trader runs'} · "
        f"{escape(told.profile)}",
        f"<i>{escape(told.world)}</i>",
        _hour(told, settings, 0 if saved is None else saved[0], running),
        table(figures),
        f"champion <code>{escape(told.champion)}</code>",
        _held(told.positions),
    ]
    if told.episode:
        lines.append(f"<i>{escape(told.episode)}</i>")
    return "\n".join([*lines, *_latches(settings)])


def positions(ledger: Ledger) -> str:
    """Every open position with both legs."""
    told = read_status(ledger)
    if not told.positions:
        return f"nothing is held ({escape(told.market_time)})"
    shown = [_position(one) for one in told.positions[:MOST_POSITIONS]]
    if rest := told.positions[MOST_POSITIONS:]:
        shown.append(f"… and {len(rest)} more")
    return "\n\n".join([bold(f"{len(told.positions)} open positions"), *shown])


def pnl(ledger: Ledger) -> str:
    """P&L by period."""
    rows = [("", "P&L", "%", "funding", "n")]
    for one in periods(ledger, newest_run(ledger)):
        rows.append((one.name, money(one.pnl), f"{one.pnl_pct:+.2f}", money(one.funding), str(one.trades)))
    return f"{bold('P&L')} up to the last hour\n{table(rows)}\n<i>%: of initial capital; n: positions closed</i>"


def balance(ledger: Ledger, settings: Settings) -> str:
    """Money by venue, as the books have it."""
    run = newest_run(ledger)
    found = money_by_venue(ledger, run, tuple(settings.data.venues))
    rows = [("", "equity", "held", "x")]
    for name, equity, gross in [
        *((one.venue, one.equity, one.gross) for one in found),
        ("all", sum(one.equity for one in found), sum(one.gross for one in found)),
    ]:
        rows.append((name, f"{equity:,.2f}", f"{gross:,.0f}", f"{gross / equity:.2f}" if equity > 0 else "-"))
    return f"{bold('Balance')} by the books\n{table(rows)}\n<i>held: notional; x: held over equity</i>"


def trades(ledger: Ledger, words: tuple[str, ...]) -> str:
    """The newest closed positions, newest first."""
    closed = ledger.trades(newest_run(ledger).id)
    asked = int(words[0]) if words and words[0].isdecimal() else TRADES
    shown = closed[::-1][: max(1, min(asked, MOST_TRADES))]
    if not shown:
        return "no position was closed yet"
    rows = [("", "P&L", "%", "h", "closed")]
    for one in shown:
        rows.append(
            (one.asset, money(one.pnl), f"{one.pnl_pct:+.2f}", f"{one.hours:.0f}", short_time(one.closed_ms)[:5])
        )
    unusual = [f"{one.asset} {short_time(one.closed_ms)}: {one.reason}" for one in shown if one.reason != "policy"]
    total = sum(one.pnl for one in closed)
    foot = f"<i>{len(closed)} in all, {money(total)}; %: of leg notional</i>"
    return "\n".join([bold(f"Last {len(shown)} closed positions"), table(rows), foot, *map(escape, unusual)])


def funding(ledger: Ledger) -> str:
    """Funding by period, and the month's by venue and asset."""
    run = newest_run(ledger)
    paid = payments(ledger, run)
    if not paid:
        return "no funding was settled yet"
    told = periods(ledger, run)
    since = told[0].since_ms + DAY_MS - 30 * DAY_MS
    rows = [(one.name, money(one.funding)) for one in told]
    by_venue = [(name, money(amount)) for name, amount in funding_by(paid, "venue", since).items()]
    by_asset = [(name, money(amount)) for name, amount in list(funding_by(paid, "asset", since).items())[:10]]
    last = [(one.asset, one.venue[:8], money(one.amount), short_time(one.due_ms)[:8] + "h") for one in paid[:-6:-1]]
    return (
        f"{bold('Funding received')}\n{table(rows)}\n{bold('This month by venue')}\n{table(by_venue)}\n"
        f"{bold('by asset')}\n{table(by_asset)}\n{bold('Last settlements')}\n{table(last)}"
    )


def _hour(told: Status, settings: Settings, tick: int, running: bool) -> str:
    """When the last complete hour was; in real time also how long ago, and whether the next one is late."""
    text = f"hour {escape(told.market_time)}"
    if settings.profile == "sandbox" or settings.rehearsal:
        return text
    age_s = time.time() - tick / 1000
    late = "\n⚠️ <b>the trader completes no hour</b>: it waits for a venue, or hangs" if age_s > LATE_S else ""
    return f"{text}, {ago(age_s)}" + (late if running else "")


def _held(held: tuple[Position, ...]) -> str:
    if not held:
        return "nothing is held"
    return f"{len(held)} held: " + ", ".join(f"{escape(one.asset)} {money(one.pnl)}" for one in held)


def _latches(settings: Settings) -> list[str]:
    held = Latches([LatchFile(settings.var / LATCH), LatchFile(settings.var / HALT)]).held()
    return [f"⛔️ {escape(latch_line(latch))}" for _, latch in held if latch.state is not LatchState.NONE]


def _position(one: Position) -> str:
    rows = [
        (side, f"{leg.quantity:+.6g}"[: WIDTH // 3], f"{leg.entry_price:.6g}", f"{leg.mark:.6g}")
        for side, leg in (("long", one.long), ("short", one.short))
    ]
    venues = f"{escape(one.long.venue)} / {escape(one.short.venue)}"
    return (
        f"{bold(one.asset)} {money(one.pnl)} ({percent(one.pnl_pct)}), {one.hours:g} h\n<i>{venues}</i>\n"
        f"{table([('', 'size', 'entry', 'mark'), *rows])}\nfunding {money(one.funding)}, basis {money(one.basis)}"
    )
