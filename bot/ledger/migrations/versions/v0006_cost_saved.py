"""A trade tells what it cost less than taking would have.

Versions of that time added the column to a ledger of before by themselves, though as one that may be empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Until then every order took, and nothing was saved."""
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("trades")}
    if "saved" not in columns:
        op.add_column("trades", sa.Column("saved", sa.String(64), nullable=False, server_default="0.0"))
        return
    op.execute("UPDATE trades SET saved = '0.0' WHERE saved IS NULL")
    with op.batch_alter_table("trades") as table:
        table.alter_column(
            "saved", existing_type=sa.String(64), existing_server_default=sa.text("'0.0'"), nullable=False
        )
