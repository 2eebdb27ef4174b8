"""The journal of live trading: every order is on the disk before it is sent, every outcome with its fills.

Used by the live executor, which writes orders, and by the trader, which completes executions. Paper needs none of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

import backtest.events as books_events
from backtest.accounting import OPEN
from backtest.settlement import REASONS
from bot.ledger.live_models import ExecutionRow, OrderRow, VenueFillRow, VenueFundingRow
from bot.ledger.models import Intent
from bot.ledger.store import Ledger
from bot.orders import LegOrder, Proposal
from bot.venue_orders import OrderReport, OrderState, Style, VenueFill, VenueOrder
from data.types import Instrument


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
    events: tuple[books_events.Event, ...]
    columns: tuple[int, int]
    texts: tuple[tuple[str, str], ...]
    """(kind, text) of what people are told."""


class Journal:
    """The journal of one run. One writing process; every method that writes is on the disk when it returns, but for
    `note`, and raises StateError where the disk does not take it."""

    def __init__(self, ledger: Ledger, run_id: int, instruments: Sequence[Instrument], stamp: Callable[[], Stamp]):
        self._ledger = ledger
        self._run = run_id
        self._instruments = tuple(instruments)
        self._stamp = stamp
        self._noted: dict[str, Sent] = {}
        with ledger.connection() as connection:
            self._last = int(connection.scalar(select(func.max(ExecutionRow.id))) or 0)

    def begin(self, proposal: Proposal) -> Task:
        """A task under the next number; its row is written with its first order."""
        self._last += 1
        return Task(self._last, proposal, proposal.tick)

    def write_first(self, task: Task, intents: Sequence[str], sent: Sent) -> None:
        """The proposal, its legs' intents by client id, and its first order, before that is sent."""
        with self._ledger.connection(writing=True) as connection:
            self._flush(connection)
            rows = [
                self._intent(task.proposal, leg, name) for leg, name in zip(task.proposal.legs, intents, strict=True)
            ]
            if rows:
                connection.execute(upsert(Intent).on_conflict_do_nothing(), rows)
            execution = {"id": task.number, "run_id": self._run, "tick": task.tick, "naked": 0.0}
            connection.execute(insert(ExecutionRow), [execution | {"proposal": _to_json(task.proposal)}])
            self._put(connection, [sent])

    def write(self, *sent: Sent) -> None:
        """Orders as they stand now, and what was noted before."""
        with self._ledger.connection(writing=True) as connection:
            self._flush(connection)
            self._put(connection, sent)

    def note(self, sent: Sent) -> None:
        """Remember what became of an order until the next write: should that never come, it is asked for again."""
        self._noted[sent.order.client_id] = sent

    def attempts(self, tick: int, slot: int) -> int:
        """How many orders were ever written for a slot at a tick: the next one has the next number."""
        mine = (OrderRow.run_id == self._run, OrderRow.tick == tick, OrderRow.slot == slot)
        with self._ledger.connection() as connection:
            return int(connection.scalar(select(func.count()).select_from(OrderRow).where(*mine)) or 0)

    def complete(self, done: Completed, fills: Sequence[VenueFill], naked: float, filled: bool) -> None:
        """The outcome of an execution with the trades that make it up, all or nothing."""
        kinds = {"events": [{"kind": type(event).__name__, **vars(event)} for event in done.events]}
        told = {"texts": [list(text) for text in done.texts], "columns": list(done.columns)}
        with self._ledger.connection(writing=True) as connection:
            self._flush(connection)
            highest = select(func.max(ExecutionRow.number)).where(ExecutionRow.run_id == self._run)
            values = {"number": (connection.scalar(highest) or 0) + 1, "tick": done.tick, "naked": naked}
            row = update(ExecutionRow).where(ExecutionRow.id == done.number)
            connection.execute(row.values(**values, events=kinds | told))
            self._put_fills(connection, fills)
            self._close_intents(connection, done.number, filled=filled)

    def adopt(self, proposal: Proposal, done: Completed, fills: Sequence[VenueFill]) -> Completed:
        """The outcome of something that others traded in this account's legs, all or nothing; with its number."""
        kinds = {"events": [{"kind": type(event).__name__, **vars(event)} for event in done.events]}
        told = {"texts": [list(text) for text in done.texts], "columns": list(done.columns)}
        self._last += 1
        with self._ledger.connection(writing=True) as connection:
            self._flush(connection)
            highest = select(func.max(ExecutionRow.number)).where(ExecutionRow.run_id == self._run)
            row = {"id": self._last, "run_id": self._run, "number": (connection.scalar(highest) or 0) + 1}
            content = {"tick": done.tick, "naked": 0.0, "proposal": _to_json(proposal), "events": kinds | told}
            connection.execute(insert(ExecutionRow), [row | content])
            self._put_fills(connection, fills)
        return replace(done, number=self._last)

    def note_fills(self, fills: Sequence[VenueFill]) -> None:
        """Trades that no leg of the books had a part in: known from now on, and booked nowhere."""
        with self._ledger.connection(writing=True) as connection:
            self._put_fills(connection, fills)

    def client_ids(self) -> list[str]:
        """Of every order that was ever written."""
        with self._ledger.connection() as connection:
            return list(connection.scalars(select(OrderRow.client_id).where(OrderRow.run_id == self._run)))

    def unbooked(self) -> list[Completed]:
        """The outcomes that no snapshot contains, in order."""
        wanted = (ExecutionRow.run_id == self._run, ExecutionRow.number.is_not(None), ExecutionRow.booked.is_(None))
        query = select(ExecutionRow.id, ExecutionRow.tick, ExecutionRow.events).where(*wanted)
        with self._ledger.connection() as connection:
            rows = connection.execute(query.order_by(ExecutionRow.number)).all()
        return [_completed(*row) for row in rows]

    def tasks(self) -> list[Task]:
        """The executions without an outcome, oldest first, with the orders that were written for them."""
        wanted = (ExecutionRow.run_id == self._run, ExecutionRow.number.is_(None))
        query = select(ExecutionRow.id, ExecutionRow.tick, ExecutionRow.proposal).where(*wanted)
        with self._ledger.connection() as connection:
            rows = connection.execute(query.order_by(ExecutionRow.id)).all()
            return [
                Task(number, _from_json(told, self._instruments), tick, self._orders(connection, number))
                for number, tick, told in rows
            ]

    def booked_funding(self) -> set[tuple[str, str, int, str]]:
        """Which payments are booked, as (venue, symbol, time, id)."""
        row = VenueFundingRow
        query = select(row.venue, row.symbol, row.time_ms, row.payment_id).where(row.run_id == self._run)
        with self._ledger.connection() as connection:
            return {(venue, symbol, time, name) for venue, symbol, time, name in connection.execute(query)}

    def booked_fills(self) -> set[tuple[str, str, str]]:
        """Which trades are booked, as (venue, symbol, trade id)."""
        row = VenueFillRow
        query = select(row.venue, row.symbol, row.trade_id).where(row.run_id == self._run)
        with self._ledger.connection() as connection:
            return {(venue, symbol, name) for venue, symbol, name in connection.execute(query)}

    def _flush(self, connection: Connection) -> None:
        noted, self._noted = list(self._noted.values()), {}
        try:
            self._put(connection, noted)
        except BaseException:
            self._noted = {sent.order.client_id: sent for sent in noted}
            raise

    def _put(self, connection: Connection, sent: Sequence[Sent]) -> None:
        if not sent:
            return
        stamp = asdict(self._stamp())
        row = upsert(OrderRow)
        changing = {name: row.excluded[name] for name in ("state", "filled", "average", "venue_id", "reason")}
        rows = [self._order_row(one) | stamp for one in sent]
        connection.execute(row.on_conflict_do_update(index_elements=["client_id"], set_=changing), rows)

    def _put_fills(self, connection: Connection, fills: Sequence[VenueFill]) -> None:
        if fills:
            rows = [{"run_id": self._run, **asdict(fill)} for fill in fills]
            connection.execute(upsert(VenueFillRow).on_conflict_do_nothing(), rows)

    def _order_row(self, sent: Sent) -> dict[str, Any]:
        order, report = sent.order, sent.report
        return {
            "client_id": order.client_id,
            "run_id": self._run,
            "execution": sent.execution,
            "tick": sent.tick,
            "slot": sent.slot,
            "leg": sent.leg,
            "attempt": sent.attempt,
            "purpose": sent.purpose.value,
            "venue": order.instrument.venue,
            "symbol": order.instrument.symbol,
            "quantity": order.quantity,
            "worst_price": order.limit,
            "style": order.style.value,
            "reduce_only": order.reduce_only,
            "sent_ms": sent.sent_ms,
            "state": report.state.value,
            "filled": report.filled,
            "average": report.average,
            "venue_id": report.venue_id,
            "reason": report.reason[:200],
        }

    def _intent(self, proposal: Proposal, leg: LegOrder, client_id: str) -> dict[str, Any]:
        return {
            "client_id": client_id,
            "run_id": self._run,
            "tick": proposal.tick,
            "slot": proposal.slot,
            "leg": leg.leg,
            "venue": leg.instrument.venue,
            "symbol": leg.instrument.symbol,
            "quantity": leg.quantity,
            "reference": leg.reference,
            "reason": "entry" if proposal.entry else "reduced" if proposal.reason == OPEN else REASONS[proposal.reason],
            "state": "pending",
        }

    def _close_intents(self, connection: Connection, number: int, *, filled: bool) -> None:
        told = connection.scalar(select(ExecutionRow.proposal).where(ExecutionRow.id == number)) or {}
        mine = (Intent.run_id == self._run, Intent.tick == told.get("tick"), Intent.slot == told.get("slot"))
        state = "filled" if filled else "unfilled"
        connection.execute(update(Intent).where(*mine, Intent.state == "pending").values(state=state))

    def _orders(self, connection: Connection, number: int) -> tuple[Sent, ...]:
        by_key = {instrument.key: instrument for instrument in self._instruments}
        rows = connection.execute(select(OrderRow.__table__).where(OrderRow.execution == number)).mappings()
        found = [
            Sent(
                number,
                row["tick"],
                row["slot"],
                row["leg"],
                row["attempt"],
                Purpose(row["purpose"]),
                VenueOrder(
                    row["client_id"],
                    by_key[row["venue"], row["symbol"]],
                    float(row["quantity"]),
                    float(row["worst_price"]),
                    Style(row["style"]),
                    bool(row["reduce_only"]),
                ),
                row["sent_ms"],
                OrderReport(
                    OrderState(row["state"]),
                    float(row["filled"]),
                    float(row["average"]),
                    row["venue_id"],
                    row["reason"],
                ),
            )
            for row in rows
        ]
        return tuple(sorted(found, key=lambda sent: sent.attempt))


def _to_json(proposal: Proposal) -> dict[str, Any]:
    """Without instruments, which the run has, and with no collar where it is infinite."""
    legs = [
        {name: value for name, value in vars(leg).items() if name != "instrument"}
        | {"collar": leg.collar if math.isfinite(leg.collar) else None}
        for leg in proposal.legs
    ]
    return vars(proposal) | {"legs": legs, "columns": list(proposal.columns)}


def _from_json(told: dict[str, Any], instruments: Sequence[Instrument]) -> Proposal:
    legs = tuple(
        LegOrder(
            **leg
            | {"instrument": instruments[leg["column"]], "collar": math.inf if leg["collar"] is None else leg["collar"]}
        )
        for leg in told["legs"]
    )
    long, short = told["columns"]
    return Proposal(**told | {"legs": legs, "columns": (long, short)})


def _completed(number: int, tick: int, told: dict[str, Any]) -> Completed:
    events = tuple(
        getattr(books_events, event["kind"])(**{name: value for name, value in event.items() if name != "kind"})
        for event in told["events"]
    )
    long, short = told["columns"]
    texts = tuple((kind, text) for kind, text in told["texts"])
    return Completed(number, tick, events, (long, short), texts)
