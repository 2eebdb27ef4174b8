"""What alembic runs to migrate: the revisions, on the connection and in the transaction of whoever asked for it."""

from alembic import context

from bot.ledger.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
