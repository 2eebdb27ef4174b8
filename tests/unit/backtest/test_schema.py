"""A schema is what a policy was made for: rhythm included, and nothing of the account that it must share."""

import pytest

from backtest.schema import Schema, schema_of, settings_for
from backtest.settings import EnvironmentSettings
from data.errors import ConfigurationError

SETTINGS = EnvironmentSettings(initial_capital=5_000.0, horizon_hours=48)


def test_policies_of_different_rhythms_are_of_different_schemas() -> None:
    hourly, slow = Schema(3, 5, "pairs"), Schema(3, 5, "pairs", 8)
    assert hourly != slow
    assert hourly.hash != slow.hash
    assert (hourly.names, hourly.actions) == (slow.names, slow.actions)


@pytest.mark.parametrize("schema", [Schema(3, 5), Schema(3, 5, "pairs", 8), Schema(2, 4, "ranked", 24)])
def test_settings_and_schema_tell_the_same(schema: Schema) -> None:
    settings = SETTINGS.model_copy(update={"max_positions": schema.slots, "max_opportunities": schema.opportunities})
    told = settings_for(schema, settings)
    assert schema == schema_of(told)
    changed = {"formulation", "decision_hours"}
    assert settings.model_dump(exclude=changed) == told.model_dump(exclude=changed)


@pytest.mark.parametrize("schema", [Schema(4, 5), Schema(3, 6), Schema(2, 5, "pairs", 8)])
def test_a_policy_made_for_another_account_is_refused(schema: Schema) -> None:
    with pytest.raises(ConfigurationError, match=r"made for . slots .*max_positions 3 .* choose another policy"):
        settings_for(schema, SETTINGS)
