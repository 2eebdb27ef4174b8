"""A backtest starts without what it does not use: libraries that take longer to load than a year takes to play."""

import subprocess
import sys

HEAVY = ("alembic", "aiohttp", "ccxt", "fsspec", "pandas", "sqlalchemy", "stable_baselines3", "torch", "yaml")


def test_a_backtest_loads_no_database_no_venue_and_nothing_that_learns() -> None:
    code = f"import sys, bot.cli.backtest; print([name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == told.stdout.strip()
