"""Contracts that are not alike: sizes, names of a thousand coins, an account in hedge mode."""

from pathlib import Path

import pytest

from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, staged
from tests.faults.oracle import check
from tests.functional.commands import soak


@control(23, venues=("binance", "okx"))
def test_contracts_of_another_size_are_traded_in_equal_quantities(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, venues=("binance", "okx")) as stage:
        life = stage.begin()
        for hour in range(3):
            stage.hour(life, hour)
        check(stage)
        assert 6 == len(stage.held())
        life.kill()


@control(23)
def test_a_thousand_coins_under_two_names_are_one_asset(tmp_path: Path) -> None:
    prices = {"1000PEPE": 0.02, "BTC": 90_000.0}
    with staged(tmp_path, by_hand=True, prices=prices) as stage:
        life = stage.begin()
        stage.hour(life, 0)
        stage.hour(life, 1)
        held = stage.held()
        assert {"1000PEPE/USDT:USDT", "KPEPE/USDC:USDC"} < {symbol for _, symbol in held}
        check(stage)
        life.kill()


@control(23)
def test_an_account_in_hedge_mode_is_not_traded_and_is_mended_at_the_next_start(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin()
        stage.happen("binance", "modes", hedge=True)
        stage.hour(life, 0)
        assert {} == stage.held()
        check(stage)
        life.kill()
        again = stage.begin()
        stage.hour(again, 1)
        assert 2 == len(stage.held())
        check(stage)
        again.kill()


@soak
@control(23, venues=(), soak=("bybit", "okx", "hyperliquid"))
@pytest.mark.parametrize("venues", [("bybit", "okx"), ("okx", "hyperliquid"), ("bybit", "hyperliquid")])
def test_every_pair_of_venues_trades_equal_quantities(tmp_path: Path, venues: tuple[str, str]) -> None:
    with staged(tmp_path, by_hand=True, venues=venues) as stage:
        life = stage.begin()
        for hour in range(4):
            stage.hour(life, hour)
        assert 8 == len(stage.held()), PATIENCE_S
        check(stage)
        life.kill()
