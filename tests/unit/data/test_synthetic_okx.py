"""OKX in the synthetic market: near Binance, at contracts of its own, and without any effect on the other venues."""

from collections.abc import Callable
from functools import cache
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from data.market import Market
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market, with_past
from data.types import Asset

SHORT = SyntheticSettings(days=40, assets=("BTC", "1000PEPE", "INJ"))
SEEDS = range(1, 6)
EIGHT_HOURLY = tuple(name for name in SyntheticSettings().assets if name not in ("TRX", "1000PEPE"))

Floats = NDArray[np.float64]
PEPE = "okx", "PEPE/USDT:USDT"


@cache
def calm(seed: int) -> Market:
    settings = SyntheticSettings(seed=seed, episode=False, assets=EIGHT_HOURLY)
    return synthetic_market(settings, ("binance", "okx"))


def rates_bps(seed: int, venue: str) -> Floats:
    """(settlements, assets)."""
    market = calm(seed)
    return 1e4 * np.column_stack([market.settlements[venue, f"{name}/USDT:USDT"].rate for name in EIGHT_HOURLY])


def spread_bps(seed: int) -> Floats:
    return rates_bps(seed, "binance") - rates_bps(seed, "okx")


def basis_bps(seed: int) -> Floats:
    """Binance's closes above OKX's; (hours, assets)."""
    closes = [
        np.column_stack([calm(seed).bars[venue, f"{name}/USDT:USDT"].close for name in EIGHT_HOURLY])
        for venue in ("binance", "okx")
    ]
    return np.asarray(1e4 * np.log(closes[0] / closes[1]))


def autocorrelation(values: Floats, lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def typical(series: Callable[[int], Floats], figure: Callable[[Floats], float]) -> float:
    """The median over assets of a figure of each, as the mean over seeds."""
    return float(np.mean([np.median([figure(column) for column in series(seed).T]) for seed in SEEDS]))


def numbers(market: Market, venue: str) -> list[bytes]:
    keys = [instrument.key for instrument in market.instruments if instrument.venue == venue]
    series = [one[key] for one in (market.bars, market.settlements) for key in keys]
    return [column.tobytes() for one in series for column in vars(one).values()]


@pytest.mark.parametrize("venues", tuple(permutations(("binance", "hyperliquid", "okx"))))
def test_it_leaves_the_other_venues_as_they_are(venues: tuple[str, ...]) -> None:
    without, beside = synthetic_market(SHORT), synthetic_market(SHORT, venues)

    for venue in ("binance", "hyperliquid"):
        assert numbers(beside, venue) == numbers(without, venue)
    assert beside.episode == without.episode


def test_funding_differs_from_binance_s_by_as_much_and_for_as_long_as_recorded() -> None:
    assert typical(spread_bps, lambda one: float(np.abs(one).mean())) == pytest.approx(0.646, rel=0.1)
    assert typical(spread_bps, lambda one: float(one.std())) == pytest.approx(0.841, rel=0.2)
    assert typical(spread_bps, lambda one: autocorrelation(one, 1)) == pytest.approx(0.357, abs=0.06)
    assert typical(spread_bps, lambda one: autocorrelation(one, 3)) == pytest.approx(0.239, abs=0.06)
    assert typical(spread_bps, lambda one: autocorrelation(one, 21)) == pytest.approx(0.058, abs=0.05)


def test_the_weeks_of_widest_spread_are_as_rich_as_recorded() -> None:
    def widest_apr(one: Floats) -> float:
        weeks = np.convolve(one, np.full(21, 1 / 21), "valid")
        return float(np.quantile(np.abs(weeks), 0.95)) * 3 * 365 / 1e4

    assert typical(spread_bps, widest_apr) == pytest.approx(0.101, rel=0.15)


def test_nine_percent_of_the_rates_are_the_default() -> None:
    share = typical(lambda seed: rates_bps(seed, "okx"), lambda one: float(np.mean(np.round(one, 6) == 1.0)))

    assert share == pytest.approx(0.09, abs=0.02)


def test_funding_is_as_large_as_recorded() -> None:
    assert typical(lambda seed: rates_bps(seed, "okx"), lambda one: float(np.abs(one).mean())) == pytest.approx(
        1.1, rel=0.15
    )


def test_the_basis_of_closes_is_as_wide_and_as_lasting_as_recorded() -> None:
    assert typical(basis_bps, lambda one: float(one.std())) == pytest.approx(4.594, rel=0.05)
    assert typical(basis_bps, lambda one: float(one.mean())) == pytest.approx(-2.0, abs=0.5)
    assert typical(basis_bps, lambda one: autocorrelation(one, 1)) == pytest.approx(0.864, abs=0.03)


def test_settlements_are_stamped_to_the_millisecond() -> None:
    market = calm(1)

    assert all((market.settlements[one.key].offset_ms == 0).all() for one in market.instruments if one.venue == "okx")


def test_a_contract_on_thousands_of_coins_is_one_on_a_coin() -> None:
    market = synthetic_market(SHORT, ("binance", "okx"))
    (pepe,) = (one for one in market.instruments if one.key == PEPE)

    thousands, coins = market.bars["binance", "1000PEPE/USDT:USDT"], market.bars[PEPE]
    assert (pepe.asset, pepe.lot_step, pepe.tick_size) == (Asset("PEPE"), 1.0, 1e-9)
    assert np.abs(1000 * coins.close / thousands.close - 1).max() < 0.01
    assert 100 < np.median(coins.volume / thousands.volume) < 1000


def test_a_past_leads_up_to_it_too() -> None:
    market = synthetic_market(SHORT, ("binance", "okx"))
    longer = with_past(market, SHORT, 20)

    closes = longer.bars[PEPE].close
    assert len(closes) == 60 * 24
    assert np.abs(np.diff(np.log(closes))).max() < 0.3
