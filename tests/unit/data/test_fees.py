import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConfigurationError
from data.fees import fees
from data.settings import VenueSettings
from data.venues import VENUES, FeeTier, venue_profile

BPS = st.floats(0, 100)


@pytest.mark.parametrize(
    ("venue", "tier", "expected"),
    [
        ("binance", 0, FeeTier(5.0, 2.0)),
        ("binance", 9, FeeTier(1.7, 0.0)),
        ("binance_spot", 0, FeeTier(10.0, 10.0)),
        ("binance_spot", 2, FeeTier(10.0, 8.0)),
        ("bybit", 0, FeeTier(5.5, 2.0)),
        ("bybit", 6, FeeTier(3.0, 0.0)),
        ("hyperliquid", 0, FeeTier(4.5, 1.5)),
        ("hyperliquid", 6, FeeTier(2.4, 0.0)),
    ],
)
def test_an_account_pays_the_fees_of_its_tier(venue: str, tier: int, expected: FeeTier) -> None:
    assert expected == fees(venue, VenueSettings(fee_tier=tier))


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_a_new_account_is_in_the_lowest_tier(venue: str) -> None:
    assert VENUES[venue].fee_tiers[0] == fees(venue, VenueSettings())


@pytest.mark.parametrize("venue", sorted(VENUES))
def test_no_tier_is_dearer_than_the_one_below_and_making_never_dearer_than_taking(venue: str) -> None:
    tiers = VENUES[venue].fee_tiers

    assert all(tier.maker_bps <= tier.taker_bps for tier in tiers)
    for lower, higher in zip(tiers, tiers[1:], strict=False):
        assert higher.taker_bps <= lower.taker_bps and higher.maker_bps <= lower.maker_bps


@given(taker=st.none() | BPS, maker=st.none() | st.floats(-100, 100), tier=st.integers(0, 6))
def test_what_the_account_says_of_itself_wins_over_its_tier(
    taker: float | None, maker: float | None, tier: int
) -> None:
    paid = fees("hyperliquid", VenueSettings(fee_tier=tier, taker_fee_bps=taker, maker_fee_bps=maker))

    usual = VENUES["hyperliquid"].fee_tiers[tier]
    expected = FeeTier(usual.taker_bps if taker is None else taker, usual.maker_bps if maker is None else maker)
    assert expected == paid


def test_a_rebate_is_a_negative_maker_fee() -> None:
    assert FeeTier(4.5, -0.3) == fees("hyperliquid", VenueSettings(maker_fee_bps=-0.3))


@pytest.mark.parametrize(("venue", "tier", "allowed"), [("binance", 10, "0..9"), ("hyperliquid", 7, "0..6")])
def test_a_tier_that_the_venue_does_not_have_is_refused_with_those_that_it_has(
    venue: str, tier: int, allowed: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{venue} has no fee tier {tier}")) as caught:
        fees(venue, VenueSettings(fee_tier=tier))
    assert str(caught.value).endswith(f"data.venues.{venue}.fee_tier to one of {allowed}")


def test_an_unknown_venue_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match="unknown venue 'mtgox': choose from binance, binance_spot, bitget, "):
        fees("mtgox", VenueSettings())


def test_symbols_of_spot_and_of_swaps_end_differently() -> None:
    suffixes = [venue_profile(name).symbol_suffix for name in ("binance", "binance_spot", "hyperliquid")]

    assert ["/USDT:USDT", "/USDT", "/USDC:USDC"] == suffixes
