"""The tables of the ledger. Money, prices and quantities are exact decimals, times are milliseconds of market time.

What changes here needs a revision in `migrations/versions`; a test holds the two equal.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Exact(TypeDecorator[Decimal]):
    """A decimal kept as text, so that no database rounds it; floats are written as their shortest exact notation."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | float | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else str(Decimal(float.__repr__(value)) if isinstance(value, float) else value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """From the database."""
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    """Of every table."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's interface
        Decimal: Exact,
        int: BigInteger,
        dict[str, Any]: JSON(none_as_null=True),
    }


Id = BigInteger().with_variant(Integer, "sqlite")
"""Keys that the database counts up."""


class Run(Base):
    """One account's life in one world, from its start to its bound; it survives restarts of the process."""

    __tablename__ = "runs"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    world: Mapped[str] = mapped_column(index=True)
    """Fingerprint of the market, venues, settings and bounds: what must be equal for a restart to continue the run."""
    profile: Mapped[str]
    description: Mapped[str]
    episode: Mapped[str] = mapped_column(server_default=text("''"))
    """What is unusual in a simulated market; empty otherwise."""
    champion: Mapped[str]
    capital: Mapped[Decimal]
    from_ms: Mapped[int]
    to_ms: Mapped[int | None]
    state: Mapped[str]
    """running, finished or abandoned."""
    instruments: Mapped[dict[str, Any]]
    salt: Mapped[str | None] = mapped_column(String(8))
    """Letters in the name of each of its orders: runs are counted from one in every ledger, and a ledger can be lost.
    None for runs of before."""


class Tick(Base):
    """One hour of the account."""

    __tablename__ = "ticks"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tick: Mapped[int] = mapped_column(primary_key=True)
    equity: Mapped[Decimal]
    """After settlement, before trading."""
    action: Mapped[str | None]
    """What the policy decided, a number or one per pair; empty where it was not asked."""


class Intent(Base):
    """An order, written before anything is sent."""

    __tablename__ = "intents"
    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    tick: Mapped[int]
    slot: Mapped[int]
    leg: Mapped[int]
    venue: Mapped[str]
    symbol: Mapped[str]
    quantity: Mapped[Decimal]
    reference: Mapped[Decimal]
    reason: Mapped[str]
    state: Mapped[str]
    """pending, filled or unfilled."""


class FillRow(Base):
    """A fill of an intent."""

    __tablename__ = "fills"
    client_id: Mapped[str] = mapped_column(ForeignKey("intents.client_id"), primary_key=True)
    tick: Mapped[int]
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    mid: Mapped[Decimal]
    fee: Mapped[Decimal]


class FundingRow(Base):
    """A funding payment on one leg, or a part of it that came later; positive is received."""

    __tablename__ = "funding"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    due: Mapped[int] = mapped_column(primary_key=True)
    """The tick that the settlement belongs to."""
    venue: Mapped[str] = mapped_column(String(32), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    tick: Mapped[int] = mapped_column(primary_key=True)
    """The tick at which it was booked: later than `due` if the venue published late."""
    rate: Mapped[Decimal]
    amount: Mapped[Decimal]


class TradeRow(Base):
    """A closed pair position."""

    __tablename__ = "trades"
    __table_args__ = (UniqueConstraint("run_id", "number"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    number: Mapped[int]
    asset: Mapped[str]
    long_venue: Mapped[str]
    long_symbol: Mapped[str]
    short_venue: Mapped[str]
    short_symbol: Mapped[str]
    quantity: Mapped[Decimal]
    opened_ms: Mapped[int]
    closed_ms: Mapped[int]
    long_entry: Mapped[Decimal]
    long_exit: Mapped[Decimal]
    short_entry: Mapped[Decimal]
    short_exit: Mapped[Decimal]
    notional: Mapped[Decimal]
    funding: Mapped[Decimal]
    basis: Mapped[Decimal]
    fees: Mapped[Decimal]
    slippage: Mapped[Decimal]
    reason: Mapped[str]
    saved: Mapped[Decimal] = mapped_column(server_default="0.0")
    """What fees and slippage were less than for taking at taker fees at the same mids."""


class EventRow(Base):
    """Something that happened, for people."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    tick: Mapped[int]
    kind: Mapped[str]
    text: Mapped[str]


class Snapshot(Base):
    """The books after the last complete tick: where a restart continues."""

    __tablename__ = "snapshots"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tick: Mapped[int]
    books: Mapped[dict[str, Any]]
