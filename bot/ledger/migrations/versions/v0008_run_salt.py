"""Each run has letters of its own in the names of its orders: a ledger that was lost begins to count anew."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Runs of before go on under the names that they have."""
    op.add_column("runs", sa.Column("salt", sa.String(8)))
