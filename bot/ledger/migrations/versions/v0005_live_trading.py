"""The tables of live trading: orders, executions, and what the venues' histories show.

Versions of that time made tables that were missing in a ledger of before, and changed none: they may be there already.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, String

revision = "0005"
down_revision = "0004"

COUNTED = BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What is there already was made by these very words."""
    there = sa.inspect(op.get_bind()).get_table_names()
    tables = {"executions": _executions, "orders": _orders, "venue_fills": _fills, "venue_funding": _funding}
    for name, make in tables.items():
        if name not in there:
            make()


def _executions() -> None:
    op.create_table(
        "executions",
        Column("id", COUNTED, primary_key=True),
        Column("run_id", COUNTED, ForeignKey("runs.id"), nullable=False, index=True),
        Column("number", BigInteger()),
        Column("tick", BigInteger(), nullable=False),
        Column("proposal", sa.JSON(), nullable=False),
        Column("events", sa.JSON()),
        Column("naked", String(64), nullable=False),
        Column("booked", BigInteger()),
    )


def _orders() -> None:
    numbers = ("tick", "slot", "leg", "attempt")
    op.create_table(
        "orders",
        Column("client_id", String(32), primary_key=True),
        Column("run_id", COUNTED, ForeignKey("runs.id"), nullable=False, index=True),
        Column("execution", COUNTED, ForeignKey("executions.id"), nullable=False, index=True),
        *(Column(name, BigInteger(), nullable=False) for name in numbers),
        Column("purpose", String(8), nullable=False),
        Column("venue", String(), nullable=False),
        Column("symbol", String(), nullable=False),
        Column("quantity", String(64), nullable=False),
        Column("worst_price", String(64), nullable=False),
        Column("style", String(), nullable=False),
        Column("reduce_only", sa.Boolean(), nullable=False),
        Column("sent_ms", BigInteger(), nullable=False),
        Column("state", String(), nullable=False),
        Column("filled", String(64), nullable=False),
        Column("average", String(64), nullable=False),
        *(Column(name, String(), nullable=False) for name in ("venue_id", "reason")),
        *(Column(name, String(), nullable=False) for name in ("champion", "model", "configuration", "code")),
    )


def _fills() -> None:
    op.create_table(
        "venue_fills",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("venue", String(32), primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("trade_id", String(64), primary_key=True),
        Column("client_id", String(), nullable=False),
        Column("time_ms", BigInteger(), nullable=False),
        *(Column(name, String(64), nullable=False) for name in ("quantity", "price", "fee")),
        Column("maker", sa.Boolean(), nullable=False),
    )


def _funding() -> None:
    op.create_table(
        "venue_funding",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("venue", String(32), primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("time_ms", BigInteger(), primary_key=True),
        Column("payment_id", String(64), primary_key=True),
        Column("amount", String(64), nullable=False),
        Column("tick", BigInteger(), nullable=False),
    )
