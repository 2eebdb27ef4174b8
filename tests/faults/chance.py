"""Trading by chance on the stage: entries and exits nearly every hour, for what is to be met amid both."""

from backtest.schema import schema_of
from bot.run_folder import registry_of
from tests.faults.harness import Stage

RISKS_TAKEN = {"max_drawdown_pct": 100.0, "max_daily_loss_pct": 100.0, "max_failed_entries": 1000}
"""Chance loses money, and entries that are disturbed fail: neither is to end the entries."""


def trade_by_chance(stage: Stage) -> None:
    """Have chance decide from the next start on."""
    registry = registry_of(stage.settings)
    chance = registry.register_plain("random", schema_of(stage.settings.environment))
    registry.promote(chance.name, None, "to trade often")
