"""The journal of live trading: every order is on the disk before it is sent, every outcome with its fills.

Used by the live executor, which writes orders, and by the trader, which completes executions. Paper needs none of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from bot.alerts import LOG
from bot.ledger.executions import Completed, Purpose, Sent, Stamp, Task
from bot.ledger.live_models import ExecutionRow, OrderRow, VenueFillRow, VenueFundingRow
from bot.ledger.live_rows import (
    completed_of,
    intent_row,
    order_row,
    outcome_to_json,
    proposal_from_json,
    proposal_to_json,
    sent_of,
)
from bot.ledger.models import Intent
from bot.ledger.spare import SpareJournal
from bot.ledger.store import Ledger
from bot.ledger.upserts import upserts
from bot.orders import Proposal
from bot.venue_orders import VenueFill
from data.errors import StateError
from data.types import Instrument


class Journal:
    """The journal of one run. One writing process; every method that writes is on the disk when it returns, but for
    `note`, and raises StateError where the ledger does not take it.

    With a `spare`, an exit waits for no disk: orders that only reduce go there then, and outcomes wait in memory until
    the ledger takes something again. A process that dies before that leaves orders without an outcome, which the next
    one asks for: so nothing is lost, and nothing is booked twice.
    """

    def __init__(
        self,
        ledger: Ledger,
        run_id: int,
        instruments: Sequence[Instrument],
        stamp: Callable[[], Stamp],
        spare: SpareJournal | None = None,
    ) -> None:
        """What an earlier process wrote into `spare` is taken over into the ledger."""
        self._ledger = ledger
        self._run = run_id
        self._instruments = tuple(instruments)
        self._stamp = stamp
        self._upserts = upserts(ledger.dialect)
        self._noted: dict[str, Sent] = {}
        self._waiting: list[Callable[[Connection], None]] = []
        """Writes of outcomes that the ledger did not take."""
        self._waiting_fills: dict[tuple[str, str, str], VenueFill] = {}
        self._waiting_ids: set[int] = set()
        """Of their executions."""
        with ledger.connection() as connection:
            self._last = int(connection.scalar(select(func.max(ExecutionRow.id))) or 0)
            ours = select(OrderRow.tick, OrderRow.slot).where(OrderRow.run_id == run_id)
            self._attempts = Counter((tick, slot) for tick, slot in connection.execute(ours))
        self._spare = spare
        if spare is not None and (rows := spare.rows()):
            with ledger.connection(writing=True) as connection:
                self._take_over(connection, rows)
            spare.clear()
            self._last = max([self._last] + [int(row["order"]["execution"]) for row in rows])
            self._attempts.update((row["order"]["tick"], row["order"]["slot"]) for row in rows)

    def begin(self, proposal: Proposal) -> Task:
        """A task under the next number; its row is written with its first order."""
        self._last += 1
        return Task(self._last, proposal, proposal.tick)

    def write_first(self, task: Task, intents: Sequence[str], sent: Sent) -> None:
        """The proposal, its legs' intents by client id, and its first order, before that is sent."""
        self._attempts[sent.tick, sent.slot] += 1
        legs = zip(task.proposal.legs, intents, strict=True)
        rows = [intent_row(self._run, task.proposal, leg, name) for leg, name in legs]
        execution = self._execution(task)
        try:
            with self._writing() as connection:
                connection.execute(self._upserts.keep_intent, rows)
                connection.execute(self._upserts.put_execution, [execution])
                self._put(connection, [sent])
        except StateError as error:
            self._keep_elsewhere(error, sent, execution)

    def write(self, task: Task, sent: Sent) -> None:
        """A further order of a task, before it is sent, and what was noted before."""
        self._attempts[sent.tick, sent.slot] += 1
        try:
            with self._writing() as connection:
                self._put(connection, [sent])
        except StateError as error:
            self._keep_elsewhere(error, sent, self._execution(task))

    def note(self, sent: Sent) -> None:
        """Remember what became of an order until the next write: should that never come, it is asked for again."""
        self._noted[sent.order.client_id] = sent

    def attempts(self, tick: int, slot: int) -> int:
        """How many orders were ever written for a slot at a tick: the next one has the next number."""
        return self._attempts[tick, slot]

    def complete(self, done: Completed, fills: Sequence[VenueFill], naked: float, filled: bool) -> None:
        """The outcome of an execution with the trades that make it up, all or nothing."""

        def write(connection: Connection) -> None:
            values = {"number": self._next(connection), "tick": done.tick, "naked": naked}
            row = update(ExecutionRow).where(ExecutionRow.id == done.number)
            connection.execute(row.values(**values, events=outcome_to_json(done)))
            self._put_fills(connection, fills)
            self._close_intents(connection, done.number, filled=filled)

        self._write_or_wait(write, done.number, fills)

    def adopt(self, proposal: Proposal, done: Completed, fills: Sequence[VenueFill]) -> Completed:
        """The outcome of something that others traded in this account's legs, all or nothing; with its number."""
        self._last += 1
        number = self._last

        def write(connection: Connection) -> None:
            row = {"id": number, "run_id": self._run, "number": self._next(connection)}
            content = {"tick": done.tick, "naked": 0.0, "proposal": proposal_to_json(proposal)}
            connection.execute(self._upserts.put_execution, [row | content | {"events": outcome_to_json(done)}])
            self._put_fills(connection, fills)

        self._write_or_wait(write, number, fills)
        return replace(done, number=number)

    def note_fills(self, fills: Sequence[VenueFill]) -> None:
        """Trades that no leg of the books had a part in: known from now on, and booked nowhere."""
        if fills:
            self._write_or_wait(lambda connection: self._put_fills(connection, fills), 0, fills)

    def catch_up(self) -> None:
        """Write what waits, before a snapshot contains it; raises StateError where the ledger does not take it."""
        if self._waiting:
            with self._writing():
                pass

    def client_ids(self) -> list[str]:
        """Of every order that was ever written."""
        with self._ledger.connection() as connection:
            return list(connection.scalars(select(OrderRow.client_id).where(OrderRow.run_id == self._run)))

    def filled(self) -> set[str]:
        """Client ids of the orders that are known to have filled something."""
        query = select(OrderRow.client_id, OrderRow.filled).where(OrderRow.run_id == self._run)
        noted = {name for name, sent in self._noted.items() if sent.report.filled}
        with self._ledger.connection() as connection:
            return noted | {client_id for client_id, filled in connection.execute(query) if filled}

    def unbooked(self) -> list[Completed]:
        """The outcomes that no snapshot contains, in order."""
        wanted = (ExecutionRow.run_id == self._run, ExecutionRow.number.is_not(None), ExecutionRow.booked.is_(None))
        query = select(ExecutionRow.id, ExecutionRow.tick, ExecutionRow.events).where(*wanted)
        with self._ledger.connection() as connection:
            rows = connection.execute(query.order_by(ExecutionRow.number)).all()
        return [completed_of(*row) for row in rows]

    def tasks(self) -> list[Task]:
        """The executions without an outcome, oldest first, with the orders that were written for them."""
        wanted = (ExecutionRow.run_id == self._run, ExecutionRow.number.is_(None))
        query = select(ExecutionRow.id, ExecutionRow.tick, ExecutionRow.proposal).where(*wanted)
        by_key = {instrument.key: instrument for instrument in self._instruments}
        orders = select(OrderRow.__table__).order_by(OrderRow.attempt)
        tasks = []
        with self._ledger.connection() as connection:
            for number, tick, told in connection.execute(query.order_by(ExecutionRow.id)).all():
                if number in self._waiting_ids:
                    continue
                rows = connection.execute(orders.where(OrderRow.execution == number)).mappings()
                sent = tuple(sent_of(dict(row), by_key) for row in rows)
                tasks.append(Task(number, proposal_from_json(told, self._instruments), tick, sent))
        return tasks

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
            written = {(venue, symbol, name) for venue, symbol, name in connection.execute(query)}
        return written | self._waiting_fills.keys()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that begins with all that is not in the ledger yet, oldest first: orders kept elsewhere, what
        was noted of orders, and outcomes."""
        kept = self._spare.rows() if self._spare is not None and self._spare.used else []
        with self._ledger.connection(writing=True) as connection:
            self._take_over(connection, kept)
            self._put(connection, list(self._noted.values()))
            for write in self._waiting:
                write(connection)
            yield connection
        self._noted.clear()
        self._waiting.clear()
        self._waiting_ids.clear()
        self._waiting_fills.clear()
        if self._spare is not None and kept:
            self._spare.clear()

    def _write_or_wait(self, write: Callable[[Connection], None], number: int, fills: Sequence[VenueFill]) -> None:
        """Write an outcome now, or once the ledger takes it; raises StateError where nothing may wait."""
        try:
            with self._writing() as connection:
                write(connection)
        except StateError as error:
            if self._spare is None:
                raise
            LOG.warning("%s; what was traded is kept until then", error)
            self._waiting.append(write)
            self._waiting_ids.add(number)
            self._waiting_fills |= {(fill.venue, fill.symbol, fill.trade_id): fill for fill in fills}

    def _next(self, connection: Connection) -> int:
        """The place of the next outcome."""
        highest = select(func.max(ExecutionRow.number)).where(ExecutionRow.run_id == self._run)
        return (connection.scalar(highest) or 0) + 1

    def _put(self, connection: Connection, sent: Sequence[Sent]) -> None:
        if not sent:
            return
        stamp = asdict(self._stamp())
        connection.execute(self._upserts.put_order, [order_row(self._run, one) | stamp for one in sent])

    def _put_fills(self, connection: Connection, fills: Sequence[VenueFill]) -> None:
        if fills:
            rows = [{"run_id": self._run, **asdict(fill)} for fill in fills]
            connection.execute(self._upserts.keep_fill, rows)

    def _close_intents(self, connection: Connection, number: int, *, filled: bool) -> None:
        told = connection.scalar(select(ExecutionRow.proposal).where(ExecutionRow.id == number)) or {}
        mine = (Intent.run_id == self._run, Intent.tick == told.get("tick"), Intent.slot == told.get("slot"))
        state = "filled" if filled else "unfilled"
        connection.execute(update(Intent).where(*mine, Intent.state == "pending").values(state=state))

    def _execution(self, task: Task) -> dict[str, Any]:
        """The row of a task without an outcome."""
        row = {"id": task.number, "run_id": self._run, "tick": task.tick, "naked": 0.0}
        return row | {"proposal": proposal_to_json(task.proposal)}

    def _keep_elsewhere(self, refused: StateError, sent: Sent, execution: dict[str, Any]) -> None:
        """An order that the ledger refused: what enters is not sent, what reduces is written where there is room."""
        if self._spare is None or sent.purpose is Purpose.ENTER:
            raise refused
        try:
            self._spare.append({"execution": execution, "order": order_row(self._run, sent) | asdict(self._stamp())})
        except OSError as error:
            LOG.error("an exit is sent that could be written nowhere (%s): %s", error, sent.order.client_id)

    def _take_over(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            connection.execute(self._upserts.keep_execution, [row["execution"]])
            connection.execute(self._upserts.keep_order, [row["order"]])
