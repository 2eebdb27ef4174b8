import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import Asset, Instrument, Settlements

PARSED = {
    "BTC": Asset("BTC"),
    "1000PEPE": Asset("PEPE", 1000),
    "KPEPE": Asset("PEPE", 1000),
    "1000SHIB": Asset("SHIB", 1000),
    "KSHIB": Asset("SHIB", 1000),
    "SHIB": Asset("SHIB"),
    "SHIB1000": Asset("SHIB", 1000),
    "US500": Asset("US500"),
    "RUSSELL2000": Asset("RUSSELL2000"),
    "10000LADYS": Asset("LADYS", 10_000),
    "1000000MOG": Asset("MOG", 1_000_000),
    "1MBABYDOGE": Asset("BABYDOGE", 1_000_000),
    "1000000BABYDOGE": Asset("BABYDOGE", 1_000_000),
    "1INCH": Asset("1INCH"),
    "100X": Asset("100X"),
    "1000": Asset("1000"),
    "KAS": Asset("KAS"),
    "KAITO": Asset("KAITO"),
    "KAVA": Asset("KAVA"),
    "MOG": Asset("MOG"),
}


@pytest.mark.parametrize("code", PARSED)
def test_a_code_names_a_coin_and_how_many_of_it_one_unit_is(code: str) -> None:
    assert PARSED[code] == Asset.parse(code)


def test_contracts_on_a_thousand_coins_are_the_same_asset_on_every_venue() -> None:
    assert Asset.parse("1000PEPE") == Asset.parse("KPEPE")


def test_a_contract_on_a_thousand_coins_is_another_asset_than_one_on_the_coin() -> None:
    assert Asset.parse("1000SHIB") != Asset.parse("SHIB")


@given(st.from_regex(r"[A-JL-Z][A-Z]{0,9}", fullmatch=True), st.sampled_from([1, 1000, 10_000, 1_000_000]))
def test_what_an_asset_is_called_is_parsed_to_the_same_asset(base: str, multiplier: int) -> None:
    asset = Asset(base, multiplier)

    assert asset == Asset.parse(str(asset))


def test_assets_are_ordered_by_coin_then_multiplier() -> None:
    assert [Asset("A", 1000), Asset("B"), Asset("B", 1000)] == sorted([Asset("B", 1000), Asset("A", 1000), Asset("B")])


def test_an_instrument_is_filed_under_venue_and_symbol() -> None:
    instrument = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)

    assert ("binance", "BTC/USDT:USDT") == instrument.key


def test_a_settlement_is_stamped_at_its_hour_plus_its_offset() -> None:
    settled = Settlements(np.array([3_600_000, 7_200_000]), np.array([47, -3]), np.array([1e-4, 2e-4]))

    assert [3_600_047, 7_199_997] == settled.stamp.tolist()
    assert 2 == len(settled)
