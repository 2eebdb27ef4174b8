"""A small document of a walk forward, as `bot.walk_report` makes them, for the tests of its page."""

from dataclasses import asdict
from itertools import product as product_of
from typing import Any

import numpy as np

from backtest.breakdown import by_asset, by_month, by_venues
from backtest.figures import Resampling, difference, figures
from backtest.track import CAUSES, Track
from data.types import HOUR_MS
from tests.unit.backtest.tracks import START, held, track, trade

HOURS = 240
HOW = Resampling(24, 200, 1)


def document(cycles: int = 3, trades: int = 20) -> dict[str, Any]:
    """Three lines over ten days; a cycle has two rounds of three members, and the second one is promoted."""
    random = np.random.default_rng(4)
    worth = [10_000 + np.concatenate([[0.0], random.normal(drift, 3, HOURS).cumsum()]) for drift in (0.8, 0.5)]
    closed = [trade("BTC" if i % 3 else "ETH", 5 + 10 * i, funding=float(i % 7) - 2) for i in range(trades)]
    product = track(worth[0].tolist(), closed, [held("XRP", funding=4.0)], [5000.0] * (HOURS + 1), name="product")
    rule, flat = track(worth[1].tolist(), name="rule"), track([10_000.0] * (HOURS + 1), name="flat")
    tracks = (product, rule, flat)
    return {
        "market": "synthetic <market>, seed 7",
        "from": "2025-01-31T23:00Z",
        "to": "2025-02-10T23:00Z",
        "first_ms": START,
        "hours": HOURS,
        "initial_capital": 10_000.0,
        "lines": [_line(one, rule) for one in tracks],
        "hindsight": {
            "carry": {"pnl": 400.0, "reached": 390.0, "positions": 7},
            "all": {"pnl": 900.0, "reached": 880.0, "positions": 40},
        },
        "key_figures": [
            {
                "name": "profit factor", "value": None, "target": 2.0, "unit": "", "above": True, "met": True,
                "formula": "sum of winning trades / |sum of losing trades|",
            }
        ],
        "arms": {"best, no gate": "whatever the gate said"},
        "gate": {"pnl_pct": -0.1, "per_30_days": -0.3, "low": -0.5, "high": None},
        "costs": [{"factor": factor, "pnl_pct": {"product": 1.5 - factor, "rule": 0.1}} for factor in (0.5, 1.0, 2.0)],
        "selection": {"trials": 18, "deflated_sharpe": 0.4, "overfitting": None, "overfitting_by_cycle": {}},
        "breakdown": {
            name: [asdict(part) | {"total": part.total} for part in parts(product)]
            for name, parts in (("asset", by_asset), ("venues", by_venues), ("month", by_month))
        },
        "cycles": [_cycle(number) for number in range(1, cycles + 1)],
        "champions": [
            {"from": "2025-01-31T23:00Z", "from_ms": START, "version": "rule-1"},
            {"from": "2025-02-04T23:00Z", "from_ms": START + 96 * HOUR_MS, "version": "ppo-2"},
        ],
        "happened": [{"at": "2025-02-04T23:00Z", "kind": "promoted", "text": "champion ppo-2 takes over"}],
        "trades": [_trade(one) for one in closed],
        "held": [asdict(one) | {"opened": "2025-01-31T23:00Z", "pnl": one.pnl} for one in product.held],
        "rounds": [_round(*place) for place in product_of(range(1, cycles + 1), (1, 2), range(3))],
        "search_space": {
            "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True, "step": None, "choices": None},
            "gamma": {"low": None, "high": None, "log": False, "step": None, "choices": [0.9, 0.95, 0.99]},
        },
        "curves": {
            one.name: {"equity": one.equity.tolist(), "gross": one.gross.tolist()}
            | dict(zip(CAUSES, one.causes.T.tolist(), strict=True))
            for one in tracks
        },
    }  # fmt: skip


def _line(one: Track, rule: Track) -> dict[str, Any]:
    told, apart = figures(one, HOW), difference(one, rule, HOW)
    return {
        "name": one.name,
        "equity": float(one.equity[-1]),
        "pnl": one.split,
        "metrics": asdict(told.metrics),
        "figures": {name: value for name, value in asdict(told).items() if name != "metrics"},
        "against_rule": {
            "pnl_pct": apart.pnl_pct,
            "per_30_days": apart.per_30_days.value,
            "low": apart.per_30_days.low,
            "high": apart.per_30_days.high,
        },
        "share_of_hindsight_pct": 10.0,
        "share_of_carry_pct": None,
    }


def _trade(one: Any) -> dict[str, Any]:
    times = {"opened": "2025-01-31T23:00Z", "closed": "2025-02-01T23:00Z"}
    costs = {"cost_bps": one.cost_bps, "taker_cost_bps": one.taker_cost_bps}
    return asdict(one) | times | {"pnl": one.pnl, "pnl_pct": one.pnl_pct, "hours": one.hours} | costs


def _cycle(number: int) -> dict[str, Any]:
    passed = number == 2
    beaten = {"advantage": 0.4, "standard_error": 0.1, "p_value": 0.01, "detectable": 0.3, "passed": passed}
    return {
        "number": number,
        "at": "2025-02-01T00:00Z",
        "champion": "rule-1",
        "challenger": f"ppo-{number}",
        "heir": None,
        "verdict": {
            "promoted": passed,
            "comparisons": [
                {"incumbent": name, "lower": 0.1 if passed else None if number == 1 else -40.0, **beaten}
                for name in ("champion", "rule")
            ],
            "limits": [{"name": "min_trades", "value": 9, "bound": 5, "passed": True}],
            "reasons": ["cannot tell it from <rule>"],
        },
    }


def _round(cycle: int, number: int, member: int) -> dict[str, Any]:
    """Member 2 fails in the first round, and copies member 0 in the second."""
    place = 6 * (cycle - 1) + 3 * (number - 1) + member
    parent = 0 if (number, member) == (2, 2) else member
    return {
        "cycle": cycle,
        "round": number,
        "member": member,
        "parent": None if place < 3 else parent,
        "reason": "first" if place < 3 else "truncation" if parent != member else "continued",
        "came_from": None if place < 3 else place - 3 - member + parent,
        "hyperparameters": {"learning_rate": 1e-4 * (1 + member), "gamma": (0.9, 0.95, 0.99)[member]},
        "failure": "NaN" if (number, member) == (1, 2) else None,
        "score": None if (number, member) == (1, 2) else 0.1 * member + cycle,
    }
