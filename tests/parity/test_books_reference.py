"""The whole account a second time, in decimals and the plainest Python, against the environment's equity and trades.

The second account shares nothing with the books or the simulated venue. It is told what was decided (enter this long
and that short, leave this slot) and works out from candles and settlements what came of it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from backtest.environment import FundingArbitrageEnv
from backtest.observation import Schema
from backtest.policies import Actions, Observations, Policy, plain_policy
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from backtest.trades import Trade
from data.market import Market
from data.recorded import recorded_market
from data.settings import DataSettings, SyntheticSettings, VenueSettings, utc_ms
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey

CENT = Decimal("0.01")
VENUES = {
    "binance": VenueSettings(taker_fee_bps=5.0, half_spread_bps=0.25),
    "hyperliquid": VenueSettings(taker_fee_bps=4.5, half_spread_bps=0.5),
}


def exact(number: float) -> Decimal:
    """The decimal that a double stands for, as it is written."""
    return Decimal(repr(float(number)))


# The second account


@dataclass(frozen=True)
class Enter:
    long: InstrumentKey
    short: InstrumentKey


@dataclass(frozen=True)
class Leave:
    slot: int


Decision = Enter | Leave | None


@dataclass
class Leg:
    key: InstrumentKey
    units: Decimal
    """Above zero: long. Zero once it was liquidated."""
    paid: Decimal
    mid: Decimal
    """At the entry."""
    mark: Decimal

    @property
    def venue(self) -> str:
        return self.key[0]

    @property
    def gain(self) -> Decimal:
        return self.units * (self.mark - self.paid)

    @property
    def gross(self) -> Decimal:
        return abs(self.units) * self.mark


@dataclass
class Position:
    opened_ms: int
    legs: list[Leg]
    notional: Decimal
    causes: dict[str, Decimal] = field(
        default_factory=lambda: dict.fromkeys(("funding", "basis", "fees", "slippage"), Decimal(0))
    )

    @property
    def result(self) -> Decimal:
        """All causes so far, and what the prices have made since the entry."""
        return sum(self.causes.values(), sum((leg.units * (leg.mark - leg.mid) for leg in self.legs), Decimal(0)))


@dataclass(frozen=True)
class Quote:
    bid: Decimal
    ask: Decimal

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True)
class Done:
    """A closed position."""

    reason: str
    opened_ms: int
    closed_ms: int
    long: InstrumentKey
    short: InstrumentKey
    causes: dict[str, Decimal]


class SecondAccount:
    """Cash per venue, positions by slot, and the market at every hour."""

    def __init__(self, market: Market, data: DataSettings, settings: EnvironmentSettings) -> None:
        self.rules: dict[InstrumentKey, Instrument] = {one.key: one for one in market.instruments}
        self.venues = data.venues
        self.settings = settings
        self.opens = {key: by_hour(bars.open_time, bars.open) for key, bars in market.bars.items()}
        self.closes = {key: by_hour(bars.open_time + HOUR_MS, bars.close) for key, bars in market.bars.items()}
        self.funding = {key: funding_by_tick(market, key, data.decision_delay_s) for key in market.settlements}
        capital = exact(settings.initial_capital)
        self.slot_notional = capital / settings.max_positions
        self.cash = {venue: capital / len(data.venues) for venue in sorted(data.venues)}
        self.sent = dict.fromkeys(self.cash, Decimal(0))
        self.slots: list[Position | None] = [None] * settings.max_positions
        self.done: list[Done] = []
        self.transfers = 0

    @property
    def equity(self) -> Decimal:
        return sum(self.cash.values()) + sum(self.sent.values()) + sum((leg.gain for leg in self.legs()), Decimal(0))

    def legs(self, venue: str | None = None) -> list[Leg]:
        held = [leg for position in self.slots if position for leg in position.legs]
        return [leg for leg in held if venue in (None, leg.venue)]

    def worth(self, venue: str) -> Decimal:
        return self.cash[venue] + sum((leg.gain for leg in self.legs(venue)), Decimal(0))

    def gross(self, venue: str) -> Decimal:
        return sum((leg.gross for leg in self.legs(venue)), Decimal(0))

    def maintenance(self, venue: str) -> Decimal:
        return exact(self.venues[venue].maintenance_margin)

    def fee(self, key: InstrumentKey) -> Decimal:
        fee_bps = self.venues[key[0]].taker_fee_bps
        assert fee_bps is not None
        return exact(fee_bps) / 10_000

    def quote(self, key: InstrumentKey, tick: int) -> Quote | None:
        """Half a spread around the open that follows the decision, rounded outward to the tick size."""
        first = self.opens[key].get(tick)
        if first is None:
            return None
        half = first * exact(self.venues[key[0]].half_spread_bps) / 10_000
        step, dust = exact(self.rules[key].tick_size), Decimal("0.000001")
        below = ((first - half) / step + dust).to_integral_value(ROUND_FLOOR)
        above = ((first + half) / step - dust).to_integral_value(ROUND_CEILING)
        return Quote(below * step, above * step)

    # What happens at a tick

    def settle(self, tick: int) -> None:
        for venue in self.cash:
            self.cash[venue] += self.sent[venue]
            self.sent[venue] = Decimal(0)
        for position in filter(None, self.slots):
            for leg in position.legs:
                if leg.units:
                    leg.mark = self.closes[leg.key].get(tick, leg.mark)
                    received = -leg.units * leg.mark * self.funding[leg.key].get(tick, Decimal(0))
                    self.cash[leg.venue] += received
                    position.causes["funding"] += received
        for venue in self.cash:
            if self.worth(venue) < self.maintenance(venue) * self.gross(venue):
                self.liquidate(venue)
        self.rebalance()

    def liquidate(self, venue: str) -> None:
        for position in filter(None, self.slots):
            for leg in position.legs:
                if leg.venue == venue and leg.units:
                    self.close_leg(position, leg, leg.mark, leg.mark, self.fee(leg.key) + Decimal("0.01"))

    def rebalance(self) -> None:
        """From the richest to the poorest venue once that is well below an even share."""
        worth = {venue: self.worth(venue) for venue in self.cash}
        poor, rich = min(worth, key=lambda venue: worth[venue]), max(worth, key=lambda venue: worth[venue])
        share, cost = sum(worth.values()) / len(worth), exact(self.settings.transfer_cost_quote)
        if worth[poor] >= exact(self.settings.rebalance_below) * share:
            return
        kept = max(share, 4 * self.maintenance(rich) * self.gross(rich))
        amount = min(min(worth[rich] - kept, self.cash[rich]) - cost, share - worth[poor])
        if amount > cost:
            self.cash[rich] -= amount + cost
            self.sent[poor] += amount
            self.transfers += 1

    # What a decision does

    def trade(self, tick: int, decision: Decision) -> None:
        closed_now = set()
        for slot in range(len(self.slots)):
            reason = self.forced(slot)
            if reason and self.leave(slot, tick, reason):
                closed_now.add(slot)
        match decision:
            case Enter(long, short):
                self.enter(long, short, tick)
            case Leave(slot) if slot not in closed_now:
                self.leave(slot, tick, "policy")

    def forced(self, slot: int) -> str | None:
        position = self.slots[slot]
        if position is None:
            return None
        if not all(leg.units for leg in position.legs):
            return "liquidated"
        if position.result <= -exact(self.settings.max_position_loss_pct) / 100 * position.notional:
            return "stop_loss"
        for venue in self.cash:
            short_of_margin = self.worth(venue) + self.sent[venue] < 2 * self.maintenance(venue) * self.gross(venue)
            losers = [
                (leg.gain, index)
                for index, other in enumerate(self.slots)
                for leg in (other.legs if other else [])
                if leg.venue == venue and leg.units
            ]
            if losers and short_of_margin and min(losers)[1] == slot:
                return "margin"
        return None

    def enter(self, long: InstrumentKey, short: InstrumentKey, tick: int) -> None:
        free = [slot for slot, position in enumerate(self.slots) if position is None]
        held = [{leg.key for leg in position.legs} for position in self.slots if position]
        quotes = {key: self.quote(key, tick) for key in (long, short)}
        seen = {key: self.closes[key].get(tick) for key in (long, short)}
        if not free or {long, short} in held or None in quotes.values() or None in seen.values():
            return
        price = {long: quotes[long].ask, short: quotes[short].bid}
        collar = exact(self.settings.price_collar_bps) / 10_000
        if any(abs(price[key] / seen[key] - 1) > collar for key in price):
            return
        step = max(exact(self.rules[key].lot_step) for key in price)
        units = (self.slot_notional / max(seen.values()) / step).to_integral_value(ROUND_FLOOR) * step
        if any(units * seen[key] < exact(self.rules[key].min_notional) for key in price):
            return
        for key in price:
            if self.worth(key[0]) < 4 * self.maintenance(key[0]) * (self.gross(key[0]) + units * seen[key]):
                return
        legs = [
            Leg(key, sign * units, price[key], quotes[key].mid, quotes[key].mid)
            for key, sign in ((long, 1), (short, -1))
        ]
        position = Position(tick, legs, units * max(price.values()))
        for leg in legs:
            self.charge(position, leg, leg.units, leg.paid, leg.mid, self.fee(leg.key))
        self.slots[free[0]] = position

    def leave(self, slot: int, tick: int, reason: str) -> bool:
        """Close what is left of a position; nothing where a price is missing. Returns whether it was closed."""
        position = self.slots[slot]
        if position is None:
            return False
        quotes = {leg.key: self.quote(leg.key, tick) for leg in position.legs if leg.units}
        if None in quotes.values():
            return False
        for leg in position.legs:
            if leg.units:
                quote = quotes[leg.key]
                self.close_leg(position, leg, quote.bid if leg.units > 0 else quote.ask, quote.mid, self.fee(leg.key))
        long, short = (leg.key for leg in position.legs)
        self.done.append(Done(reason, position.opened_ms, tick, long, short, position.causes))
        self.slots[slot] = None
        return True

    def close_leg(self, position: Position, leg: Leg, price: Decimal, mid: Decimal, fee: Decimal) -> None:
        self.cash[leg.venue] += leg.units * (price - leg.paid)
        position.causes["basis"] += leg.units * (mid - leg.mid)
        self.charge(position, leg, -leg.units, price, mid, fee)
        leg.units, leg.mark = Decimal(0), price

    def charge(self, position: Position, leg: Leg, units: Decimal, price: Decimal, mid: Decimal, fee: Decimal) -> None:
        cost = abs(units) * price * fee
        self.cash[leg.venue] -= cost
        position.causes["fees"] -= cost
        position.causes["slippage"] -= units * (price - mid)


def by_hour(times: np.ndarray, values: np.ndarray) -> dict[int, Decimal]:
    return {int(time): exact(value) for time, value in zip(times, values, strict=True)}


def funding_by_tick(market: Market, key: InstrumentKey, delay_s: int) -> dict[int, Decimal]:
    """Rates by the first hour whose decision comes after the venue's stamp."""
    settlements, rates = market.settlements[key], {}
    for time, offset, rate in zip(settlements.time, settlements.offset_ms, settlements.rate, strict=True):
        tick = int(time)
        while tick + delay_s * 1000 < int(time) + int(offset):
            tick += HOUR_MS
        rates[tick] = rates.get(tick, Decimal(0)) + exact(rate)
    return rates


# The environment, and the decisions that were taken in it


@dataclass(frozen=True)
class World:
    market: Market
    data: DataSettings
    settings: EnvironmentSettings
    tape: Tape


@dataclass(frozen=True)
class Run:
    """By tick: equity, from the first decision on, and what was decided."""

    equity: dict[int, float]
    decisions: dict[int, Decision]
    trades: list[Trade]


def world(
    market: Market, settings: EnvironmentSettings, venues: Mapping[str, VenueSettings], first: int, last: int
) -> World:
    data = DataSettings(venues=dict(venues))
    return World(market, data, settings, tape_of_market(market, data, settings, first, last))


def run(where: World, policy: Policy) -> Run:
    env, decisions, done = FundingArbitrageEnv(where.tape), {}, False
    observation, info = env.reset(options={"full_range": True})
    worth = {info["tick"]: info["equity"]}
    while not done:
        action = policy.decide(observation[None, :])[0]
        decisions[env.tick] = decision(where.tape, env.tick, int(action))
        observation, _, terminated, truncated, info = env.step(action)
        worth[info["tick"]], done = info["equity"], terminated or truncated
    return Run(worth, decisions, env.trades)


def decision(tape: Tape, tick: int, action: int) -> Decision:
    """An action in the words of the market."""
    row, ranks = tape.panel.row(tick), tape.settings.max_opportunities
    if action == 0:
        return None
    if action > ranks:
        return Leave(action - ranks - 1)
    pair = tape.panel.pairs[tape.features.ranked[row, action - 1]]
    a, b = (tape.panel.instruments[column].key for column in (pair.a, pair.b))
    return Enter(a, b) if tape.features.direction[row, tape.panel.pairs.index(pair)] > 0 else Enter(b, a)


class EnterAndStay:
    """Fills every slot with what ranks best and never leaves, so that the market must."""

    name = "stay"

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def decide(self, observations: Observations) -> Actions:
        ranks = range(self._schema.opportunities)
        held = observations[:, [self._schema.opportunity(rank, "held") for rank in ranks]] > 0
        shown = observations[:, [self._schema.opportunity(rank, "round_trip_cost") for rank in ranks]] > 0
        free = observations[:, [self._schema.names.index("free_slots")]] > 0
        possible = shown & ~held & free
        return np.where(possible.any(axis=1), 1 + possible.argmax(axis=1), 0).astype(np.int64)


def compare(where: World, policy: Policy) -> tuple[Run, SecondAccount]:
    """Play both accounts; they must agree to the cent at every tick and in every cause of every trade."""
    played = run(where, policy)
    second = SecondAccount(where.market, where.data, where.settings)
    assert_cent(played.equity[min(played.equity)], second.equity, "at the start")
    for tick, decided in played.decisions.items():
        second.trade(tick, decided)
        second.settle(tick + HOUR_MS)
        assert_cent(played.equity[tick + HOUR_MS], second.equity, f"at {tick + HOUR_MS}")
    assert [(one.reason, one.opened_ms, one.closed_ms, one.long, one.short) for one in second.done] == [
        (
            one.reason,
            one.opened_ms,
            one.closed_ms,
            (one.long_venue, one.long_symbol),
            (one.short_venue, one.short_symbol),
        )
        for one in played.trades
    ]
    for mine, theirs in zip(second.done, played.trades, strict=True):
        for cause, amount in mine.causes.items():
            assert_cent(getattr(theirs, cause), amount, f"{cause} of {theirs}")
    return played, second


def assert_cent(float_amount: float, amount: Decimal, what: str) -> None:
    assert abs(exact(float_amount) - amount) < CENT, f"{what}: {float_amount} against {amount}"


# A synthetic market


SYNTHETIC_DAYS = 18


@cache
def synthetic() -> World:
    shape = SyntheticSettings(days=14 + SYNTHETIC_DAYS + 1, assets=("BTC", "XRP", "TRX", "1000PEPE", "INJ"))
    market = synthetic_market(shape, tuple(VENUES))
    first = market.start_ms + 336 * HOUR_MS
    return world(market, EnvironmentSettings(), VENUES, first, first + SYNTHETIC_DAYS * 24 * HOUR_MS)


@pytest.mark.parametrize(("name", "least"), [("rule", 2), ("random", 50)])
def test_both_accounts_agree_on_a_synthetic_market(name: str, least: int) -> None:
    where = synthetic()
    played, _ = compare(where, plain_policy(name, where.tape.schema, seed=11))
    assert len(played.trades) >= least, "too few trades to prove anything"


# The same with gaps and with jumps that end in margin exits, liquidations and transfers


JUMPS = {3: 1.35, 6: 0.55, 9: 1.5, 11: 2.2, 14: 0.4}
"""By day of play: all prices times this, from one hour to the next."""
STRESSED = EnvironmentSettings(max_positions=2, max_position_loss_pct=3.0)
THIN_MARGIN = {name: venue.model_copy(update={"maintenance_margin": 0.1}) for name, venue in VENUES.items()}


@cache
def stressed() -> World:
    calm = synthetic().market
    first = calm.start_ms + 336 * HOUR_MS
    random = np.random.default_rng(8)
    bars = {key: with_gaps(with_jumps(one, first), random) for key, one in calm.bars.items()}
    return world(replace(calm, bars=bars), STRESSED, THIN_MARGIN, first, first + SYNTHETIC_DAYS * 24 * HOUR_MS)


def with_jumps(bars: Bars, first: int) -> Bars:
    factor = np.ones(len(bars))
    for day, jump in JUMPS.items():
        factor[bars.open_time >= first + (day * 24 + 5) * HOUR_MS] *= jump
    # Seven digits, as the venues write prices.
    scaled = {name: np.array([float(f"{price:.7g}") for price in getattr(bars, name) * factor]) for name in PRICES}
    return replace(bars, **scaled)


PRICES = ("open", "high", "low", "close")


def with_gaps(bars: Bars, random: np.random.Generator) -> Bars:
    kept = random.random(len(bars)) > 0.03
    return Bars(*(column[kept] for column in vars(bars).values()))


def test_both_accounts_agree_on_a_market_that_jumps_and_has_gaps() -> None:
    stay, after_staying = compare(stressed(), EnterAndStay(stressed().tape.schema))
    wild, after_random = compare(stressed(), plain_policy("random", stressed().tape.schema, seed=4))
    assert {"policy", "stop_loss", "margin", "liquidated"} == {trade.reason for trade in (*stay.trades, *wild.trades)}
    assert after_staying.transfers + after_random.transfers > 3


# The recorded market


RECORDED = os.environ.get("RECORDED_MARKET", "")


@cache
def recorded() -> World:
    market = recorded_market(Path(RECORDED), tuple(VENUES))
    first, last = (utc_ms(datetime(2025, month, day, tzinfo=UTC)) for month, day in ((2, 10), (3, 20)))
    return world(market, EnvironmentSettings(), VENUES, first, last)


@pytest.mark.skipif(not RECORDED, reason="RECORDED_MARKET does not name a folder of recorded funding and candles")
@pytest.mark.parametrize(("name", "least"), [("rule", 2), ("random", 150)])
def test_both_accounts_agree_on_the_recorded_market(name: str, least: int) -> None:
    where = recorded()
    played, _ = compare(where, plain_policy(name, where.tape.schema, seed=11))
    assert len(played.trades) >= least, "too few trades to prove anything"
