"""Decisions as orders for one slot: how large an entry is, what an exit closes, and what both are called. Used by the
trader and who keeps its books."""

import math

from backtest.accounting import LONG, OPEN, SHORT, Books
from backtest.events import Fill, apply
from backtest.observation import Features
from backtest.rules import Rules, pair_quantity
from backtest.simulated_venue import free_slot, holds
from bot.orders import LegOrder, Proposal
from data.panel import Panel
from data.types import Instrument


class Proposals:
    """Makes proposals for the instruments of one account."""

    def __init__(self, instruments: tuple[Instrument, ...], rules: Rules) -> None:
        self._instruments = instruments
        self._rules = rules

    def entry(self, pair: int, books: Books, panel: Panel, features: Features, tick: int) -> Proposal | None:
        """An entry into the pair; None where it cannot be carried out."""
        slot = free_slot(books)
        if slot < 0 or holds(books, *features.legs[pair]):
            return None
        long, short = (int(column) for column in features.legs[pair][:: int(features.direction[-1, pair])])
        closes = float(panel.close[-1, long]), float(panel.close[-1, short])
        quantity = pair_quantity(long, short, *closes, self._rules)
        if quantity == 0:
            return None
        collar = self._rules.price_collar
        legs = (
            self._leg(LONG, long, quantity, closes[0], collar),
            self._leg(SHORT, short, -quantity, closes[1], collar),
        )
        return Proposal(entry=True, slot=slot, tick=tick, reason=OPEN, legs=legs, columns=(long, short))

    def exit(self, books: Books, slot: int, reason: int, tick: int) -> Proposal:
        """An exit of the legs that are open; without legs where none is."""
        legs = tuple(
            self._leg(
                leg, int(books.instrument[slot, leg]), -quantity, float(books.mark[slot, leg]), math.inf, quantity
            )
            for leg, quantity in enumerate(books.quantity[slot].tolist())
            if quantity != 0
        )
        long, short = books.instrument[slot].tolist()
        return Proposal(entry=False, slot=slot, tick=tick, reason=reason, legs=legs, columns=(long, short))

    def likely(self, books: Books, features: Features) -> tuple[Instrument, ...]:
        """What the next hour's entries are most likely for: the legs of the pairs that are shown, if a slot is free."""
        shown = features.ranked[-1] if free_slot(books) >= 0 else features.ranked[-1, :0]
        legs = features.legs[shown[shown >= 0]].ravel().tolist()
        return tuple(self._instruments[column] for column in dict.fromkeys(legs))

    def set_aside(self, proposal: Proposal, books: Books) -> Books:
        """The books as if an entry were filled at its references for nothing: its slot and its margin are taken."""
        for leg in proposal.legs:
            leverage, price = float(self._rules.venues[leg.venue].leverage), leg.reference
            filled = Fill(
                proposal.slot, leg.leg, leg.column, leg.venue, leg.quantity, price, price, 0.0, leverage, proposal.tick
            )
            books = apply(books, filled)
        return books

    def title(self, proposal: Proposal) -> str:
        """For people: the slot and its legs."""
        sides = " and ".join(
            f"{'long' if leg.leg == LONG else 'short'} {self.name(leg.column)}" for leg in proposal.legs
        )
        return f"slot {proposal.slot}, {sides}"

    def name(self, column: int) -> str:
        """For people: an instrument."""
        instrument = self._instruments[column]
        return f"{instrument.asset} on {instrument.venue}"

    def _leg(
        self, leg: int, column: int, quantity: float, reference: float, collar: float, held: float = 0.0
    ) -> LegOrder:
        instrument, venue = self._instruments[column], int(self._rules.instruments[column].venue)
        return LegOrder(leg, instrument, column, venue, quantity, reference, collar, held)
