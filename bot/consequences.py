"""What an outcome does to the books, as events: applied by the trader at once, and from the journal after a crash."""

from collections.abc import Sequence

from backtest.accounting import OPEN, Books
from backtest.events import Closing, Event, Fill, SlotCleared, apply
from backtest.settlement import UNWOUND
from bot.orders import LegFill, Proposal

DUST = 0.01
"""Legs that differ by less than this share of the larger one may stay: no venue takes an order for the rest."""


def consequences(proposal: Proposal, fills: Sequence[LegFill], books: Books) -> tuple[Event, ...]:
    """The events that `fills` of a proposal make of `books`, in order; none without fills.

    An entry of which nothing is left is a position that was closed at once; one whose legs are not equal is marked to
    be closed at the next tick. An exit that was carried out in part stays marked.
    """
    if not fills:
        return ()
    legs = {leg.leg: leg for leg in proposal.legs}
    events: list[Event] = []
    if proposal.entry:
        events += [_named(proposal, leg, fills[0]) for leg in legs if leg not in {fill.leg for fill in fills}]
    for fill in fills:
        leg = legs[fill.leg]
        events.append(
            Fill(
                proposal.slot, leg.leg, leg.column, leg.venue, fill.quantity, fill.price, fill.mid, fill.fee_rate,
                fill.leverage, proposal.tick, fill.saved,
            )
        )  # fmt: skip
    after = books
    for event in events:
        after = apply(after, event)
    long, short = (abs(float(quantity)) for quantity in after.quantity[proposal.slot])
    if not proposal.entry:
        if proposal.reason != OPEN:
            events.append(Closing(proposal.slot, proposal.reason))
    elif abs(long - short) > DUST * max(long, short):
        events.append(Closing(proposal.slot, UNWOUND))
    if long == short == 0.0:
        events += [Closing(proposal.slot, UNWOUND)] if proposal.entry else []
        events.append(SlotCleared(proposal.slot))
    return tuple(events)


def _named(proposal: Proposal, leg: int, fill: LegFill) -> Fill:
    """The leg that nothing was filled on, so that the books know which it was to be."""
    order = next(order for order in proposal.legs if order.leg == leg)
    return Fill(
        proposal.slot, leg, order.column, order.venue, 0.0, order.reference, order.reference, 0.0, fill.leverage,
        proposal.tick,
    )  # fmt: skip
