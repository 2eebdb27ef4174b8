"""The simulation: many accounts stepped side by side over one tape by one compiled kernel.

Both faces of the environment, Gymnasium's and Stable-Baselines3's, and every backtest run through `Simulation`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import Books, equity, new_accounts, slot_total
from backtest.maker_first import trade_in_style
from backtest.observation import Features, position_carry, write_observation, write_pair_observation
from backtest.rules import Rules
from backtest.schema import EXPECTED_NET
from backtest.settings import REWARDS
from backtest.settlement import mark_forced_exits, settle
from backtest.simulated_venue import (
    FLAT,
    IN,
    KEEP,
    Closings,
    Frames,
    closings_layout,
    forced_exits,
    free_slot,
    holds,
    is_flat,
    pair_held,
    tick_of,
    write_plan,
)
from backtest.tape import Tape
from data.compiled import compiled, inlined, kernel, record
from data.types import HOUR_MS

_PNL, _EXCESS, _RISK_ADJUSTED = range(len(REWARDS))
_CLOSINGS = 32
"""Room for closed positions comes in multiples of this, so that few layouts are compiled."""


PROGRESS = record(
    [
        # Where the account is on the tape, and where its episode ends.
        ("row", np.int64),
        ("last", np.int64),
        # Which of the tape's universes it sees.
        ("universe", np.int64),
        ("equity", np.float64),
        # Of the last step.
        ("reward", np.float64),
        # The episode is over: it reached its end, or equity is gone.
        ("done", np.bool_),
    ]
)
"""An account on its way through a tape."""


class Accounts(NamedTuple):
    """B accounts on a tape of T rows and P pairs, changed in place."""

    books: NDArray[np.record]
    """[B]."""
    shadow: NDArray[np.record]
    """[B] books of the carry rule from the same starts, for the excess reward; [0] otherwise."""
    progress: NDArray[np.record]
    """[B] of PROGRESS."""
    closings: NDArray[np.record]
    """[B] of `closings_layout`: what the last step closed."""
    pair_reward: NDArray[np.float64]
    """[B, P] the part of the reward that each pair earned, for actions by pair; [B, 0] otherwise."""
    curve: NDArray[np.float64]
    """[B, T] equity by row, where it is kept; [B, 0] otherwise."""
    no_curve: NDArray[np.float64]
    """[0, 0]: the shadow's is not kept."""
    plan: NDArray[np.int64]
    """[P] of the account that is being stepped."""


class Terms(NamedTuple):
    """What a step needs of the settings."""

    capital: float
    decision_hours: int
    by_pair: bool
    narrow: bool
    """Whether a universe of the tape lacks a pair."""
    reward: int
    """Index into REWARDS."""
    reward_scale: float
    risk_aversion: float
    quality_bonus: float
    quality_penalty: float


class Simulation:
    """B accounts on a tape. Not thread-safe; the tape is only read, and any number of simulations may share it.

    `row`, `last`, `equity`, `reward`, `done` [B] are views of PROGRESS, `closed` [B] counts what the last step closed.
    """

    def __init__(self, tape: Tape, accounts: int, *, keep_curve: bool = False) -> None:
        settings, rows = tape.settings, len(tape.panel.ticks)
        self.tape = tape
        self.count = accounts
        self._by_pair = settings.formulation == "pairs"
        self._pairs = len(tape.features.legs)
        slots = settings.max_positions
        self._flat = new_accounts(1, len(tape.rules.venues), slots, settings.initial_capital)
        books = np.repeat(self._flat, accounts)
        shadowed = settings.reward == "excess"
        # What was held, what is entered and unwound at once, what is held then; the shadow's are written behind it.
        most = (2 * slots + (self._pairs if self._by_pair else 1)) * (2 if shadowed else 1)
        self.accounts = Accounts(
            books=books,
            shadow=books.copy() if shadowed else books[:0].copy(),
            progress=np.zeros(accounts, dtype=PROGRESS),
            closings=np.zeros(accounts, dtype=closings_layout(-(-most // _CLOSINGS) * _CLOSINGS)),
            pair_reward=np.zeros((accounts, self._pairs if self._by_pair else 0)),
            curve=np.zeros((accounts, rows if keep_curve else 0)),
            no_curve=np.zeros((0, 0)),
            plan=np.zeros(self._pairs, dtype=np.int64),
        )
        self._terms = Terms(
            capital=settings.initial_capital,
            decision_hours=settings.decision_hours,
            by_pair=self._by_pair,
            narrow=not bool(tape.universes.member.all()),
            reward=REWARDS.index(settings.reward),
            reward_scale=settings.pnl_reward_scale,
            risk_aversion=settings.risk_aversion,
            quality_bonus=settings.quality_entry_bonus,
            quality_penalty=settings.quality_entry_penalty,
        )
        self._seen = np.zeros((accounts, tape.schema.size * (self._pairs if self._by_pair else 1)), dtype=np.float32)
        universes = tape.universes
        features = universes.seen_in(tape.features)
        self._actions = np.zeros((accounts, self._pairs if self._by_pair else 1), dtype=np.int64)
        self._looking = np.zeros(1, dtype=np.int64)
        books_and_market = self.accounts, self._seen, tape.frames, features
        self._step = _step.bound(*books_and_market, universes.member, tape.rules, self._terms, self._actions)
        self._observe = _observe.bound(*books_and_market, self._terms, self._looking)
        progress = self.accounts.progress
        self.row, self.last, self.equity = progress["row"], progress["last"], progress["equity"]
        self.reward, self.done = progress["reward"], progress["done"]
        self.closed = self.accounts.closings["count"]
        for b in range(accounts):
            self.begin(b, tape.first, rows - 1)

    @property
    def observations(self) -> NDArray[np.float32]:
        """[B, O], or [B, P, O] for actions by pair; overwritten by the next step."""
        return self._seen.reshape(self.count, self._pairs, -1) if self._by_pair else self._seen

    @property
    def action_shape(self) -> tuple[int, ...]:
        """[B], or [B, P] for actions by pair."""
        return (self.count, self._pairs) if self._by_pair else (self.count,)

    def begin(self, b: int, row: int, last: int, universe: int = 0) -> None:
        """Start an episode of account `b` at the first decision at or after `row`; it ends at row `last`. The account
        sees and trades the pairs of that universe of the tape. Raises IndexError for one that the tape has not."""
        if not 0 <= universe < len(self.tape.universes.member):
            raise IndexError(f"the tape has {len(self.tape.universes.member)} universes, there is no {universe}")
        accounts, hours = self.accounts, self._terms.decision_hours
        begun = row
        if hours > 1:
            row = min(last, row - int(self.tape.panel.ticks[row]) // HOUR_MS % -hours)
        accounts.books[b : b + 1] = self._flat
        if len(accounts.shadow):
            accounts.shadow[b : b + 1] = self._flat
        accounts.progress[b] = (row, last, universe, self._terms.capital, 0.0, row >= last)
        self.closed[b] = 0
        if accounts.curve.size:
            accounts.curve[b, begun : row + 1] = self._terms.capital
        self._look(b)

    def resume(self, b: int, row: int, books: Books) -> None:
        """Put account `b` where another simulation of the same market left it: `books`, settled at `row`. What follows
        is played by `hour`."""
        self.accounts.books[b : b + 1] = books
        self.accounts.progress[b] = (row, row, 0, equity(books), 0.0, True)
        self.closed[b] = 0
        self._look(b)

    def hour(self, actions: NDArray[np.int64]) -> None:
        """As `step`, but for one hour, whatever the interval of decisions; between decisions, actions are zeros."""
        self.last[:] = self.row + 1
        self.done[:] = False
        self.step(actions)

    def step(self, actions: NDArray[np.int64]) -> None:
        """One decision of every account, [B] or [B, P], and the hours until its next one. An account that is done
        stays as it is. Results are in `accounts` and `observations`."""
        self._actions[:] = actions.reshape(self.count, -1)
        self._step()

    def _look(self, b: int) -> None:
        self._looking[0] = b
        self._observe()


@kernel
def _step(
    accounts: Accounts, seen: NDArray[np.float32], frames: Frames, features: Features, member: NDArray[np.bool_],
    rules: Rules, terms: Terms, actions: NDArray[np.int64],
) -> None:  # fmt: skip
    plan = accounts.plan
    for b in range(len(accounts.books)):
        progress = accounts.progress[b]
        if not progress.done:
            books, closings, row = accounts.books[b], accounts.closings[b], progress.row
            if terms.by_pair:
                accounts.pair_reward[b] = 0.0
                _add_held(accounts.pair_reward, b, books, -1.0, frames.pair_of)
            closings.count = 0
            view = progress.universe * len(features.order) + row
            write_plan(plan, actions, b, books, features.ranked, view, frames.pair_of, terms.by_pair)
            if terms.by_pair and terms.narrow:
                _keep_outside(plan, member, progress.universe)
            trade_in_style(books, plan, row, frames, rules, closings)
            progress.row = _hold(
                books, plan, row, progress.last, frames, rules, terms.decision_hours, closings, accounts.curve, b
            )
            worth = equity(books)
            gained = worth - progress.equity
            progress.equity = worth
            if terms.reward == _EXCESS:
                gained -= _rule_gain(accounts, b, plan, row, frames, features, member, rules, terms)
            progress.reward = _reward(gained, terms)
            progress.done = worth <= 0.0 or progress.row >= progress.last
            if terms.by_pair:
                _add_held(accounts.pair_reward, b, books, 1.0, frames.pair_of)
                _add_closed(accounts.pair_reward, b, closings, 0, 1.0, frames.pair_of)
                for pair in range(accounts.pair_reward.shape[1]):
                    accounts.pair_reward[b, pair] = _reward(accounts.pair_reward[b, pair], terms)
            if _entered(books, closings, tick_of(frames, row)):
                _add_entry_quality(accounts, b, row, frames, features, terms)
        _observe_one(seen, b, accounts.books[b], progress, frames, features, terms)


@compiled
def _keep_outside(plan: NDArray[np.int64], member: NDArray[np.bool_], universe: int) -> None:
    """Leave the pairs of a plan [P] that are not in the universe as they are."""
    for pair in range(len(plan)):
        if not member[universe, pair]:
            plan[pair] = KEEP


@inlined
def _hold(
    books: Books, plan: NDArray[np.int64], row: int, last: int, frames: Frames, rules: Rules, decision_hours: int,
    closings: Closings, curve: NDArray[np.float64], b: int,
) -> int:  # fmt: skip
    """Let the market go on until the next decision or the last row; returns the row reached."""
    while True:
        row += 1
        tick = tick_of(frames, row)
        settle(books, tick, frames.hours, row, rules)
        if curve.shape[1] > 0:
            curve[b, row] = equity(books)
        if row >= last or tick // HOUR_MS % decision_hours == 0:
            return row
        if not is_flat(books) and mark_forced_exits(books, rules):
            forced_exits(books, plan, row, frames, rules, closings)


@compiled
def _reward(gained: float, terms: Terms) -> float:
    """The reward of a gain in quote currency, entry quality apart."""
    bps = 1e4 * gained / terms.capital
    if terms.reward == _RISK_ADJUSTED:
        bps -= 0.5 * terms.risk_aversion * bps * bps
    return terms.reward_scale * bps


@compiled
def _entered(books: Books, closings: Closings, tick: int) -> bool:
    """Whether a position was opened at `tick`, even if it is closed again."""
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] == tick:
            return True
    for number in range(closings.count):  # noqa: SIM110 - compiled
        if closings.opened_at[number] == tick:
            return True
    return False


@compiled
def _add_entry_quality(accounts: Accounts, b: int, row: int, frames: Frames, features: Features, terms: Terms) -> None:
    """Bonus or penalty for every position that was opened at `row`, whether it is still held or closed again."""
    books, closings, tick = accounts.books[b], accounts.closings[b], tick_of(frames, row)
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] == tick:
            _add_quality(accounts, b, pair_held(books, slot, frames.pair_of), row, features.values, terms)
    for number in range(closings.count):
        if closings.opened_at[number] == tick:
            pair = frames.pair_of[closings.instrument[number, 0], closings.instrument[number, 1]]
            _add_quality(accounts, b, pair, row, features.values, terms)


@compiled
def _add_quality(accounts: Accounts, b: int, pair: int, row: int, values: NDArray[np.float32], terms: Terms) -> None:
    quality = terms.quality_bonus if values[row, pair, EXPECTED_NET] > 0.0 else terms.quality_penalty
    accounts.progress[b].reward += quality
    if terms.by_pair:
        accounts.pair_reward[b, pair] += quality


@compiled
def _add_held(values: NDArray[np.float64], b: int, books: Books, sign: float, pair_of: NDArray[np.int64]) -> None:
    """Add the P&L of what is held to its pairs [B, P]."""
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] != 0:
            values[b, pair_held(books, slot, pair_of)] += sign * slot_total(books, slot)


@compiled
def _add_closed(
    values: NDArray[np.float64], b: int, closings: Closings, first: int, sign: float, pair_of: NDArray[np.int64]
) -> None:
    """Add the P&L of what was closed, from the `first` closing on, to its pairs [B, P]."""
    for number in range(first, closings.count):
        pair = pair_of[closings.instrument[number, 0], closings.instrument[number, 1]]
        for column in range(closings.pnl.shape[1]):
            values[b, pair] += sign * closings.pnl[number, column]


@compiled
def _rule_gain(
    accounts: Accounts, b: int, plan: NDArray[np.int64], row: int, frames: Frames, features: Features,
    member: NDArray[np.bool_], rules: Rules, terms: Terms,
) -> float:  # fmt: skip
    """What the carry rule gains over the same hours on books of its own; taken off the pairs' rewards by pair."""
    books, closings = accounts.shadow[b], accounts.closings[b]
    before, count = equity(books), closings.count
    if terms.by_pair:
        _add_held(accounts.pair_reward, b, books, 1.0, frames.pair_of)
    write_rule_plan(plan, books, row, features, member, accounts.progress[b].universe, terms.by_pair)
    trade_in_style(books, plan, row, frames, rules, closings)
    _hold(
        books, plan, row, accounts.progress[b].last, frames, rules, terms.decision_hours, closings,
        accounts.no_curve, b,
    )  # fmt: skip
    if terms.by_pair:
        _add_held(accounts.pair_reward, b, books, -1.0, frames.pair_of)
        _add_closed(accounts.pair_reward, b, closings, count, -1.0, frames.pair_of)
    closings.count = count
    return equity(books) - before


@compiled
def write_rule_plan(
    plan: NDArray[np.int64], books: Books, row: int, features: Features, member: NDArray[np.bool_],
    universe: int, by_pair: bool,
) -> None:  # fmt: skip
    """What `policies.CarryRule` decides in a universe of `member` [V, P], as a plan: one change, or as many as there
    are `by_pair`."""
    plan[:] = KEEP
    for slot in range(books.opened_at.shape[0]):
        if (
            books.opened_at[slot] != 0
            and position_carry(books, slot, features.carry, features.legs, features.pair_of, row) < 0.0
        ):
            plan[pair_held(books, slot, features.pair_of)] = FLAT
            if not by_pair:
                return
    if free_slot(books) < 0 and not by_pair:
        return
    shown, view = features.ranked, universe * len(features.order) + row
    if by_pair:
        shown, view = features.order, row
    for rank in range(shown.shape[1]):
        pair = shown[view, rank]
        if pair < 0 or not features.values[row, pair, EXPECTED_NET] > 0.0:
            return
        if member[universe, pair] and not holds(books, features.legs[pair, 0], features.legs[pair, 1]):
            plan[pair] = IN
            if not by_pair:
                return


@kernel
def _observe(
    accounts: Accounts, seen: NDArray[np.float32], frames: Frames, features: Features, terms: Terms,
    looking: NDArray[np.int64],
) -> None:  # fmt: skip
    b = looking[0]
    _observe_one(seen, b, accounts.books[b], accounts.progress[b], frames, features, terms)


@inlined
def _observe_one(
    seen: NDArray[np.float32],
    b: int,
    books: Books,
    progress: np.record,
    frames: Frames,
    features: Features,
    terms: Terms,
) -> None:
    row, tick = progress.row, tick_of(frames, progress.row)
    view = progress.universe * len(features.order) + row
    if terms.by_pair:
        write_pair_observation(seen, b, books, features, view, row, tick)
    else:
        write_observation(seen, b, books, features, view, row, tick, terms.capital)
