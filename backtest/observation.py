"""What a policy sees: the features of the best-ranked opportunities and of the portfolio, as one vector.

Training, backtests, paper and live all come through here. Features of a tick are made of the panel's rows up to that
tick by sums over fixed windows in a fixed order, so cutting the history behind or ahead of the window changes no bit.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG, SHORT, Books, slot_total
from backtest.settings import EnvironmentSettings
from backtest.trailing import MIN_COVERAGE, trailing_mean_std, trailing_sum
from data.compiled import compiled, inlined
from data.fees import fees
from data.panel import Panel
from data.settings import VenueSettings
from data.types import HOUR_MS

Matrix = NDArray[np.float64]
MAX_PRICE_RATIO = 1.2
"""Legs further apart than this are not the same thing (a wrong multiplier, a dead market) and are never paired."""

_BPS_8H = 8e4
_FEATURES = 22
_HISTORY_ROWS = 168
"""The longest that features look back."""
_BLOCK_ROWS = 1024
"""Made at a time: of 28 pairs they fit into the 1 MiB near a core. With 2048 a year took a tenth longer, with 512 no
less."""


class Features(NamedTuple):
    """Everything of the observation that does not depend on the books: T ticks, P pairs, K ranks."""

    values: NDArray[np.float32]
    """[T, P, 22], oriented: the long leg is the one with the lower trailing funding. NaN where data is missing."""
    known: NDArray[np.bool_]
    """[T, P] whether every feature of the pair is."""
    order: NDArray[np.int64]
    """[T, P] known pairs by expected net carry, best first; -1 after the last one."""
    ranked: NDArray[np.int64]
    """[T, K] the first K of them."""
    shown: NDArray[np.float32]
    """[T, K x 22] their features as policies see them, zero where there is none; nothing is held yet."""
    direction: NDArray[np.int64]
    """[T, P] +1: the long leg is a; -1: it is b."""
    carry: Matrix
    """[P, T] mean of 72 h of the spread of long a, short b; bps per 8 h. Read along time, as positions are held."""
    legs: NDArray[np.int64]
    """[P, 2] columns a and b."""
    pair_of: NDArray[np.int64]
    """[N, N] the pair of two instruments, or -1."""


class Universes(NamedTuple):
    """V universes: an account sees, ranks and trades only the pairs of its own.

    Tick t of universe v stands in row v x T + t, so that one universe, the whole market, is the features' own arrays.
    """

    member: NDArray[np.bool_]
    """[V, P] whether the pair belongs to it."""
    known: NDArray[np.bool_]
    """[V x T, P] `Features.known` of its pairs."""
    ranked: NDArray[np.int64]
    """[V x T, K] `Features.ranked` among its pairs; by pair, where V > 1, nothing is ranked: [0, K]."""
    shown: NDArray[np.float32]
    """[V x T, K x 22] `Features.shown` among its pairs; [0, K x 22] likewise."""

    def seen_in(self, features: Features) -> Features:
        """The features as the kernel reads them: what is known, ranked and shown is that of all universes."""
        return features._replace(known=self.known, ranked=self.ranked, shown=self.shown)


def make_features(
    panel: Panel, venues: Mapping[str, VenueSettings], settings: EnvironmentSettings, newest: int | None = None
) -> Features:
    """Features of every pair at every tick of the panel, or at its `newest` ones alone, and the ranking. Needs 168 h of
    history for the first ones."""
    rows = len(panel.ticks) if newest is None else newest
    pairs = panel.pairs
    legs = np.array([(pair.a, pair.b) for pair in pairs], dtype=np.int64).reshape(-1, 2)
    cost = _cost_bps(panel, venues, settings, legs)
    values = np.empty((rows, len(pairs), _FEATURES), dtype=np.float32)
    known = np.empty((rows, len(pairs)), dtype=np.bool_)
    direction = np.empty((rows, len(pairs)), dtype=np.int64)
    carry, expected = np.empty((len(pairs), rows)), np.empty((rows, len(pairs)))
    for first in range(0, rows, _BLOCK_ROWS):
        last = min(first + _BLOCK_ROWS, rows)
        at, before = slice(first, last), len(panel.ticks) - rows
        block = _Block(panel.between(max(before + first - _HISTORY_ROWS, 0), before + last), last - first, legs)
        direction[at], carry[:, at] = block.sign, _BPS_8H * block.carry[72].T
        expected[at] = block.oriented[72] * settings.horizon_hours * 1e4 - cost
        never = block.never_shown()
        known[at] = ~never
        for number, column in zip(range(_FEATURES), block.columns(cost, expected[at]), strict=True):
            values[at, :, number] = column
            known[at] &= np.isfinite(column)
        values[at][never] = np.nan
    pair_of = np.full((len(panel.instruments),) * 2, -1, dtype=np.int64)
    pair_of[legs[:, 0], legs[:, 1]] = pair_of[legs[:, 1], legs[:, 0]] = np.arange(len(pairs))
    order = _order(expected, known)
    ranked = _ranked(order, settings.max_opportunities)
    return Features(
        values=values,
        known=known,
        order=order,
        ranked=ranked,
        shown=_shown(values, ranked),
        direction=direction,
        carry=carry,
        legs=legs,
        pair_of=pair_of,
    )


class _Block:
    """Some ticks of the panel, one after the other: what is made of them fits into the memory near the processor, where
    that of a year would be fetched and cleared anew for every step."""

    def __init__(self, panel: Panel, rows: int, legs: NDArray[np.int64]) -> None:
        """The newest `rows` of `panel`, which has the history that they look back by, if there is so much."""
        self._panel, self._rows, self._legs = panel, rows, legs
        self._a, self._b = legs[:, 0], legs[:, 1]
        self.carry = {hours: _carry(panel, self._a, self._b, hours, rows) for hours in (24, 72, 168)}
        """[T, P] trailing mean of the spread of long a, short b, fraction per hour, by its hours."""
        self.sign = np.where(self.carry[72] >= 0, 1.0, -1.0)
        """[T, P] +1 where a is the long leg, -1 where b is."""
        self.oriented = {hours: self.sign * mean for hours, mean in self.carry.items()}
        self._long = np.where(self.sign > 0, self._a, self._b)
        self._short = np.where(self.sign > 0, self._b, self._a)
        self._basis = panel.close[:, self._b] / panel.close[:, self._a] - 1

    def never_shown(self) -> NDArray[np.bool_]:
        """[T, P] legs too far apart; and a coin that is not owned cannot be sold."""
        spot = np.array([instrument.spot for instrument in self._panel.instruments])
        basis = self._basis[-self._rows :]
        return (np.maximum(1 + basis, 1 / (1 + basis)) > MAX_PRICE_RATIO) | spot[self._short]

    def columns(self, cost: Matrix, expected: Matrix) -> Iterator[Matrix]:
        """Each feature [T, P] in order, given what a round trip costs [P] and what is expected of it [T, P], bps."""
        panel, rows, sign, oriented, long, short = (
            self._panel, self._rows, self.sign, self.oriented, self._long, self._short
        )  # fmt: skip
        rate, interval, close = (matrix[-rows:] for matrix in (panel.last_rate, panel.interval, panel.close))
        spread = panel.last_rate[:, self._b] - panel.last_rate[:, self._a]
        yield _BPS_8H * sign * spread[-rows:]
        yield _BPS_8H * oriented[24]
        yield _BPS_8H * oriented[72]
        yield _BPS_8H * oriented[168]
        yield _BPS_8H * trailing_mean_std(spread, 72, rows)[1]
        yield _positive_share(spread, sign)
        yield _BPS_8H * _of(rate, long)
        yield _BPS_8H * _of(rate, short)
        yield _of(interval, long) / 8
        yield _of(interval, short) / 8
        yield _due_hours(panel, long) / 8
        yield _due_hours(panel, short) / 8
        yield np.broadcast_to(cost, expected.shape)
        yield np.minimum(cost / np.maximum(oriented[72] * 24e4, 1e-9), 30.0)
        yield expected
        yield 1e4 * (_of(close, short) / _of(close, long) - 1)
        mean, deviation = trailing_mean_std(self._basis, 168, rows)
        yield np.clip(sign * (self._basis[-rows:] - mean) / np.maximum(deviation, 1e-9), -10, 10)
        returns, past = np.full_like(panel.close, np.nan), np.full_like(panel.close, np.nan)
        returns[1:] = panel.close[1:] / panel.close[:-1] - 1
        yield 100 * _of(trailing_mean_std(returns, 24, rows)[1], long)
        past[72:] = panel.close[:-72]
        yield 100 * (_of(close, long) / _of(past[-rows:], long) - 1)
        value = trailing_mean_std(panel.volume * panel.close, 24, rows)[0]
        yield np.log10(np.maximum(np.minimum(value[:, self._a], value[:, self._b]), 1.0))
        yield np.broadcast_to(_other_quote(panel, self._legs), expected.shape)
        yield np.zeros_like(expected)


def _of(matrix: Matrix, side: NDArray[np.int64]) -> Matrix:
    """[T, P] of [T, N] at each tick and pair the leg `side`."""
    return np.take_along_axis(matrix, side, axis=1)


def _cost_bps(
    panel: Panel, venues: Mapping[str, VenueSettings], settings: EnvironmentSettings, legs: NDArray[np.int64]
) -> Matrix:
    """[P] what policies are told that a round trip of both legs costs."""
    a, b = legs[:, 0], legs[:, 1]
    each = round_trip_cost_bps(panel, venues)
    saved = _saved_by_resting_bps(panel, venues, a, b) if settings.execution == "maker_first" else 0.0
    return each[a] + each[b] - saved


def whole_market(features: Features) -> Universes:
    """The one universe [1] that holds every pair."""
    return Universes(
        member=np.ones((1, len(features.legs)), dtype=np.bool_),
        known=features.known,
        ranked=features.ranked,
        shown=features.shown,
    )


def make_universes(features: Features, member: NDArray[np.bool_], *, by_pair: bool) -> Universes:
    """The universes of `member` [V, P]; nothing is ranked where observations and actions are `by_pair`."""
    ranks = features.ranked.shape[1]
    order = features.order[:0] if by_pair else features.order
    ranked = [_ranked(_within(order, pairs), ranks) for pairs in member]
    return Universes(
        member=np.ascontiguousarray(member, dtype=np.bool_),
        known=np.concatenate([features.known & pairs for pairs in member]),
        ranked=np.concatenate(ranked),
        shown=np.concatenate([_shown(features.values, best) for best in ranked]),
    )


def round_trip_cost_bps(panel: Panel, venues: Mapping[str, VenueSettings]) -> Matrix:
    """[N] cost of getting in and out of one leg: two taker fees and two half spreads, bps."""
    return np.array([2 * (taker_fee_bps(i.venue, venues) + venues[i.venue].half_spread_bps) for i in panel.instruments])


def _saved_by_resting_bps(
    panel: Panel, venues: Mapping[str, VenueSettings], a: NDArray[np.int64], b: NDArray[np.int64]
) -> Matrix:
    """[P] what a maker's fee on the leg with the wider spread saves in a round trip; where both are alike, the least.
    The spread is not saved: an order through which the price traded is worth less than it paid."""
    tiers = [fees(instrument.venue, venues[instrument.venue]) for instrument in panel.instruments]
    saved = np.array([2 * (tier.taker_bps - tier.maker_bps) for tier in tiers])
    spread = np.array([venues[instrument.venue].half_spread_bps for instrument in panel.instruments])
    return np.where(
        spread[a] > spread[b], saved[a], np.where(spread[b] > spread[a], saved[b], np.minimum(saved[a], saved[b]))
    )


def taker_fee_bps(venue: str, venues: Mapping[str, VenueSettings]) -> float:
    """What this account pays `venue` to take liquidity, bps of notional."""
    return fees(venue, venues[venue]).taker_bps


def _carry(panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], hours: int, rows: int) -> Matrix:
    """Trailing mean of the spread of long a, short b, fraction per hour: what settled over the hours it settled for."""
    paid, covered = (trailing_sum(paid, hours, rows) for paid in (panel.settled, panel.settled_hours))
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(covered >= MIN_COVERAGE * hours, paid / covered, np.nan)
    # Both venues at their default rate differ by binary dust only: that is a spread of zero.
    return np.round(rate[:, b] - rate[:, a], 12)


def _positive_share(spread: Matrix, sign: Matrix) -> Matrix:
    signs = ((way * spread > 1e-12).astype(np.float64) for way in (1, -1))
    above, below = (trailing_sum(one, 72, len(sign)) / 72 for one in signs)
    return np.where(sign > 0, above, below)


def _due_hours(panel: Panel, side: NDArray[np.int64]) -> Matrix:
    """Hours to the next settlement: the interval in force counted from the last one; 0 if that is overdue."""
    ticks, settled_at, interval = (one[-len(side) :] for one in (panel.ticks, panel.settled_at, panel.interval))
    since = (ticks[:, None] - np.take_along_axis(settled_at, side, axis=1)) / HOUR_MS
    return np.maximum(np.take_along_axis(interval, side, axis=1) - since, 0.0)


def _other_quote(panel: Panel, legs: NDArray[np.int64]) -> Matrix:
    quotes = [instrument.quote for instrument in panel.instruments]
    return np.array([float(quotes[a] != quotes[b]) for a, b in legs])


def _order(expected: Matrix, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[T, P] known pairs by expected net carry [T, P]; ties go to the earlier pair."""
    score = np.where(known, np.round(expected, 9), -np.inf)
    order = np.argsort(-score, axis=1, kind="stable")
    return np.where(np.take_along_axis(score, order, axis=1) > -np.inf, order, -1).astype(np.int64)


def _ranked(order: NDArray[np.int64], ranks: int) -> NDArray[np.int64]:
    """[T, K] the first K of `order`, -1 where there are not so many pairs."""
    missing = np.full((len(order), max(ranks - order.shape[1], 0)), -1, dtype=np.int64)
    return np.ascontiguousarray(np.concatenate([order[:, :ranks], missing], axis=1))


def _within(order: NDArray[np.int64], member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[T, P] the pairs of `order` that are in `member` [P], in the same order, -1 behind them."""
    outside = (order < 0) | ~member[order]
    kept = np.argsort(outside, axis=1, kind="stable")
    return np.where(np.take_along_axis(outside, kept, axis=1), -1, np.take_along_axis(order, kept, axis=1))


def _shown(values: NDArray[np.float32], ranked: NDArray[np.int64]) -> NDArray[np.float32]:
    """[T, K x 22] the features of `ranked` [T, K], zero where there is none."""
    rows = np.arange(len(ranked))[:, None]
    seen = np.where(ranked[:, :, None] >= 0, values[rows, np.maximum(ranked, 0)], np.float32(0))
    return seen.reshape(len(ranked), ranked.shape[1] * values.shape[2])


@compiled
def observe(
    seen: NDArray[np.float32], books: Books, features: Features, row: int, tick: int, capital: float, by_pair: bool
) -> None:
    """Fill seen[0] with what one account sees of the whole market right after settling `row` of the features, whose
    tick is `tick`."""
    if by_pair:
        write_pair_observation(seen, 0, books, features, row, row, tick)
    else:
        write_observation(seen, 0, books, features, row, row, tick, capital)


@inlined
def write_observation(
    seen: NDArray[np.float32], b: int, books: Books, features: Features, view: int, row: int, tick: int,
    capital: float,
) -> None:  # fmt: skip
    """Fill seen[b], [O], with what an account sees right after settling `row`: itself, its slots, the opportunities of
    its universe. `view` is the row of `known`, `ranked` and `shown`: `row`, unless they hold many universes."""
    _write_account(seen, b, books, capital)
    slots, width = books.opened_at.shape[0], features.values.shape[2]
    first = 5 + 3 * slots
    for column in range(features.shown.shape[1]):
        seen[b, first + column] = features.shown[view, column]
    for slot in range(slots):
        at = 5 + 3 * slot
        if books.opened_at[slot] == 0:
            seen[b, at] = seen[b, at + 1] = seen[b, at + 2] = 0.0
            continue
        carry = position_carry(books, slot, features.carry, features.legs, features.pair_of, row)
        _write_position(seen, b, at, books, slot, carry, tick)
        pair = features.pair_of[books.instrument[slot, LONG], books.instrument[slot, SHORT]]
        for rank in range(features.ranked.shape[1]):
            if features.ranked[view, rank] == pair:
                seen[b, first + (rank + 1) * width - 1] = 1.0


@compiled
def _write_account(seen: NDArray[np.float32], b: int, books: Books, capital: float) -> None:
    worth, gross, poorest, free = 0.0, 0.0, np.inf, 0
    for venue in range(books.cash.shape[0]):
        worth += books.worth[venue] + books.in_transit[venue]
        gross += books.gross[venue]
        poorest = min(poorest, books.worth[venue])
    for slot in range(books.opened_at.shape[0]):
        free += books.opened_at[slot] == 0
    seen[b, 0] = 100.0 * (worth / capital - 1.0)
    seen[b, 1] = gross / max(worth, 1e-9)
    seen[b, 2] = free / books.opened_at.shape[0]
    seen[b, 3] = 100.0 * (1.0 - worth / books.peak)
    seen[b, 4] = poorest * books.cash.shape[0] / max(worth, 1e-9)


@compiled
def write_pair_observation(
    seen: NDArray[np.float32], b: int, books: Books, features: Features, view: int, row: int, tick: int
) -> None:
    """Fill seen[b], [P x (22 + 3)], with what an account sees of every pair: its features, all zero where one of them
    is unknown or the pair outside its universe, and the position on it, all zero where there is none. `view` as above.
    """
    width = features.values.shape[2]
    for pair in range(features.values.shape[1]):
        at = pair * (width + 3)
        for column in range(width):
            seen[b, at + column] = features.values[row, pair, column] if features.known[view, pair] else 0.0
        for column in range(width, width + 3):
            seen[b, at + column] = 0.0
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] != 0:
            pair = features.pair_of[books.instrument[slot, LONG], books.instrument[slot, SHORT]]
            at = pair * (width + 3) + width
            carry = position_carry(books, slot, features.carry, features.legs, features.pair_of, row)
            _write_position(seen, b, at, books, slot, carry, tick)
            if features.known[view, pair]:
                seen[b, at - 1] = 1.0


@compiled
def _write_position(
    seen: NDArray[np.float32], b: int, at: int, books: Books, slot: int, carry: float, tick: int
) -> None:
    seen[b, at] = 100.0 * slot_total(books, slot) / books.notional[slot]
    seen[b, at + 1] = (tick - books.opened_at[slot]) / (168.0 * HOUR_MS)
    seen[b, at + 2] = carry


@compiled
def position_carry(
    books: Books, slot: int, carry: Matrix, legs: NDArray[np.int64], pair_of: NDArray[np.int64], row: int
) -> float:
    """Mean of 72 h of the spread in the direction that the slot holds, bps per 8 h; 0 where it is not known.

    `carry` [P, T] is that of long a, short b.
    """
    long, short = books.instrument[slot, LONG], books.instrument[slot, SHORT]
    pair = pair_of[long, short]
    mean = carry[pair, row]
    if np.isnan(mean):
        return 0.0
    return mean if long == legs[pair, 0] else -mean
