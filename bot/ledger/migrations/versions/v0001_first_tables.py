"""The first tables: runs, ticks, intents, fills, funding, trades, events, snapshots."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, String

revision = "0001"
down_revision = None

COUNTED = BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing was there before."""
    _runs_and_ticks()
    _orders()
    _funding_and_trades()
    _events_and_snapshots()


def _runs_and_ticks() -> None:
    op.create_table(
        "runs",
        Column("id", COUNTED, primary_key=True),
        Column("world", String(), nullable=False, index=True),
        Column("profile", String(), nullable=False),
        Column("description", String(), nullable=False),
        Column("champion", String(), nullable=False),
        Column("capital", String(64), nullable=False),
        Column("from_ms", BigInteger(), nullable=False),
        Column("to_ms", BigInteger()),
        Column("state", String(), nullable=False),
        Column("instruments", sa.JSON(), nullable=False),
    )
    op.create_table(
        "ticks",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("tick", BigInteger(), primary_key=True),
        Column("equity", String(64), nullable=False),
        Column("action", BigInteger()),
    )


def _orders() -> None:
    op.create_table(
        "intents",
        Column("client_id", String(64), primary_key=True),
        Column("run_id", COUNTED, ForeignKey("runs.id"), nullable=False, index=True),
        Column("tick", BigInteger(), nullable=False),
        Column("slot", BigInteger(), nullable=False),
        Column("leg", BigInteger(), nullable=False),
        Column("venue", String(), nullable=False),
        Column("symbol", String(), nullable=False),
        Column("quantity", String(64), nullable=False),
        Column("reference", String(64), nullable=False),
        Column("reason", String(), nullable=False),
        Column("state", String(), nullable=False),
    )
    op.create_table(
        "fills",
        Column("client_id", String(64), ForeignKey("intents.client_id"), primary_key=True),
        Column("tick", BigInteger(), nullable=False),
        Column("quantity", String(64), nullable=False),
        Column("price", String(64), nullable=False),
        Column("mid", String(64), nullable=False),
        Column("fee", String(64), nullable=False),
    )


def _funding_and_trades() -> None:
    op.create_table(
        "funding",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("tick", BigInteger(), primary_key=True),
        Column("venue", String(32), primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("slot", BigInteger(), primary_key=True),
        Column("rate", String(64), nullable=False),
        Column("amount", String(64), nullable=False),
    )
    words = ("asset", "long_venue", "long_symbol", "short_venue", "short_symbol")
    prices = ("long_entry", "long_exit", "short_entry", "short_exit")
    parts = ("notional", "funding", "basis", "fees", "slippage")
    op.create_table(
        "trades",
        Column("id", COUNTED, primary_key=True),
        Column("run_id", COUNTED, ForeignKey("runs.id"), nullable=False),
        Column("number", BigInteger(), nullable=False),
        *(Column(name, String(), nullable=False) for name in words),
        Column("quantity", String(64), nullable=False),
        Column("opened_ms", BigInteger(), nullable=False),
        Column("closed_ms", BigInteger(), nullable=False),
        *(Column(name, String(64), nullable=False) for name in prices + parts),
        Column("reason", String(), nullable=False),
        sa.UniqueConstraint("run_id", "number"),
    )


def _events_and_snapshots() -> None:
    op.create_table(
        "events",
        Column("id", COUNTED, primary_key=True),
        Column("run_id", COUNTED, ForeignKey("runs.id"), nullable=False, index=True),
        Column("tick", BigInteger(), nullable=False),
        Column("kind", String(), nullable=False),
        Column("text", String(), nullable=False),
    )
    op.create_table(
        "snapshots",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("tick", BigInteger(), nullable=False),
        Column("books", sa.JSON(), nullable=False),
    )
