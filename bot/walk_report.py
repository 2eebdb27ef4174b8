"""A walk forward as one plain document: all that its table, its HTML page and `--json` say, figure by figure."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backtest.breakdown import Part, by_asset, by_month, by_venues
from backtest.figures import Figures, Resampling, difference, figures
from backtest.hindsight import Bound
from backtest.metrics import HOURS_PER_YEAR
from backtest.sharpe import deflated_sharpe_of
from backtest.track import CAUSES, Track
from backtest.windows import Window
from bot.arms import Compared
from bot.identity import describe
from bot.settings import Settings
from bot.status import iso, key_figures, kpi_as_json, trade_as_json
from bot.walk_forward import Walked
from pbt_online.cycles import Cycle
from pbt_online.lineage import lineage

Json = dict[str, Any]


@dataclass(frozen=True)
class Beside:
    """What a walk is held against on the same window."""

    rule: Track
    flat: Track
    bound: Bound
    """What hindsight could have earned."""
    carry_bound: Bound
    """The same by carry alone."""


def document(
    settings: Settings, window: Window, walked: Walked, beside: Beside, compared: Compared | None = None
) -> Json:
    """Everything that is known of a walk, as plain data; `docs/walk_forward.md` says what each figure is."""
    product, arms = walked.track, () if compared is None else compared.arms
    tracks = (product, beside.rule, beside.flat, *(arm.track for arm in arms))
    gate = settings.learning.gate
    how = Resampling(gate.block_hours, gate.resamples, settings.seed)
    told = {track.name: figures(track, how) for track in tracks}
    return {
        "market": describe(settings),
        "from": iso(window.first_tick),
        "to": iso(window.last_tick),
        "first_ms": window.first_tick,
        "hours": product.hours,
        "initial_capital": float(product.equity[0]),
        "lines": [_line(track, told[track.name], beside, how) for track in tracks],
        "hindsight": {"carry": _bound(beside.carry_bound), "all": _bound(beside.bound)},
        "key_figures": [kpi_as_json(one) for one in key_figures(told[product.name].metrics)],
        "arms": {arm.track.name: arm.about for arm in arms},
        "gate": None if compared is None else _apart(product, compared.ungated, how),
        "costs": [] if compared is None else [{"factor": factor, "pnl_pct": pnl} for factor, pnl in compared.costs],
        "selection": _selection(walked),
        "breakdown": {
            "asset": _parts(by_asset(product)),
            "venues": _parts(by_venues(product)),
            "month": _parts(by_month(product)),
        },
        "cycles": [_cycle(cycle) for cycle in walked.cycles],
        "champions": [{"from": iso(tick), "from_ms": tick, "version": name} for tick, name in walked.champions],
        "happened": [{"at": iso(one.tick), "kind": one.kind.value, "text": one.text} for one in walked.happened],
        "trades": [trade_as_json(trade) for trade in product.trades],
        "held": [asdict(one) | {"opened": iso(one.opened_ms), "pnl": one.pnl} for one in product.held],
        "rounds": _rounds(walked),
        "search_space": {
            name: one.model_dump(mode="json") for name, one in settings.learning.population.search_space.items()
        },
        "curves": {track.name: _curves(track) for track in tracks},
    }


def _line(track: Track, told: Figures, beside: Beside, how: Resampling) -> Json:
    split = track.split
    return {
        "name": track.name,
        "equity": float(track.equity[-1]),
        "pnl": split,
        "metrics": asdict(told.metrics),
        "figures": {name: value for name, value in asdict(told).items() if name != "metrics"},
        "against_rule": _apart(track, beside.rule, how),
        "share_of_hindsight_pct": _share(split["total"], beside.bound),
        "share_of_carry_pct": _share(split["total"] - split["basis"], beside.carry_bound),
    }


def _apart(track: Track, other: Track, how: Resampling) -> Json:
    apart = difference(track, other, how)
    monthly = apart.per_30_days
    return {"pnl_pct": apart.pnl_pct, "per_30_days": monthly.value, "low": monthly.low, "high": monthly.high}


def _share(pnl: float, bound: Bound) -> float | None:
    return 100 * pnl / bound.pnl if bound.pnl > 0 else None


def _bound(bound: Bound) -> Json:
    return {"pnl": bound.pnl, "reached": bound.reached, "positions": len(bound.holdings)}


def _selection(walked: Walked) -> Json:
    """How much of what was chosen is luck of choosing: over every member and round that was ranked on validation."""
    scores = [entry.score for entry in walked.rounds if entry.score is not None]
    sharpes = np.array([score["sharpe"] or 0.0 for score in scores]) / math.sqrt(HOURS_PER_YEAR)
    equity = walked.track.equity
    chosen = any(cycle.verdict is not None and cycle.verdict.promoted for cycle in walked.cycles)
    known = [contest.overfitting for contest in walked.contests if contest.overfitting is not None]
    return {
        "trials": len(scores),
        "deflated_sharpe": deflated_sharpe_of(np.diff(equity) / equity[0], sharpes, len(scores)) if chosen else None,
        "overfitting": float(np.mean(known)) if known else None,
        "overfitting_by_cycle": {str(contest.cycle): contest.overfitting for contest in walked.contests},
    }


def _parts(parts: Sequence[Part]) -> list[Json]:
    return [asdict(part) | {"total": part.total} for part in parts]


def _cycle(cycle: Cycle) -> Json:
    return {
        "number": cycle.number,
        "at": iso(cycle.windows.gate.last_tick),
        "champion": cycle.champion,
        "challenger": cycle.challenger,
        "heir": cycle.heir,
        "verdict": None if cycle.verdict is None else cycle.verdict.as_dict(),
    }


def _rounds(walked: Walked) -> list[Json]:
    """The population's lineage, a row per member and round; `came_from` is the place of the row it went on from."""
    kept = ("cycle", "round", "member", "parent", "reason", "came_from", "hyperparameters", "failure")
    return [
        {name: row[name] for name in kept} | {"score": None if row["score"] is None else row["score"]["value"]}
        for row in lineage(walked.rounds)
    ]


def _curves(track: Track) -> Json:
    """Hourly, from the first tick on."""
    return {
        "equity": track.equity.tolist(),
        "gross": track.gross.tolist(),
        **dict(zip(CAUSES, track.causes.T.tolist(), strict=True)),
    }
