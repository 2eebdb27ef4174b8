"""Inserts of rows that may be there already, in the words of the ledger's database. Used by `journal`.

Each is made once for each database: making them takes longer than running them, and orders wait for it.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Insert, insert
from sqlalchemy.dialects import postgresql, sqlite

from bot.ledger.database import SQLITE
from bot.ledger.live_models import ExecutionRow, OrderRow, VenueFillRow
from bot.ledger.models import Base, Intent

_UPDATED = ("state", "filled", "average", "venue_id", "reason")
"""What becomes known of an order after it was written."""


@dataclass(frozen=True)
class Upserts:
    """What the journal writes."""

    put_order: Insert
    """A new order, or what has become of one."""
    keep_order: Insert
    """An order, unless it is there."""
    keep_intent: Insert
    put_execution: Insert
    """Always a new one."""
    keep_execution: Insert
    keep_fill: Insert


@cache
def upserts(dialect: str) -> Upserts:
    """For a database by the name of its dialect."""
    order = _insert(dialect, OrderRow)
    return Upserts(
        put_order=order.on_conflict_do_update(
            index_elements=["client_id"], set_={name: order.excluded[name] for name in _UPDATED}
        ),
        keep_order=order.on_conflict_do_nothing(),
        keep_intent=_insert(dialect, Intent).on_conflict_do_nothing(),
        put_execution=insert(ExecutionRow),
        keep_execution=_insert(dialect, ExecutionRow).on_conflict_do_nothing(),
        keep_fill=_insert(dialect, VenueFillRow).on_conflict_do_nothing(),
    )


def _insert(dialect: str, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(row) if dialect == SQLITE else postgresql.insert(row)
