"""A history can be played from where a pair can be traded, not from where its first venue begins."""

from dataclasses import replace

import pytest

from backtest.history import History
from backtest.settings import EnvironmentSettings
from backtest.windows import Window
from data.errors import MissingData
from data.market import Market
from data.types import Bars
from tests.unit.backtest.markets import DATA, HISTORY_H, coin, flat_bars, hour, pair_market, steady_funding

LATE_H = 48


def late_second_venue() -> Market:
    """The second venue begins two days after the first one."""
    whole = flat_bars(HISTORY_H + 200)
    late = Bars(*(column[LATE_H:] for column in vars(whole).values()))
    return pair_market(HISTORY_H + 200, bars={"hyperliquid": late})


def test_the_past_of_one_venue_alone_teaches_nothing() -> None:
    history = History(late_second_venue(), DATA, hour(HISTORY_H + 200))
    assert hour(LATE_H + HISTORY_H) == history.first
    window = Window(history.first, history.first + 24 * 3_600_000)
    assert 2 == len(history.tape(EnvironmentSettings(), window).panel.instruments)


def test_a_coin_that_is_listed_later_joins_then_though_it_was_asked_for_by_name() -> None:
    """A coin listed within the past year must not keep the bot from learning on that year."""
    old, hours = pair_market(HISTORY_H + 400), HISTORY_H + 400
    late = Bars(*(column[HISTORY_H + LATE_H :] for column in vars(flat_bars(hours)).values()))
    legs = coin("binance", "BBB"), coin("hyperliquid", "BBB")
    market = Market(
        old.instruments + legs,
        old.bars | {leg.key: late for leg in legs},
        old.settlements | {leg.key: steady_funding(hours, 0.001) for leg in legs},
    )
    named = DATA.model_copy(update={"assets": ("AAA", "BBB")})
    history = History(market, named, hour(hours))
    window = Window(history.first, history.last)

    features = history.tape(EnvironmentSettings(), window).features

    assert features.known[HISTORY_H].tolist() == [True, False]
    assert features.known[-1].tolist() == [True, True]


def test_a_market_without_a_pair_has_no_beginning() -> None:
    market = late_second_venue()
    alone = replace(market, instruments=market.instruments[:1])
    with pytest.raises(MissingData, match="on two of the venues"):
        _ = History(alone, DATA, hour(HISTORY_H + 200)).first
