"""The hindsight bound: what no policy could have beaten on a tape, so that a report can say "x % of what was there".

A position, long one leg of a pair and short the other, entered at row s and left at row t, earns

    V(s, t) = quantity(s) x (exit(t) - entry(s))        with the funding received so far inside `exit` and `entry`

at the quotes, fees, sizes and marks of the simulated venue. What a policy can do is choose positions, at most one at a
time per pair and at most `slots` at a time in all. For any price of a slot-hour, price(t) >= 0,

    slots x sum of price + sum over pairs of the pair's best chain of positions, each charged for the hours it takes

is at least what the best choice earns, because that choice pays for no more slot-hours than there are (weak duality).
A subgradient method lowers it, and whatever prices it ends with, it is a bound. Whole positions may not quite reach it,
which is why the best schedule found is reported too; for one slot, and where slots are never short, the two are equal.

Hindsight sees every price, acts as often as it likes, takes either direction, and knows no stop-loss, margin, collar or
transfer: these only narrow what a policy can do. Outside the bound is one thing, a liquidation, which closes a leg
without the other at a punishing fee. Nothing is booked here: what a policy earned is in the books.
"""

from dataclasses import dataclass

import numpy as np

from backtest.accounting import LONG, SHORT
from backtest.chains import Lines, Matrix, Rows, Vector, best_of_each_pair, best_of_one_slot, make_lines
from backtest.resting import ENTRY, EXIT_A, EXIT_B
from backtest.rules import Rules, pair_quantity
from backtest.tape import Tape
from data.compiled import compiled

_SEARCHES = 120
"""Times that one slot of the schedule is planned anew; more raise `reached` by ever less."""
_PATIENCE = 10
"""Rounds without progress after which the steps become shorter."""


@dataclass(frozen=True)
class Holding:
    """A position of the schedule that was found."""

    long: int
    """Column of the panel."""
    short: int
    entered: int
    """Row of the panel whose decision opens it."""
    left: int
    """Row whose decision closes it; the panel's last row: still held, and marked at the last closes."""
    quantity: float
    """Units of the asset in each leg."""
    pnl: float
    """Quote currency, costs included."""


@dataclass(frozen=True)
class Bound:
    """What was there. Money in quote currency."""

    pnl: float
    """No policy's P&L is above it; never below zero."""
    reached: float
    """P&L of `holdings`: what the best choice earns lies between this and `pnl`."""
    holdings: tuple[Holding, ...]
    """A schedule within the slots, by entry."""

    def share(self, pnl: float) -> float:
        """`pnl` as a fraction of the bound; NaN where nothing was to be had."""
        return pnl / self.pnl if self.pnl > 0 else float("nan")


def hindsight_bound(tape: Tape, *, basis: bool = True, rounds: int = 250) -> Bound:
    """The most that `tape.settings.max_positions` slots could have earned on `tape`, from above and from below.

    Without `basis`, price changes count as zero: what is left is funding - fees - slippage, what carry alone could have
    paid. The full bound is mostly price bounce, which nobody foresees. `rounds` limits the work, not the truth: fewer
    leave a higher bound. Raises ValueError for a tape whose closes do not tell what an entry is marked at.
    """
    lines, slots = _lines(tape, basis), tape.settings.max_positions
    value, positions = best_of_each_pair(lines, np.zeros(lines.exit.shape[1]))
    if np.all(_busy(positions, lines.exit.shape[1]) <= slots):  # never short of slots: each pair has its best
        return Bound(value, value, _holdings(tape, lines, positions))
    positions = _search(lines, slots)
    reached = float(lines.values(positions).sum())
    bound = reached if slots == 1 else _lowest(lines, slots, reached, rounds)  # one slot is planned exactly
    return Bound(bound, reached, _holdings(tape, lines, positions))


def _lines(tape: Tape, basis: bool) -> Lines:
    legs, close, quotes = tape.features.legs, tape.panel.close, tape.quotes
    fee_rate = tape.rules.instruments["fee_rate"]
    long, short = np.concatenate([legs, legs[:, ::-1]]).T
    # An entry is marked at its mid until the next close. That is in the next row, as both are of one bar, so that the
    # newest close is what the books pay funding on and mark with: exact, and one sum of funding serves every entry.
    if np.any(np.isfinite(quotes.mid[:-1]) & ~np.isfinite(close[1:])):
        raise ValueError("a quote without a close in the next row: what an entry there is marked at is not known")
    mark = _newest(close)
    paid = np.cumsum(np.nan_to_num(mark * tape.panel.settled), axis=0)
    received = paid[:, short] - paid[:, long]
    worth = np.zeros(mark.shape) if basis else quotes.mid
    buy, sell = quotes.ask * (1 + fee_rate) - worth, quotes.bid * (1 - fee_rate) - worth
    entry, leave = buy[:, long] - sell[:, short], sell[:, long] - buy[:, short]
    if tape.frames.resting is not None:  # what forced exits cross at, or what resting came to, whichever is better
        rested_entry, rested_leave = _rested(tape, basis)
        entry, leave = np.fmin(entry, rested_entry), np.fmax(leave, rested_leave)
    entry, leave = entry + received, leave + received
    final = np.nan_to_num(mark[-1]) if basis else np.zeros(len(fee_rate))
    leave[-1] = final[long] - final[short] + received[-1]
    entry[-1] = np.nan
    quantity = _quantities(close, long, short, tape.rules)
    entry[quantity == 0] = np.nan
    spot = np.array([instrument.spot for instrument in tape.panel.instruments])
    entry[:, spot[short]] = np.nan  # a coin that is not owned cannot be sold
    return make_lines(*(np.ascontiguousarray(matrix[tape.first :].T) for matrix in (quantity, entry, leave)))


def _rested(tape: Tape, basis: bool) -> tuple[Matrix, Matrix]:
    """[T, J] each, what entering and leaving a unit costs and fetches by orders that rest first; an entry is NaN in the
    direction in which the row opens none."""
    entries = _resting_flow(tape, np.full(2 * len(tape.features.legs), ENTRY), 1.0, basis)
    with_direction = np.concatenate([tape.frames.direction > 0, tape.frames.direction < 0], axis=1)
    leaving = np.repeat([EXIT_A, EXIT_B], len(tape.features.legs))
    return np.where(with_direction, entries, np.nan), -_resting_flow(tape, leaving, -1.0, basis)


def _resting_flow(tape: Tape, what: Rows, way: float, basis: bool) -> Matrix:
    """[T, J] what is paid for `way` units of each line, long leg less short leg, fees included."""
    legs, resting, rules = tape.features.legs, tape.frames.resting, tape.rules
    pair = np.tile(np.arange(len(legs)), 2)
    ends = resting.ends[:, pair, what]
    total = np.zeros(ends.shape)
    lines = np.concatenate([legs, legs[:, ::-1]]).T
    for leg, quotes, columns in zip((LONG, SHORT), (resting.long, resting.short), lines, strict=True):
        book, side = quotes[:, pair, what], way if leg == LONG else -way
        rests = ends["filled"] & (ends["first"] == leg)
        maker = rules.venues["maker_fee_rate"][rules.instruments["venue"][columns]]
        fee = np.where(rests, maker, rules.instruments["fee_rate"][columns])
        price = np.where(rests, ends["price"], book["ask"] if side > 0 else book["bid"])
        total += side * price + price * fee - (0.0 if basis else side * book["mid"])
    return total


def _newest(close: Matrix) -> Matrix:
    """[T, N] the last close known at each row; NaN before the first."""
    rows = np.where(np.isfinite(close), np.arange(len(close))[:, None], 0)
    return np.take_along_axis(close, np.maximum.accumulate(rows, axis=0), axis=0)


@compiled
def _quantities(close: Matrix, long: Rows, short: Rows, rules: Rules) -> Matrix:
    out = np.zeros((len(close), len(long)))
    for t in range(len(close)):
        for line in range(len(long)):
            one, other = long[line], short[line]
            out[t, line] = pair_quantity(one, other, close[t, one], close[t, other], rules)
    return out


def _holdings(tape: Tape, lines: Lines, positions: Rows) -> tuple[Holding, ...]:
    legs = np.concatenate([tape.features.legs, tape.features.legs[:, ::-1]])
    ordered = positions[np.lexsort(positions.T[:2])]
    return tuple(
        Holding(
            long=int(legs[line, 0]),
            short=int(legs[line, 1]),
            entered=int(entered) + tape.first,
            left=int(left) + tape.first,
            quantity=float(lines.quantity[line, entered]),
            pnl=float(pnl),
        )
        for (line, entered, left), pnl in zip(ordered, lines.values(ordered), strict=True)
    )


def _busy(positions: Rows, rows: int) -> Rows:
    """[T] positions held from each row to the next."""
    changes = np.bincount(positions[:, 1], minlength=rows) - np.bincount(positions[:, 2], minlength=rows)
    return np.cumsum(changes)


def _search(lines: Lines, slots: int) -> Rows:
    """A schedule [M, 3] within the slots.

    One slot after the other is planned anew, exactly, around what the others hold, so the schedule never gets worse;
    who holds what is dealt anew before each, which leads out of dead ends.
    """
    random, rows = np.random.default_rng(0), lines.exit.shape[1]
    positions = np.empty((0, 3), dtype=np.int64)
    for turn in range(1 if slots == 1 else max(_SEARCHES, 2 * slots)):
        kept = positions[_deal(positions, slots, random.random(len(positions))) != turn % slots]
        taken = np.zeros((len(lines.exit) // 2, rows), dtype=np.bool_)
        for line, entered, left in kept:
            taken[line % len(taken), entered:left] = True
        positions = np.concatenate([kept, best_of_one_slot(lines, taken)])
    return positions


@compiled
def _deal(positions: Rows, slots: int, draws: Vector) -> Rows:
    """[M] a slot for each position, by `draws` [M] in [0, 1) among those that are free when it begins."""
    slot_of, free_at = np.zeros(len(positions), dtype=np.int64), np.zeros(slots, dtype=np.int64)
    for index in np.argsort(positions[:, 1]):
        free = np.flatnonzero(free_at <= positions[index, 1])
        slot_of[index] = free[int(draws[index] * len(free))]
        free_at[slot_of[index]] = positions[index, 2]
    return slot_of


def _lowest(lines: Lines, slots: int, reached: float, rounds: int) -> float:
    """The lowest bound met in `rounds` projected subgradient steps of Polyak's length towards `reached`, which is one
    that no price can be below."""
    price, bound, step, stalled = np.zeros(lines.exit.shape[1]), np.inf, 1.0, 0
    for _ in range(rounds):
        value, positions = best_of_each_pair(lines, price)
        value += slots * price.sum()
        stalled = 0 if value < bound * (1 - 1e-5) else stalled + 1
        bound = min(bound, value)
        if stalled == _PATIENCE:
            step, stalled = step / 1.5, 0
        idle = (slots - _busy(positions, len(price))).astype(np.float64)
        idle[(price <= 0) & (idle > 0)] = 0.0
        if not idle.any() or bound - reached <= 1e-6 * bound:
            break
        price = np.maximum(price - step * (value - reached) / (idle @ idle) * idle, 0.0)
    return float(bound)
