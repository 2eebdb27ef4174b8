"""Bybit in the synthetic market: what it leaves alone, and how far it departs from Binance."""

from collections.abc import Callable
from functools import cache
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from data.market import Market
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market, with_past
from data.types import HOUR_MS

USUAL = ("binance", "hyperliquid")
SHORT = SyntheticSettings(days=40, assets=("BTC", "1000PEPE", "INJ"))
EIGHT_HOURLY = tuple(name for name in SyntheticSettings().assets if name not in ("TRX", "1000PEPE"))
SEEDS = range(1, 9)

Floats = NDArray[np.float64]


@cache
def calm(seed: int) -> Market:
    settings = SyntheticSettings(seed=seed, episode=False, assets=EIGHT_HOURLY)
    return synthetic_market(settings, ("binance", "bybit"))


def columns(market: Market, venue: str) -> list[tuple[str, str]]:
    return [one.key for one in market.instruments if one.venue == venue]


def spread_bps(market: Market) -> Floats:
    """Binance's rate less Bybit's at each common settlement; (settlements, assets)."""
    rates = [
        np.column_stack([market.settlements[key].rate for key in columns(market, venue)])
        for venue in ("binance", "bybit")
    ]
    return np.asarray(1e4 * (rates[0] - rates[1]))


def basis_bps(market: Market) -> Floats:
    """Binance's close over Bybit's; (hours, assets)."""
    closes = [
        np.column_stack([market.bars[key].close for key in columns(market, venue)]) for venue in ("binance", "bybit")
    ]
    return np.asarray(1e4 * np.log(closes[0] / closes[1]))


def autocorrelation(lag: int) -> Callable[[Floats], float]:
    return lambda values: float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def mean_absolute(values: Floats) -> float:
    return float(np.abs(values).mean())


def seven_day_p95_apr(values: Floats) -> float:
    means = np.convolve(values, np.full(21, 1 / 21), "valid")
    return float(np.quantile(np.abs(means), 0.95)) * 3 * 365 / 1e4


def assert_same(left: Market, right: Market, key: tuple[str, str]) -> None:
    for one, other in ((left.bars[key], right.bars[key]), (left.settlements[key], right.settlements[key])):
        for name, column in vars(one).items():
            assert column.tobytes() == vars(other)[name].tobytes()


@pytest.mark.parametrize("venues", list(permutations((*USUAL, "bybit"))))
def test_it_leaves_the_other_venues_as_they_are_wherever_it_is_named(venues: tuple[str, ...]) -> None:
    without, market = synthetic_market(SHORT, USUAL), synthetic_market(SHORT, venues)

    assert without.episode == market.episode
    assert set(without.instruments) < set(market.instruments)
    for key in without.bars:
        assert_same(without, market, key)


def test_nor_does_it_touch_their_past() -> None:
    without, market = (
        with_past(synthetic_market(SHORT, venues), SHORT, 10) for venues in (USUAL, ("binance", "bybit", "hyperliquid"))
    )

    for key in without.bars:
        assert_same(without, market, key)


def test_it_settles_when_binance_does_and_stamps_to_the_millisecond() -> None:
    market = synthetic_market(SHORT.model_copy(update={"episode": False}), ("binance", "bybit"))

    for symbol in ("BTC/USDT:USDT", "1000PEPE/USDT:USDT", "INJ/USDT:USDT"):
        settled = market.settlements["bybit", symbol]
        assert market.settlements["binance", symbol].time.tolist() == settled.time.tolist()
        assert not settled.offset_ms.any()
        assert (np.round(settled.rate, 8) == settled.rate).all()


@pytest.mark.parametrize(
    ("figure", "recorded", "within"),
    [
        (mean_absolute, 0.45, 0.06),
        (autocorrelation(1), 0.43, 0.06),
        (autocorrelation(3), 0.27, 0.06),
        (autocorrelation(21), 0.08, 0.06),
        (seven_day_p95_apr, 0.108, 0.02),
    ],
)
def test_its_spread_to_binance_is_as_small_and_as_brief_as_recorded(
    figure: Callable[[Floats], float], recorded: float, within: float
) -> None:
    medians = [np.median([figure(column) for column in spread_bps(calm(seed)).T]) for seed in SEEDS]

    assert recorded == pytest.approx(float(np.mean(medians)), abs=within)


@pytest.mark.parametrize(
    ("figure", "recorded", "within"),
    [(np.std, 2.05, 0.2), (np.mean, 0.0, 0.5), (autocorrelation(1), 0.69, 0.06)],
)
def test_its_basis_to_binance_is_as_wide_and_as_slow_as_recorded(
    figure: Callable[[Floats], float], recorded: float, within: float
) -> None:
    medians = [np.median([figure(column) for column in basis_bps(calm(seed)).T]) for seed in SEEDS]

    assert recorded == pytest.approx(float(np.mean(medians)), abs=within)


def test_no_contract_pays_a_round_trip_in_a_usual_week() -> None:
    """Recorded, a carry rule earns nothing between the two: 20 bps of costs are a month of the spread."""
    weeks = np.concatenate([np.abs(spread_bps(calm(seed))[:1197].reshape(57, 21, -1).sum(axis=1)) for seed in SEEDS])

    assert np.median(weeks) < 10
    assert np.mean(weeks > 20) < 0.1


def test_it_trades_less_than_binance() -> None:
    market = calm(1)
    for binance, bybit in zip(columns(market, "binance"), columns(market, "bybit"), strict=True):
        share = market.bars[bybit].volume.mean() / market.bars[binance].volume.mean()
        assert 0.3 < share < 0.5


def test_it_follows_part_of_the_way_in_the_episode() -> None:
    market = synthetic_market(SHORT, ("binance", "bybit"))
    days = [
        settled.rate[(settled.time >= market.start_ms + 17 * 24 * HOUR_MS)
                     & (settled.time < market.start_ms + 19 * 24 * HOUR_MS)].sum()
        for settled in (market.settlements[venue, "INJ/USDT:USDT"] for venue in ("binance", "bybit"))
    ]  # fmt: skip

    assert "INJ on binance" in market.episode
    assert days[0] < 2 * days[1] < 0
