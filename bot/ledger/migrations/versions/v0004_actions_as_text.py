"""A decision is text: one number, or a number for each pair."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Numbers become their decimals."""
    with op.batch_alter_table("ticks") as table:
        table.alter_column(
            "action", existing_type=sa.BigInteger(), type_=sa.String(), postgresql_using="action::varchar"
        )
