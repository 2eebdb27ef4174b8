"""`GET /metrics`: the bot's figures for Prometheus. Names and units are in docs/web.md."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.web.models import Account, Health, Learning, State

PREFIX = "funding_bot_"


def metrics_text(state: State, learning: Learning) -> bytes:
    """Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(state, learning))
    return generate_latest(registry)


class _Told(Collector):
    """One moment's figures."""

    def __init__(self, state: State, learning: Learning) -> None:
        self._state = state
        self._learning = learning

    def collect(self) -> Iterator[Metric]:
        """Every figure that is known."""
        if self._state.account is not None:
            yield from _account(self._state.account)
        yield _gauge("positions", "Open pair positions.", len(self._state.positions))
        yield from _health(self._state.health)
        yield from _gate(self._learning)


def _account(account: Account) -> Iterator[Metric]:
    champion = InfoMetricFamily(f"{PREFIX}champion", "Who decides.")
    champion.add_metric([], {"name": account.champion, "profile": account.profile, "run": str(account.run)})
    yield champion
    yield _gauge("equity", "Equity after the last complete hour, quote currency.", account.equity)
    yield _gauge("initial_capital", "Capital that the run began with, quote currency.", account.initial_capital)
    yield _gauge("drawdown_ratio", "Equity below its highest so far, as a share of it.", account.drawdown_pct / 100)
    yield _gauge("exposure", "Notional held at all venues, both directions, quote currency.", account.gross)
    yield _gauge("last_tick_timestamp_seconds", "Market time of the last complete hour.", account.tick_ms / 1000)
    yield _counter("trades", "Pair positions closed.", account.trades)
    split = GaugeMetricFamily(f"{PREFIX}pnl", "P&L since the run began, quote currency.", labels=["cause"])
    for cause, amount in account.pnl.items():
        split.add_metric([cause], amount)
    yield split
    for name, text, values in (
        ("venue_equity", "Equity by venue, quote currency.", {one.venue: one.equity for one in account.venues}),
        ("venue_exposure", "Notional held by venue, quote currency.", {one.venue: one.gross for one in account.venues}),
    ):
        family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=["venue"])
        for venue, amount in values.items():
            family.add_metric([venue], amount)
        yield family


def _health(health: Health) -> Iterator[Metric]:
    yield _gauge("healthy", "1 if a trader runs, is not late and may enter.", float(health.healthy))
    yield _gauge("trader_running", "1 if a trader holds the run-time folder.", float(health.trader_running))
    if health.hours_since_last_tick is not None:
        yield _gauge("hours_since_last_tick", "Real hours since an hour was completed.", health.hours_since_last_tick)
    latch = GaugeMetricFamily(f"{PREFIX}latch", "1 for what holds entries back.", labels=["state"])
    for state in ("none", "paused", "killed", "unreadable"):
        latch.add_metric([state], float(health.latch.state == state))
    yield latch
    yield _counter("troubles", "Troubles that the run has told.", health.troubles)
    yield _gauge("problems", "Parts of what is shown that cannot be read.", len(health.problems))
    orders = GaugeMetricFamily(f"{PREFIX}orders", "Orders of the run.", labels=["state"])
    for state, count in health.orders.items():
        orders.add_metric([state], count)
    yield orders


def _gate(learning: Learning) -> Iterator[Metric]:
    newest = learning.verdicts[0] if learning.verdicts else None
    yield _gauge(
        "training_cycle", "Number of the newest training cycle; 0 before the first.", newest.cycle if newest else 0
    )
    verdicts = CounterMetricFamily(f"{PREFIX}gate_verdicts", "Verdicts of the gate.", labels=["verdict"])
    judged = [one for one in learning.verdicts if one.judged]
    promoted = sum(one.promoted for one in judged)
    verdicts.add_metric(["promoted"], promoted)
    verdicts.add_metric(["refused"], len(judged) - promoted)
    yield verdicts


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}{name}", text, value=value)
