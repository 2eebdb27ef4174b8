"""The ledger's tables of live trading: orders at the venues, what became of each proposal, the venues' own histories.

Written by `ledger.journal`; what changes here needs a revision, as in `models`.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.ledger.models import Base, Id


class OrderRow(Base):
    """One leg's order to a venue: written as unknown before a byte is sent, and brought up to what the venue proves."""

    __tablename__ = "orders"
    client_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    execution: Mapped[int] = mapped_column(ForeignKey("executions.id"), index=True)
    tick: Mapped[int]
    slot: Mapped[int]
    leg: Mapped[int]
    attempt: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(8))
    """enter, exit or unwind."""
    venue: Mapped[str]
    symbol: Mapped[str]
    quantity: Mapped[Decimal]
    """Signed: above zero buys."""
    worst_price: Mapped[Decimal]
    style: Mapped[str]
    reduce_only: Mapped[bool]
    sent_ms: Mapped[int]
    """Market time."""
    state: Mapped[str]
    """As in `bot.venue_orders.OrderState`."""
    filled: Mapped[Decimal]
    average: Mapped[Decimal]
    venue_id: Mapped[str]
    reason: Mapped[str]
    champion: Mapped[str]
    """Who decided, what it is made of, under which configuration, by which code."""
    model: Mapped[str]
    configuration: Mapped[str]
    code: Mapped[str]


class ExecutionRow(Base):
    """One proposal that was acted on at the venues, and what became of it: written with its first order, completed
    together with its fills. The books are the last snapshot and the executions after it, by number."""

    __tablename__ = "executions"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    number: Mapped[int | None]
    """Its place among the outcomes; none while its own is not known."""
    tick: Mapped[int]
    """That the books were settled to when they changed."""
    proposal: Mapped[dict[str, Any]]
    events: Mapped[dict[str, Any] | None]
    """What it did to the books, in order, and what people are told."""
    naked: Mapped[Decimal]
    """What stood without its other leg: quote currency x seconds."""
    booked: Mapped[int | None]
    """Tick of the snapshot that contains it."""


class VenueFillRow(Base):
    """One trade, as a venue's history has it."""

    __tablename__ = "venue_fills"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    venue: Mapped[str] = mapped_column(String(32), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    trade_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str]
    time_ms: Mapped[int]
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    fee: Mapped[Decimal]
    maker: Mapped[bool]


class VenueFundingRow(Base):
    """One funding payment, as a venue's history has it: what is here is booked."""

    __tablename__ = "venue_funding"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    venue: Mapped[str] = mapped_column(String(32), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    time_ms: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    amount: Mapped[Decimal]
    tick: Mapped[int]
    """At which it was booked."""
