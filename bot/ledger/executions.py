"""What the journal of live trading speaks of: orders that were sent, executions in work, and their outcomes."""

from dataclasses import dataclass, replace
from enum import StrEnum

from backtest.events import Event
from bot.orders import Proposal
from bot.venue_orders import OrderReport, OrderState, VenueOrder


class Purpose(StrEnum):
    """What a leg's order is for."""

    ENTER = "enter"
    EXIT = "exit"
    UNWIND = "unwind"
    """It takes back what the other leg could not match."""


UNKNOWN = OrderReport(OrderState.UNKNOWN)


@dataclass(frozen=True)
class Sent:
    """A leg's order and what is known of it."""

    execution: int
    tick: int
    slot: int
    leg: int
    attempt: int
    purpose: Purpose
    order: VenueOrder
    sent_ms: int
    """Market time."""
    report: OrderReport = UNKNOWN

    def told(self, report: OrderReport) -> "Sent":
        """The same with a newer report."""
        return replace(self, report=report)


@dataclass(frozen=True)
class Stamp:
    """Who decides, and what that is made of: written with every order."""

    champion: str
    model: str
    """Hash of the policy."""
    configuration: str
    """Hash of the settings."""
    code: str
    """Version of the program."""


@dataclass(frozen=True)
class Task:
    """An execution in work: a proposal and the orders that were sent for it, oldest first."""

    number: int
    """Of the row."""
    proposal: Proposal
    tick: int
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True)
class Completed:
    """What an execution did to the books."""

    number: int
    """Of the row."""
    tick: int
    """That the books were settled to."""
    events: tuple[Event, ...]
    columns: tuple[int, int]
    texts: tuple[tuple[str, str], ...]
    """(kind, text) of what people are told."""
