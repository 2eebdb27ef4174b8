"""The ledger's migrations, run by alembic: `env.py` says how, `versions/` what. Used by `bot.ledger.schema` alone."""
