"""What a member is worth: the plays it is examined on, and each measure against a replay of the same path."""

import pickle
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backtest.accounting import BASIS, FEES, FUNDING, SLIPPAGE, slot_total
from backtest.policies import CarryRule, Flat, Policy, RandomLegal
from backtest.replay import Result, replay
from backtest.settings import EnvironmentSettings, Formulation
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, MissingData
from data.settings import DataSettings, SyntheticSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.fitness import FACTOR_CAP, Examination, Score, draw_universes, examination, examine
from pbt_online.settings import FitnessSettings

ASSETS = ("BTC", "INJ", "XRP", "1000PEPE", "DOGE")
DAYS = 20
MANY = FitnessSettings(universes=12, universe_share=0.6, episode_days=10)
MEASURES = ("excess_pnl", "reward", "sharpe", "profit_factor", "accuracy")
VENUES = {name: VenueSettings(half_spread_bps=1.0) for name in ("binance", "binance_spot", "hyperliquid")}


@cache
def tape(formulation: Formulation = "pairs", hours: int = DAYS * 24, venues: tuple[str, ...] = ()) -> Tape:
    told = {name: VENUES[name] for name in venues or ("binance", "hyperliquid")}
    data = DataSettings(assets=ASSETS, venues=told)
    market = synthetic_market(SyntheticSettings(days=DAYS + 15, assets=ASSETS), tuple(told))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(formulation=formulation, decision_hours=8 if formulation == "pairs" else 1)
    return tape_of_market(market, data, settings, first, first + hours * HOUR_MS)


@cache
def plays(formulation: Formulation = "pairs") -> Examination:
    return examination(tape(formulation), MANY, seed=3)


def under(examination: Examination, measure: str, **settings: object) -> Examination:
    told = examination.settings.model_copy(update={"measure": measure, **settings})
    return Examination(**vars(examination) | {"settings": told})


def churner(formulation: Formulation = "pairs") -> Policy:
    return RandomLegal(tape(formulation).schema, 1)


# The plays


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
def test_a_universe_is_a_share_of_the_assets_with_all_their_pairs(share: float) -> None:
    whole = tape(venues=tuple(VENUES))
    assets = np.array([str(whole.panel.instruments[a].asset) for a, _ in whole.features.legs])
    drawn = draw_universes(whole, 6, share, np.random.default_rng(0))
    assert len(assets) > len(ASSETS)
    for member in drawn:
        assert max(2, round(share * len(ASSETS))) == len(set(assets[member]))
        assert not set(assets[member]) & set(assets[~member])


@hypothesis_settings(deadline=None)
@given(st.integers(1, 40), st.floats(0.05, 1.0), st.integers(0, 100))
def test_universes_are_distinct_and_as_many_as_asked_for_where_there_are(count: int, share: float, seed: int) -> None:
    drawn = draw_universes(tape(), count, share, np.random.default_rng(seed))
    assert len(drawn) == len(np.unique(drawn, axis=0)) <= count
    sets = {1: 5, 2: 10, 3: 10, 4: 5, 5: 1}[int(drawn[0].sum())]
    assert min(count, sets) == len(drawn)


@given(st.integers(2, 60), st.integers(1, 40), st.integers(0, 3))
@hypothesis_settings(max_examples=25, deadline=None)
def test_starts_are_spread_over_the_window_and_are_decisions(universes: int, days: int, seed: int) -> None:
    whole = tape()
    told = examination(whole, FitnessSettings(universes=universes, episode_days=days), seed)
    ticks, last = whole.panel.ticks, len(whole.panel.ticks) - 1
    assert {0} == set((ticks[told.starts] // HOUR_MS % 8).tolist())
    assert whole.first <= told.starts[0] and told.lasts[-1] <= last
    assert np.all(np.diff(told.starts) >= 0)
    length = min(24 * days, last - whole.first)
    assert np.all(np.abs(told.lasts - told.starts - length) < 8)
    steps = np.diff(told.starts)
    assert steps.max() - steps.min() <= 8


def test_a_single_play_is_the_whole_market_over_the_whole_window() -> None:
    whole = tape("ranked")
    told = examination(whole, FitnessSettings(universes=1), seed=0)
    assert [whole.first] == told.starts.tolist() and [len(whole.panel.ticks) - 1] == told.lasts.tolist()
    assert told.tape.universes.member.all()


def test_the_seed_draws_the_universes() -> None:
    same, other = examination(tape(), MANY, seed=3), examination(tape(), MANY, seed=4)
    assert np.array_equal(plays().tape.universes.member, same.tape.universes.member)
    assert not np.array_equal(plays().tape.universes.member, other.tape.universes.member)


def test_a_window_without_two_decisions_is_refused() -> None:
    with pytest.raises(MissingData, match="without two decisions"):
        examination(tape(hours=12), MANY, seed=0)


def test_a_policy_of_another_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="was made for"):
        examine(plays("pairs"), Flat(tape("ranked").schema))


# The score


@pytest.mark.parametrize("formulation", ["pairs", "ranked"])
def test_the_rule_exceeds_itself_by_nothing_in_any_play(formulation: Formulation) -> None:
    score = examine(plays(formulation), CarryRule(tape(formulation).schema))
    assert [0.0] * MANY.universes == score.scores.tolist()
    assert 0.0 == score.value and (0.0,) * MANY.regimes == score.regimes
    assert score.trades > 0


@pytest.mark.parametrize(
    ("measure", "value"),
    [("reward", 0.0), ("sharpe", -MANY.preferred_sharpe), ("profit_factor", 0.0), ("accuracy", 0.0)],
)
def test_never_trading_has_a_value_under_every_measure(measure: str, value: float) -> None:
    score = examine(under(plays(), measure), Flat(tape().schema))
    assert value == score.value and {value} == set(score.scores.tolist())
    assert (0.0, None, 0, None, 0.0) == (
        score.pnl_pct, score.win_rate_pct, score.trades, score.sharpe, score.drawdown_pct,
    )  # fmt: skip


def test_never_trading_lacks_what_the_rule_earned() -> None:
    score = examine(plays(), Flat(tape().schema))
    assert (-plays().rule).tolist() == score.scores.tolist()


@pytest.mark.parametrize("measure", MEASURES)
def test_churning_ranks_below_the_rule_under_every_measure(measure: str) -> None:
    told = under(plays(), measure)
    assert examine(told, churner()).value < examine(told, CarryRule(tape().schema)).value


@pytest.mark.parametrize("measure", MEASURES)
def test_regimes_are_the_means_of_the_plays_in_time_order(measure: str) -> None:
    score = examine(under(plays(), measure), churner())
    assert score.scores.reshape(MANY.regimes, -1).mean(axis=1).tolist() == pytest.approx(list(score.regimes))


def test_an_examination_can_be_sent_to_a_worker() -> None:
    sent = pickle.loads(pickle.dumps(plays()))
    here, there = (examine(told, churner()) for told in (plays(), sent))
    assert here.scores.tobytes() == there.scores.tobytes()
    assert (here.value, here.trades, here.reward) == (there.value, there.trades, there.reward)


# One path, against its replay


def single(formulation: Formulation, measure: str, **settings: object) -> tuple[Score, Result]:
    """A rule that enters more, so that some of its positions lose."""
    policy = CarryRule(tape(formulation).schema, enter_above=-15.0, leave_below=0.1)
    told = under(examination(tape(formulation), FitnessSettings(universes=1), seed=0), measure, **settings)
    return examine(told, policy), replay(tape(formulation), policy)


def splits(result: Result) -> Sequence[tuple[float, float]]:
    """P&L and net carry of every position, those still held as they are marked."""
    closed = [(trade.pnl, trade.funding + trade.fees + trade.slippage) for trade in result.trades]
    books = result.books
    held = [
        (slot_total(books, slot), float(books["slot_pnl"][slot, [FUNDING, FEES, SLIPPAGE]].sum()))
        for slot in np.flatnonzero(books["opened_at"]).tolist()
    ]
    return closed + held


@pytest.mark.parametrize("formulation", ["pairs", "ranked"])
def test_figures_are_those_of_a_replay(formulation: Formulation) -> None:
    score, result = single(formulation, "reward")
    metrics = result.metrics
    assert metrics.trades == score.trades > 0
    assert (metrics.pnl_pct, metrics.max_drawdown_pct) == pytest.approx((score.pnl_pct, score.drawdown_pct))
    assert metrics.sharpe_hourly == pytest.approx(score.sharpe)
    assert metrics.win_rate_pct == pytest.approx(score.win_rate_pct)
    assert score.value == score.reward


def test_the_excess_is_told_per_thirty_days() -> None:
    score, result = single("pairs", "excess_pnl")
    rule = replay(tape(), CarryRule(tape().schema)).metrics.pnl_pct
    hours = len(result.ticks) - 1 - int(-(tape().panel.ticks[tape().first] // HOUR_MS) % 8)
    assert (result.metrics.pnl_pct - rule) * 720 / hours == pytest.approx(score.value)


@pytest.mark.parametrize(("preferred", "limit"), [(-100.0, 100.0), (100.0, 100.0), (-100.0, 0.01)])
def test_the_sharpe_measure_punishes_what_it_lacks_and_what_it_risks(preferred: float, limit: float) -> None:
    score, result = single("pairs", "sharpe", preferred_sharpe=preferred, max_drawdown_pct=limit)
    sharpe, drawdown = result.metrics.sharpe_hourly, result.metrics.max_drawdown_pct
    assert sharpe is not None
    assert sharpe - max(preferred - sharpe, 0) - max(drawdown - limit, 0) == pytest.approx(score.value)


def test_the_profit_factor_counts_positions_that_are_still_held() -> None:
    score, result = single("pairs", "profit_factor")
    gains = sum(max(pnl, 0.0) for pnl, _ in splits(result))
    losses = sum(max(-pnl, 0.0) for pnl, _ in splits(result))
    assert gains > 0 and losses > 0
    assert min(gains / losses, FACTOR_CAP) == pytest.approx(score.value)


def test_accuracy_is_the_share_of_entries_whose_net_carry_was_positive() -> None:
    score, result = single("pairs", "accuracy")
    assert 0 < score.value < 1
    assert np.mean([carry > 0 for _, carry in splits(result)]) == pytest.approx(score.value)
    assert BASIS not in (FUNDING, FEES, SLIPPAGE)
