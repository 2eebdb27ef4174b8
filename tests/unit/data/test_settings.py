from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from data.settings import Outage, VenueSettings, utc_ms


@pytest.mark.parametrize(
    "wrong",
    [
        {"fee_tier": -1},
        {"fee_tier": 1.5},
        {"taker_fee_bps": -0.1},
        {"maker_fee_bps": -101.0},
        {"maker_fee_bps": float("nan")},
        {"margin_mode": "portfolio"},
        {"leverage": 0.9},
        {"leverage": float("nan")},
        {"leverage": float("inf")},
        {"level_quote": 0.0},
        {"level_quote": float("inf")},
        {"level_quote": float("nan")},
        {"levels": 0},
        {"levels": 101},
    ],
)
def test_a_venue_setting_that_cannot_be_meant_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        VenueSettings(**wrong)
    assert [tuple(wrong)] == [error["loc"] for error in caught.value.errors()]


def test_margin_is_cross_and_three_fold_and_books_are_twenty_levels_deep_unless_told_otherwise() -> None:
    usual = VenueSettings()

    assert ("cross", 3.0, 25_000.0, 20) == (usual.margin_mode, usual.leverage, usual.level_quote, usual.levels)
    assert (0, None, None) == (usual.fee_tier, usual.taker_fee_bps, usual.maker_fee_bps)


def test_a_rebate_and_a_leverage_of_one_are_taken() -> None:
    told = VenueSettings(maker_fee_bps=-0.5, leverage=1, margin_mode="isolated")

    assert (-0.5, 1.0, "isolated") == (told.maker_fee_bps, told.leverage, told.margin_mode)


@pytest.mark.parametrize("hours", [0, -1])
def test_an_outage_ends_after_it_begins(hours: int) -> None:
    begin = datetime(2025, 1, 1, tzinfo=UTC)

    with pytest.raises(ValidationError, match="must end later"):
        Outage(venue="binance", begin=begin, end=begin + timedelta(hours=hours))


def test_an_outage_whose_ends_are_written_in_different_zones_is_compared_in_utc() -> None:
    east = timezone(timedelta(hours=3))
    outage = Outage(venue="okx", begin=datetime(2025, 1, 1, 5, tzinfo=east), end=datetime(2025, 1, 1, 3))

    assert 3_600_000 == utc_ms(outage.end) - utc_ms(outage.begin)
