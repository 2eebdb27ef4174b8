"""Yardsticks: what plain policies earn on a window, what there was to earn, and how much of it is a matter of timing.

Every report that praises a policy says what the carry rule, staying flat and chance would have earned, what hindsight
would have, and what the same policy earns if its fills come sooner or later than they can.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG, SHORT, Books, fill, new_books, pnl_split
from backtest.hindsight import Bound, Holding, hindsight_bound
from backtest.policies import Policy, plain_policy
from backtest.replay import Result, replay_all
from backtest.rules import Rules
from backtest.settlement import settle
from backtest.tape import Fills, Tape

PLAIN = ("rule", "flat", "random")


@dataclass(frozen=True)
class Yardstick:
    """One line of the comparison. Money in quote currency."""

    name: str
    pnl: dict[str, float]
    """By cause, with the total."""
    share_pct: float | None
    """Of what hindsight could have earned, prices included; None where nothing was there."""
    carry_share_pct: float | None
    """P&L without basis, of what hindsight could have earned by carry alone."""
    trades: int
    max_drawdown_pct: float | None
    """None for hindsight, which has no equity curve."""


@dataclass(frozen=True)
class Timing:
    """P&L of one policy on the same window by when its decisions fill, quote currency."""

    name: str
    same_close: float
    """At the close that the decision saw, which cannot be had."""
    next_open: float
    """At the open of the next bar, as everywhere else."""
    hour_later: float

    @property
    def owed_to_the_trap(self) -> float:
        """What filling at the observed close would add; near zero for a policy that does not live from stale prices."""
        return self.same_close - self.next_open


@dataclass(frozen=True)
class Comparison:
    """The yardsticks of one window."""

    bound: Bound
    carry_bound: Bound
    """Prices left out."""
    lines: tuple[Yardstick, ...]
    timings: tuple[Timing, ...]


def compare(
    tape_of: Callable[[Fills], Tape], seed: int, policies: Callable[[Tape], Sequence[Policy]] | None = None
) -> Comparison:
    """Play `policies` (by default rule, flat and random) on the window that `tape_of` gives for each kind of fills, and
    bound what could have been earned."""
    chosen = policies or (lambda tape: [plain_policy(name, tape.schema, seed) for name in PLAIN])
    tapes = {fills: tape_of(fills) for fills in Fills}
    results = {fills: replay_all(tape, chosen(tape)) for fills, tape in tapes.items()}
    tape = tapes[Fills.NEXT_OPEN]
    bound, carry = hindsight_bound(tape), hindsight_bound(tape, basis=False)
    gains = {fills: [float(one.equity[-1] - one.equity[0]) for one in some] for fills, some in results.items()}
    named = enumerate(results[Fills.NEXT_OPEN])
    return Comparison(
        bound=bound,
        carry_bound=carry,
        lines=(
            *(_line(result, bound, carry) for result in results[Fills.NEXT_OPEN]),
            _hindsight("best carry", carry, tape, basis=False),
            _hindsight("best of all", bound, tape, basis=True),
        ),
        timings=tuple(Timing(one.policy, *(gains[fills][number] for fills in _ORDER)) for number, one in named),
    )


_ORDER = (Fills.SAME_CLOSE, Fills.NEXT_OPEN, Fills.HOUR_LATER)


def _line(result: Result, bound: Bound, carry: Bound) -> Yardstick:
    split = pnl_split(result.books)
    return Yardstick(
        name=result.policy,
        pnl=split,
        share_pct=_pct(split["total"], bound.pnl),
        carry_share_pct=_pct(split["total"] - split["basis"], carry.pnl),
        trades=len(result.trades),
        max_drawdown_pct=result.metrics.max_drawdown_pct,
    )


def _hindsight(name: str, bound: Bound, tape: Tape, *, basis: bool) -> Yardstick:
    """The schedule that was found; its total is a little below the bound."""
    split = schedule_split(tape, bound.holdings)
    if not basis:
        split |= {"basis": 0.0, "total": split["total"] - split["basis"]}
    share = _pct(split["total"], bound.pnl)
    return Yardstick(
        name=name,
        pnl=split,
        share_pct=share if basis else None,
        carry_share_pct=None if basis else share,
        trades=len(bound.holdings),
        max_drawdown_pct=None,
    )


def _pct(pnl: float, bound: float) -> float | None:
    return 100 * pnl / bound if bound > 0 else None


def schedule_split(tape: Tape, holdings: Sequence[Holding]) -> dict[str, float]:
    """P&L by cause of positions played one by one through the books, on an account that nothing can liquidate: what a
    position earns is asked, not whether the account could bear it."""
    rules = tape.rules._replace(venues=np.zeros_like(tape.rules.venues))
    hours = tape.frames.hours.copy()
    hours["gone"] = False
    splits = [pnl_split(_played(tape, rules, hours, holding)) for holding in holdings]
    causes = pnl_split(new_books(len(rules.venues), 1, tape.settings.initial_capital))
    return {cause: sum(split[cause] for split in splits) for cause in causes}


def _played(tape: Tape, rules: Rules, hours: NDArray[np.record], holding: Holding) -> Books:
    books = new_books(len(rules.venues), 1, 1e12)
    _trade(books, tape, holding, holding.entered, holding.quantity)
    for row in range(holding.entered + 1, holding.left + 1):
        settle(books, int(tape.panel.ticks[row]), hours, row, rules)
    if holding.left < len(tape.panel.ticks) - 1:
        _trade(books, tape, holding, holding.left, -holding.quantity)
    return books


def _trade(books: Books, tape: Tape, holding: Holding, row: int, quantity: float) -> None:
    for leg, column, units in ((LONG, holding.long, quantity), (SHORT, holding.short, -quantity)):
        quote, rule = tape.frames.now[row, column], tape.rules.instruments[column]
        price = quote.ask if units > 0 else quote.bid
        fill(books, 0, leg, column, rule.venue, units, price, quote.mid, rule.fee_rate, 0.0, int(tape.panel.ticks[row]))
