"""The environment's equity, hour by hour, and its trades, one by one, against a second account in decimals."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from backtest.policies import Actions, Observations, Policy, RandomLegal, plain_policy
from backtest.replay import Result, replay
from backtest.schema import Schema
from backtest.settings import EnvironmentSettings
from backtest.simulated_venue import FLAT, IN
from backtest.tape import Tape, tape_of_market
from backtest.trades import Trade
from data.market import Market
from data.recorded import recorded_market
from data.settings import DataSettings, SyntheticSettings, VenueSettings, utc_ms
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars, InstrumentKey, Settlements
from tests.parity.market_in_decimals import PRICES, exact
from tests.parity.second_account import CAUSES, Decision, Done, SecondAccount

CENT = Decimal("0.01")
VENUES = {
    "binance": VenueSettings(taker_fee_bps=5.0, half_spread_bps=0.25),
    "hyperliquid": VenueSettings(half_spread_bps=0.5),
}


@dataclass(frozen=True)
class World:
    market: Market
    data: DataSettings
    settings: EnvironmentSettings
    tape: Tape


class Overheard:
    """Passes on what a policy is shown and answers, and keeps it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name, self.schema = policy.name, policy.schema
        self.seen: list[Observations] = []
        self.answered: list[Actions] = []

    def decide(self, observations: Observations) -> Actions:
        self.seen.append(observations[0].copy())
        actions = self._policy.decide(observations)
        self.answered.append(actions[0])
        return actions


class EnterAndStay:
    """Fills every slot with what ranks best and never leaves, so that the market must."""

    name = "stay"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def decide(self, observations: Observations) -> Actions:
        ranks = range(self.schema.opportunities)
        held = observations[:, [self.schema.opportunity(rank, "held") for rank in ranks]] > 0
        shown = observations[:, [self.schema.opportunity(rank, "round_trip_cost") for rank in ranks]] > 0
        free = observations[:, [self.schema.names.index("free_slots")]] > 0
        possible = shown & ~held & free
        return np.where(possible.any(axis=1), 1 + possible.argmax(axis=1), 0).astype(np.int64)


class Clumsy(RandomLegal):
    """Random, and now and then what cannot be carried out."""

    def decide(self, observations: Observations) -> Actions:
        legal = super().decide(observations)
        anything = self._random.integers(self.schema.actions, size=legal.shape)
        return np.where(self._random.random(legal.shape) < 0.2, anything, legal)


def world(
    market: Market,
    settings: EnvironmentSettings,
    first: int,
    last: int,
    venues: Mapping[str, VenueSettings] = VENUES,
    assets: tuple[str, ...] = (),
) -> World:
    data = DataSettings(venues=dict(venues), assets=assets)
    return World(market, data, settings, tape_of_market(market, data, settings, first, last))


def compare(where: World, policy: Policy) -> tuple[Result, SecondAccount]:
    """Play both accounts; they must agree to the cent at every tick and in everything about every trade."""
    listening = Overheard(policy)
    played, second = replay(where.tape, listening), SecondAccount(where.market, where.data, where.settings)
    peak, heard = second.equity, 0
    for tick, worth in zip(played.ticks.tolist(), played.equity.tolist(), strict=True):
        if tick > played.ticks[0]:
            second.settle(tick)
        assert_cent(worth, second.equity, f"at {tick}")
        peak = max(peak, second.equity)
        decided = Decision()
        if tick // HOUR_MS % where.settings.decision_hours == 0 and heard < len(listening.answered):
            decided = decision(where.tape, tick, listening.answered[heard])
            assert_told(second, peak, listening.seen[heard], where)
            heard += 1
        if tick < played.ticks[-1]:
            second.trade(tick, decided)
    assert heard == len(listening.answered)
    assert [told(one) for one in second.done] == [names(trade) for trade in played.trades]
    for mine, theirs in zip(second.done, played.trades, strict=True):
        assert_same(mine, theirs)
    return played, second


def decision(tape: Tape, tick: int, answer: Actions) -> Decision:
    """An answer in the words of the market."""
    row, ranks = tape.panel.row(tick), tape.settings.max_opportunities
    if tape.settings.formulation == "pairs":
        leave = frozenset(frozenset(sides(tape, row, pair)) for pair in np.flatnonzero(answer == FLAT).tolist())
        ranked = [pair for pair in tape.features.order[row].tolist() if pair >= 0 and answer[pair] == IN]
        return Decision(leave_pairs=leave, enter=tuple(sides(tape, row, pair) for pair in ranked))
    if answer == 0:
        return Decision()
    if answer > ranks:
        return Decision(leave_slot=int(answer) - ranks - 1)
    pair = int(tape.features.ranked[row, answer - 1])
    return Decision(enter=(sides(tape, row, pair),)) if pair >= 0 else Decision()


def sides(tape: Tape, row: int, pair: int) -> tuple[InstrumentKey, InstrumentKey]:
    """(long, short) of a pair at a row."""
    a, b = (tape.panel.instruments[column].key for column in tape.features.legs[pair])
    return (a, b) if tape.features.direction[row, pair] > 0 else (b, a)


def assert_told(second: SecondAccount, peak: Decimal, seen: Observations, where: World) -> None:
    """What a policy is shown of the account is the account."""
    if where.settings.formulation == "pairs":
        return
    worth = second.equity
    gross = sum((second.gross(venue) for venue in second.cash), Decimal(0))
    poorest = min(second.worth(venue) for venue in second.cash)
    expected = (
        100 * (worth / exact(where.settings.initial_capital) - 1),
        gross / worth,
        Decimal(second.slots.count(None)) / len(second.slots),
        100 * (1 - worth / peak),
        poorest * len(second.cash) / worth,
    )
    np.testing.assert_allclose(seen[:5], [float(number) for number in expected], rtol=1e-5, atol=2e-5)


def told(done: Done) -> tuple[object, ...]:
    position = done.position
    return done.reason, position.opened_ms, done.closed_ms, position.long.key, position.short.key


def names(trade: Trade) -> tuple[object, ...]:
    long, short = (trade.long_venue, trade.long_symbol), (trade.short_venue, trade.short_symbol)
    return trade.reason, trade.opened_ms, trade.closed_ms, long, short


def assert_same(mine: Done, theirs: Trade) -> None:
    position = mine.position
    for cause in CAUSES:
        assert_cent(getattr(theirs, cause), position.causes[cause], f"{cause} of {theirs}")
    assert_cent(theirs.notional, position.notional, f"notional of {theirs}")
    assert float(max(leg.closed for leg in position.legs)) == pytest.approx(theirs.quantity, rel=1e-12)
    prices = (theirs.long_entry, theirs.long_exit), (theirs.short_entry, theirs.short_exit)
    for leg, (paid, got) in zip(position.legs, prices, strict=True):
        average = leg.got / leg.closed if leg.closed else Decimal(0)
        assert (float(leg.paid), float(average)) == pytest.approx((paid, got), rel=1e-12)


def assert_cent(amount: float, expected: Decimal, what: str) -> None:
    assert abs(exact(amount) - expected) < CENT, f"{what}: {amount} against {expected}"


# A synthetic market


DAYS = 18


@cache
def calm_market() -> Market:
    shape = SyntheticSettings(days=14 + DAYS + 1, assets=("BTC", "XRP", "TRX", "1000PEPE", "INJ"))
    return synthetic_market(shape, tuple(VENUES))


@cache
def calm(formulation: str = "ranked", decision_hours: int = 1) -> World:
    settings = EnvironmentSettings.model_validate({"formulation": formulation, "decision_hours": decision_hours})
    first = calm_market().start_ms + 336 * HOUR_MS
    return world(calm_market(), settings, first, first + DAYS * 24 * HOUR_MS)


@pytest.mark.parametrize(("name", "least"), [("rule", 2), ("random", 50)])
def test_both_accounts_agree_on_a_synthetic_market(name: str, least: int) -> None:
    where = calm()
    played, _ = compare(where, plain_policy(name, where.tape.schema, seed=11))
    assert len(played.trades) >= least, "too few trades to prove anything"


@pytest.mark.parametrize(("name", "least"), [("rule", 2), ("random", 20)])
def test_both_accounts_agree_on_decisions_for_every_pair_three_times_a_day(name: str, least: int) -> None:
    where = calm("pairs", 8)
    played, _ = compare(where, plain_policy(name, where.tape.schema, seed=11))
    assert len(played.trades) >= least, "too few trades to prove anything"
    assert all(trade.opened_ms // HOUR_MS % 8 == 0 for trade in played.trades)


# A nasty one: jumps, gaps, two delistings, thin order books, isolated margin on one venue, slow transfers


JUMPS = {3: 1.35, 6: 0.55, 9: 1.5, 11: 2.2, 14: 0.4}
"""By day of play: all prices times this, from one hour to the next."""
LAST_DAY = {("binance", "TRX/USDT:USDT"): 8, ("hyperliquid", "XRP/USDC:USDC"): 12}
NASTY_VENUES = {
    "binance": VENUES["binance"].model_copy(update={"maintenance_margin": 0.1, "level_quote": 700.0, "levels": 4}),
    "hyperliquid": VENUES["hyperliquid"].model_copy(
        update={"margin_mode": "isolated", "leverage": 4.0, "level_quote": 250.0, "levels": 7}
    ),
}
SHORT_OF_MONEY = {
    "binance": NASTY_VENUES["binance"].model_copy(update={"maintenance_margin": 0.25, "level_quote": 5_000.0}),
    "hyperliquid": NASTY_VENUES["hyperliquid"].model_copy(update={"leverage": 1.3, "level_quote": 5_000.0}),
}
"""The same with room for a position or two only."""


@cache
def nasty(*, poor: bool = False, **changed: object) -> World:
    market = calm_market()
    first = market.start_ms + 336 * HOUR_MS
    random = np.random.default_rng(8)
    bars = {key: with_gaps(until_delisted(one, key, first), random) for key, one in market.bars.items()}
    settlements = {key: paid_until(one, key, first) for key, one in market.settlements.items()}
    settings = EnvironmentSettings.model_validate(
        {"max_position_loss_pct": 3.0, "transfer_hours": 30, "delisted_after_hours": 12} | changed
    )
    broken = replace(market, bars=bars, settlements=settlements)
    return world(broken, settings, first, first + DAYS * 24 * HOUR_MS, SHORT_OF_MONEY if poor else NASTY_VENUES)


def with_jumps(bars: Bars, first: int) -> Bars:
    factor = np.ones(len(bars))
    for day, jump in JUMPS.items():
        factor[bars.open_time >= first + (day * 24 + 5) * HOUR_MS] *= jump
    # Seven digits, as the venues write prices.
    scaled = {name: np.array([float(f"{price:.7g}") for price in getattr(bars, name) * factor]) for name in PRICES}
    return replace(bars, **scaled)


def with_gaps(bars: Bars, random: np.random.Generator) -> Bars:
    kept = random.random(len(bars)) > 0.03
    return Bars(*(column[kept] for column in vars(bars).values()))


def until_delisted(bars: Bars, key: InstrumentKey, first: int) -> Bars:
    bars = with_jumps(bars, first)
    kept = bars.open_time < first + LAST_DAY.get(key, DAYS + 1) * 24 * HOUR_MS
    return Bars(*(column[kept] for column in vars(bars).values()))


def paid_until(settlements: Settlements, key: InstrumentKey, first: int) -> Settlements:
    kept = settlements.time < first + LAST_DAY.get(key, DAYS + 1) * 24 * HOUR_MS
    return Settlements(*(column[kept] for column in vars(settlements).values()))


def test_both_accounts_agree_where_the_market_does_its_worst() -> None:
    where = nasty()
    stay = compare(where, EnterAndStay(where.tape.schema))
    wild = [compare(where, plain_policy("random", where.tape.schema, seed)) for seed in (4, 5, 7)]
    reasons = {trade.reason for played, _ in (stay, *wild) for trade in played.trades}
    assert {"policy", "stop_loss", "margin", "liquidated", "delisted"} == reasons
    assert sum(second.transfers for _, second in (stay, *wild)) > 3
    assert sum(second.in_parts for _, second in (stay, *wild)) > 10


def test_both_accounts_agree_where_there_is_money_for_little_and_it_is_sent_around() -> None:
    where = nasty(poor=True, max_position_loss_pct=50.0, rebalance_below=0.8)
    stay = compare(where, EnterAndStay(where.tape.schema))
    wild = [compare(where, plain_policy("random", where.tape.schema, seed)) for seed in (0, 1, 3, 5)]
    assert sum(second.transfers for _, second in (stay, *wild)) > 10


def test_both_accounts_agree_where_the_second_leg_comes_ten_minutes_late() -> None:
    where = nasty(second_leg_delay_s=600, price_collar_bps=60.0)
    played, _ = compare(where, plain_policy("random", where.tape.schema, seed=7))
    assert {"policy", "unwound"} <= {trade.reason for trade in played.trades}


@pytest.mark.parametrize("decision_hours", [8, 1])
def test_both_accounts_agree_on_plans_where_the_market_does_its_worst(decision_hours: int) -> None:
    where = nasty(formulation="pairs", decision_hours=decision_hours, max_position_loss_pct=1.0)
    wild = [compare(where, Clumsy(where.tape.schema, seed)) for seed in (1, 2)]
    assert sum(second.in_parts for _, second in wild) > 5


# The recorded market


RECORDED = os.environ.get("RECORDED_MARKET", "")
RECORDED_ASSETS = ("ADA", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LTC", "SOL", "TON", "TRX", "XRP")
FIRST, LAST = datetime(2024, 9, 10, tzinfo=UTC), datetime(2025, 4, 14, tzinfo=UTC)
"""Both venues are recorded from 2024-09-05; the first opportunities show a week later."""


@cache
def recorded(formulation: str = "ranked", decision_hours: int = 1) -> World:
    market = recorded_market(Path(RECORDED), tuple(VENUES), RECORDED_ASSETS)
    settings = EnvironmentSettings.model_validate({"formulation": formulation, "decision_hours": decision_hours})
    # All costs as they are by default: 20 bps a round trip.
    venues = {name: VenueSettings() for name in VENUES}
    return world(market, settings, utc_ms(FIRST), utc_ms(LAST), venues, RECORDED_ASSETS)


@pytest.mark.skipif(not RECORDED, reason="RECORDED_MARKET does not name a folder of recorded funding and candles")
@pytest.mark.parametrize(
    ("name", "formulation", "decision_hours", "least"),
    [("rule", "ranked", 1, 15), ("random", "ranked", 1, 300), ("rule", "pairs", 8, 15), ("random", "pairs", 8, 300)],
)
def test_both_accounts_agree_on_the_recorded_market(
    name: str, formulation: str, decision_hours: int, least: int
) -> None:
    where = recorded(formulation, decision_hours)
    played, _ = compare(where, plain_policy(name, where.tape.schema, seed=11))
    assert len(played.trades) >= least, "too few trades to prove anything"
