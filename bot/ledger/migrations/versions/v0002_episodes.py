"""A run tells what is unusual in its simulated market."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Runs of before had nothing to tell."""
    op.add_column("runs", sa.Column("episode", sa.String(), nullable=False, server_default=sa.text("''")))
