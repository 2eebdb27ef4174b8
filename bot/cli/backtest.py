"""`bot backtest`: one policy over the market that `bot run` would meet, without servers: of real venues over what is
collected of them."""

from collections.abc import Callable
from dataclasses import asdict

from rich.markup import escape

from backtest.accounting import pnl_split
from backtest.replay import Result
from backtest.tape import Fills, Tape, tape_of_market
from backtest.yardsticks import compare
from bot.cli.policies import check_name, learned_here, played, policy_named
from bot.cli.tables import (
    metrics_table,
    money_table,
    print_json,
    show,
    timing_table,
    trades_table,
    waiting,
    yardsticks_table,
)
from bot.histories import played_market
from bot.identity import Bounds, describe
from bot.settings import Settings
from bot.status import iso, trade_as_json
from data.types import HOUR_MS


def play(
    settings: Settings,
    bounds: Bounds,
    policy: str,
    *,
    fills: str,
    late_listings: bool,
    list_trades: bool,
    as_json: bool,
) -> None:
    """Backtest and print the result."""
    check_name(settings, policy)
    version, decides = policy_named(settings, policy)
    with waiting(f"playing {policy}; the first time, compiling takes half a minute"):
        result = played(tapes_of_market(settings, bounds, late_listings=late_listings)(Fills(fills)), decides)
    seen = learned_here(version, result)
    if as_json:
        print_json(_as_json(result) | {"seen_before": seen})
        return
    capital = settings.environment.initial_capital
    show(
        *([trades_table(result.trades)] if list_trades else []),
        money_table("", pnl_split(result.books), capital),
        metrics_table(result.metrics),
        *([f"it has seen this window before: {', '.join(seen)}"] if seen else []),
        f"[bold]{escape(result.policy)}[/bold] on {describe(settings)}, {iso(int(result.ticks[0]))} to "
        f"{iso(int(result.ticks[-1]))}: equity [bold]{result.equity[-1]:,.2f}[/bold] "
        f"({result.metrics.pnl_pct:+z.3f} %)",
    )


def show_yardsticks(settings: Settings, bounds: Bounds, *, late_listings: bool, as_json: bool) -> None:
    """Play the plain policies, bound what could have been earned, and print both."""
    with waiting("playing rule, flat and random at three times of filling, and looking for what hindsight would earn"):
        comparison = compare(tapes_of_market(settings, bounds, late_listings=late_listings), settings.seed)
    if as_json:
        print_json(asdict(comparison))
        return
    capital = settings.environment.initial_capital
    show(yardsticks_table(comparison, capital), timing_table(comparison), describe(settings))


def tapes_of_market(settings: Settings, bounds: Bounds, *, late_listings: bool) -> Callable[[Fills], Tape]:
    """The tapes of the market between the bounds, by when decisions fill; by default all of the market. Raises
    MissingData where nothing is collected of real venues."""
    shown = played_market(settings)
    first = shown.begin_ms + settings.data.history_hours * HOUR_MS if bounds.from_ms is None else bounds.from_ms
    last = shown.newest(settings) if bounds.to_ms is None else bounds.to_ms
    last = last if bounds.hours is None else first + bounds.hours * HOUR_MS
    return lambda fills: tape_of_market(
        shown.market, settings.data, settings.environment, first, last, fills=fills, late_listings=late_listings
    )


def _as_json(result: Result) -> dict[str, object]:
    return {
        "policy": result.policy,
        "from": iso(int(result.ticks[0])),
        "to": iso(int(result.ticks[-1])),
        "equity": float(result.equity[-1]),
        "pnl": pnl_split(result.books),
        "metrics": vars(result.metrics),
        "trades": [trade_as_json(trade) for trade in result.trades],
        "curve": [[iso(int(tick)), float(value)] for tick, value in zip(result.ticks, result.equity, strict=True)],
    }
