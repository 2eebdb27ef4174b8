"""Reads and writes the ledger: intents before they are acted on, and each tick's outcome in one transaction."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from backtest.accounting import Books, books_layout
from backtest.settlement import REASONS
from backtest.trades import Trade
from bot.alerts import Event
from bot.ledger.account_lock import account_held
from bot.ledger.database import Place, open_engine, reading_engine, reason, told_as
from bot.ledger.history import RunHistory
from bot.ledger.live_models import ExecutionRow, VenueFundingRow
from bot.ledger.models import EventRow, FillRow, FundingRow, Intent, Run, Snapshot, Tick, TradeRow
from bot.ledger.schema import bring_up
from bot.orders import LegFill, Payment, Proposal
from bot.venue_orders import VenueFunding
from data.errors import StateError
from data.types import Asset, Instrument


@dataclass
class TickRecord:
    """Everything that one tick did, collected to be written at once."""

    tick: int
    equity: float
    """After settlement, before trading: what a decision at this tick saw."""
    champion: str | None = None
    """Who decides from this tick on; None leaves it as it is."""
    action: str | None = None
    payments: list[tuple[Instrument, Payment]] = field(default_factory=list)
    fills: list[LegFill] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)
    """Client ids."""
    executions: list[int] = field(default_factory=list)
    """Numbers of those that the books contain from now on; their fills are written already."""
    trades: list[Trade] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Ledger:
    """One database, every commit of which is on the disk. One writing process, any readers."""

    def __init__(self, place: Place | Path, *, upgrade: bool = True, read_only: bool = False) -> None:
        """A path is a SQLite file. An older ledger is migrated, or refused where it may not be. With `read_only`
        nothing is ever written, and a ledger that is held is not waited for long. Raises StateError where it cannot be
        opened, ConfigurationError where the driver is not installed."""
        self.place = Place.file(place) if isinstance(place, Path) else place
        self._engine = reading_engine(self.place) if read_only else open_engine(self.place)
        self.dialect = self._engine.dialect.name
        if read_only:
            return
        try:
            bring_up(self._engine, self.place, upgrade=upgrade)
        except StateError:
            self.close()
            raise
        except DBAPIError as error:
            self.close()
            raise StateError(
                f"the ledger {self.place} cannot be opened ({reason(error)}): restore it or move it away"
            ) from error

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    def held(self) -> AbstractContextManager[None]:
        """For the one process that trades: raises StateError while another has the account of a shared database."""
        return nullcontext() if self.place.path is not None else account_held(self.place, self._engine)

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """All or nothing; a database that cannot be written is a StateError, and what was committed before is kept."""
        remedy = "make room, or end the program that holds it, and start again; every complete hour is kept"
        with told_as("written", remedy), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with told_as("read", "restore it from a backup"), Session(self._engine) as session:
            yield session

    @contextmanager
    def connection(self, *, writing: bool = False) -> Iterator[Connection]:
        """For `ledger.journal`: all or nothing if `writing`; raises StateError."""
        remedy = "make room, or end the program that holds it, and start again; no order is sent that is not written"
        with (
            told_as("written" if writing else "read", remedy),
            self._engine.begin() if writing else self._engine.connect() as connection,
        ):
            yield connection

    def start_run(self, run: Run) -> Run:
        """Store a new run; unfinished runs of the same world are marked abandoned."""
        with self._transaction() as session:
            session.execute(update(Run).where(Run.state == "running", Run.world == run.world).values(state="abandoned"))
            session.add(run)
        return run

    def unfinished(self, world: str) -> Run | None:
        """The newest run of this world that has not reached its bound."""
        newest = select(Run).where(Run.world == world, Run.state == "running").order_by(Run.id.desc()).limit(1)
        with self._reading() as session:
            return session.scalar(newest)

    def latest(self) -> Run | None:
        """The newest run of all."""
        with self._reading() as session:
            return session.scalar(select(Run).order_by(Run.id.desc()).limit(1))

    def finish(self, run_id: int) -> None:
        """The run has reached its bound."""
        with self._transaction() as session:
            session.execute(update(Run).where(Run.id == run_id).values(state="finished"))

    def record_intents(self, run_id: int, proposal: Proposal, client_ids: Sequence[str]) -> None:
        """Write an approved order's legs, durably, before it is acted on. Written again after a crash, they are the
        same rows."""
        with self._transaction() as session:
            for client_id, leg in zip(client_ids, proposal.legs, strict=True):
                session.merge(
                    Intent(
                        client_id=client_id,
                        run_id=run_id,
                        tick=proposal.tick,
                        slot=proposal.slot,
                        leg=leg.leg,
                        venue=leg.instrument.venue,
                        symbol=leg.instrument.symbol,
                        quantity=leg.quantity,
                        reference=leg.reference,
                        reason="entry" if proposal.entry else REASONS[proposal.reason],
                        state="pending",
                    )
                )

    def expire_pending(self, run_id: int) -> None:
        """Close the intents of a process that died before it recorded a fill: on paper, such an order never was."""
        with self._transaction() as session:
            pending = (Intent.run_id == run_id, Intent.state == "pending")
            session.execute(update(Intent).where(*pending).values(state="unfilled"))

    def record_tick(self, run_id: int, record: TickRecord, books: Books) -> None:
        """Write everything the tick did and the books it left, all or nothing."""
        with self._transaction() as session:
            session.add(Tick(run_id=run_id, tick=record.tick, equity=record.equity, action=record.action))
            if record.champion is not None:
                session.execute(update(Run).where(Run.id == run_id).values(champion=record.champion))
            for instrument, payment in record.payments:
                funding = FundingRow(
                    run_id=run_id,
                    due=payment.due,
                    tick=record.tick,
                    venue=instrument.venue,
                    symbol=instrument.symbol,
                    slot=payment.slot,
                    rate=payment.rate,
                    amount=payment.amount,
                )
                if payment.source is None:
                    session.add(funding)
                else:
                    _add_funding(session, funding, payment.source)
            if record.executions:
                contained = ExecutionRow.id.in_(record.executions)
                session.execute(update(ExecutionRow).where(contained).values(booked=record.tick))
            session.add_all(_fill_rows(record))
            filled = [leg.client_id for leg in record.fills]
            for state, ids in (("filled", filled), ("unfilled", record.unfilled)):
                session.execute(update(Intent).where(Intent.client_id.in_(ids)).values(state=state))
            number = session.scalar(select(func.count()).select_from(TradeRow).where(TradeRow.run_id == run_id)) or 0
            for trade in record.trades:
                number += 1
                session.add(TradeRow(run_id=run_id, number=number, **asdict(trade)))
            for happened in record.events:
                session.add(EventRow(run_id=run_id, tick=happened.tick, kind=happened.kind.value, text=happened.text))
            session.execute(delete(Snapshot).where(Snapshot.run_id == run_id))
            session.add(Snapshot(run_id=run_id, tick=record.tick, books=_books_to_json(books)))

    def snapshot(self, run_id: int) -> tuple[int, Books] | None:
        """The last complete tick of a run and the books after it."""
        with self._reading() as session:
            row = session.get(Snapshot, run_id)
            return None if row is None else (row.tick, _books_from_json(row.books))

    def holds(self, run_id: int) -> bool:
        """Whether the account holds a position, or has orders whose outcome no complete hour has yet."""
        waiting = select(func.count()).where(ExecutionRow.run_id == run_id, ExecutionRow.booked.is_(None))
        with self._reading() as session:
            left = session.scalar(waiting)
        saved = self.snapshot(run_id)
        return bool(left) or (saved is not None and bool((saved[1].opened_at != 0).any()))

    def trades(self, run_id: int) -> list[Trade]:
        """Closed positions of a run, oldest first."""
        with self._reading() as session:
            rows = session.scalars(select(TradeRow).where(TradeRow.run_id == run_id).order_by(TradeRow.number))
            return [_trade(row) for row in rows]

    def equity(self, run_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Ticks [T] (ms) and equity [T] of a run."""
        with self._reading() as session:
            rows = session.execute(
                select(Tick.tick, Tick.equity).where(Tick.run_id == run_id).order_by(Tick.tick)
            ).all()
        return np.array([row[0] for row in rows], dtype=np.int64), np.array([float(row[1]) for row in rows])

    def history(self, run_id: int) -> RunHistory:
        """What risk asks of a run's past."""
        return RunHistory(self.connection, run_id)

    def paid(self, run_id: int) -> dict[tuple[int, int, str, str], float]:
        """Which funding is booked already, by (due, slot, venue, symbol): the rates, fraction of notional, in all."""
        row = FundingRow
        with self._reading() as session:
            booked: dict[tuple[int, int, str, str], float] = defaultdict(float)
            columns = (row.due, row.slot, row.venue, row.symbol, row.rate)
            for due, slot, venue, symbol, rate in session.execute(select(*columns).where(row.run_id == run_id)):
                booked[due, slot, venue, symbol] += float(rate)
            return dict(booked)


def _fill_rows(record: TickRecord) -> list[FillRow]:
    """One row per order; where part of it was taken back, what is left, at the average price of all that was traded."""
    by_order = defaultdict[str, list[LegFill]](list)
    for fill in record.fills:
        by_order[fill.client_id].append(fill)
    rows = []
    for client_id, fills in by_order.items():
        traded = [abs(fill.quantity) for fill in fills]
        row = {
            "quantity": sum(fill.quantity for fill in fills),
            "price": _average([fill.price for fill in fills], traded),
            "mid": _average([fill.mid for fill in fills], traded),
            "fee": -sum(size * fill.price * fill.fee_rate for size, fill in zip(traded, fills, strict=True)),
        }
        rows.append(FillRow(client_id=client_id, tick=record.tick, **row))
    return rows


def _average(prices: Sequence[float], quantities: Sequence[float]) -> float:
    if len(prices) == 1:
        return prices[0]
    return sum(price * size for price, size in zip(prices, quantities, strict=True)) / sum(quantities)


def _add_funding(session: Session, row: FundingRow, source: VenueFunding) -> None:
    """What a venue booked, once, and what a slot got of it, on top of what it got for the same hour at this tick."""
    key = (row.run_id, source.venue, source.symbol, source.time_ms, source.payment_id)
    if session.get(VenueFundingRow, key) is None:
        session.add(
            VenueFundingRow(
                run_id=row.run_id, venue=source.venue, symbol=source.symbol, time_ms=source.time_ms,
                payment_id=source.payment_id, amount=source.amount, tick=row.tick,
            )
        )  # fmt: skip
    before = session.get(FundingRow, (row.run_id, row.due, row.venue, row.symbol, row.slot, row.tick))
    if before is None:
        session.add(row)
    else:
        before.amount = Decimal(str(before.amount)) + Decimal(str(row.amount))
    session.flush()


def instruments_to_json(instruments: Sequence[Instrument]) -> dict[str, Any]:
    """Instruments as the ledger keeps them with a run."""
    return {"instruments": [asdict(instrument) for instrument in instruments]}


def instruments_from_json(content: dict[str, Any]) -> tuple[Instrument, ...]:
    """The reverse of `instruments_to_json`."""
    return tuple(Instrument(**{**row, "asset": Asset(**row["asset"])}) for row in content["instruments"])


def _books_to_json(books: Books) -> dict[str, Any]:
    return {name: books[name].tolist() for name in books.dtype.names or ()}


def _books_from_json(content: dict[str, Any]) -> Books:
    """Raises StateError for books of a version that kept other fields."""
    books = np.zeros(1, dtype=books_layout(len(content.get("cash", ())), len(content.get("opened_at", ()))))
    if set(content) != set(books.dtype.names or ()):
        raise StateError(
            "the account was kept by another version of the bot: finish it there, or begin anew by --fresh"
        )
    for name, values in content.items():
        books[name] = values
    return books[0].copy()


def _trade(row: TradeRow) -> Trade:
    values: dict[str, Any] = {}
    for field_ in fields(Trade):
        value = getattr(row, field_.name)
        values[field_.name] = float(value) if isinstance(value, Decimal) else value
    return Trade(**values)
