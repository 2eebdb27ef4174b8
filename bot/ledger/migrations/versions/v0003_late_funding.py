"""Funding is known by the hour that it belongs to, which may lie before the one at which it was booked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, String

revision = "0003"
down_revision = "0002"

COUNTED = BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Until then every payment was booked in its own hour."""
    op.rename_table("funding", "funding_before")
    op.create_table(
        "funding",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("due", BigInteger(), primary_key=True),
        Column("venue", String(32), primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("slot", BigInteger(), primary_key=True),
        Column("tick", BigInteger(), nullable=False),
        Column("rate", String(64), nullable=False),
        Column("amount", String(64), nullable=False),
    )
    op.execute(
        "INSERT INTO funding (run_id, due, venue, symbol, slot, tick, rate, amount)"
        " SELECT run_id, tick, venue, symbol, slot, tick, rate, amount FROM funding_before"
    )
    op.drop_table("funding_before")
