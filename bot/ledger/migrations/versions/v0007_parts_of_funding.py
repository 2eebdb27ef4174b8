"""Of two settlements of one hour, one may be published and booked later: each part is a row of its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, String

revision = "0007"
down_revision = "0006"

COUNTED = BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What was booked in one part stays as it is."""
    op.rename_table("funding", "funding_before")
    op.create_table(
        "funding",
        Column("run_id", COUNTED, ForeignKey("runs.id"), primary_key=True),
        Column("due", BigInteger(), primary_key=True),
        Column("venue", String(32), primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("slot", BigInteger(), primary_key=True),
        Column("tick", BigInteger(), primary_key=True),
        Column("rate", String(64), nullable=False),
        Column("amount", String(64), nullable=False),
    )
    op.execute(
        "INSERT INTO funding (run_id, due, venue, symbol, slot, tick, rate, amount)"
        " SELECT run_id, due, venue, symbol, slot, tick, rate, amount FROM funding_before"
    )
    op.drop_table("funding_before")
