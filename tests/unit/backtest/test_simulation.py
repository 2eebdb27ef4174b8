"""Many accounts on one tape: what a step closed is all there afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.accounting import TRANSFERS, equity
from backtest.settings import EnvironmentSettings, Reward
from backtest.settlement import UNWOUND
from backtest.simulated_venue import IN
from backtest.simulation import Simulation
from backtest.tape import Tape
from data.market import Market
from tests.unit.backtest.markets import HISTORY_H, coin, flat_bars, play_tape, steady_funding

COINS = ("AAA", "BBB", "CCC", "DDD", "EEE")


def tape_without_second_legs(reward: Reward) -> Tape:
    """Five pairs that pay, whose second legs never find a price."""
    legs = [coin(venue, base) for base in COINS for venue in ("binance", "hyperliquid")]
    rates = {"binance": 0.0, "hyperliquid": 0.002}
    market = Market(
        tuple(legs),
        {leg.key: flat_bars(HISTORY_H + 10) for leg in legs},
        {leg.key: steady_funding(HISTORY_H + 10, rates[leg.venue]) for leg in legs},
    )
    settings = EnvironmentSettings(max_positions=3, formulation="pairs", reward=reward)
    tape = play_tape(market, settings, 10)
    never = tape.frames.now.copy()
    for side in ("mid", "bid", "ask", "bid_size", "ask_size"):
        never[side] = 0.0 if side.endswith("size") else np.nan
    return replace(tape, frames=tape.frames._replace(later=never))


@pytest.mark.parametrize("reward", ["pnl", "excess"])
def test_every_position_that_a_step_opened_and_unwound_is_reported(reward: Reward) -> None:
    """There are three slots, but each is free again at once."""
    simulation = Simulation(tape_without_second_legs(reward), 1)
    simulation.step(np.full((1, len(COINS)), IN))

    closings, books = simulation.accounts.closings[0], simulation.accounts.books[0]
    assert [UNWOUND] * len(COINS) == closings.reason[: closings.count].tolist()
    gain = closings.pnl[: closings.count].sum() + books.pnl[TRANSFERS]
    assert equity(books) - 10_000.0 == pytest.approx(gain)
