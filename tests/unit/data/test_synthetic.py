import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import ConfigurationError
from data.market import Market, lot_step, tick_size
from data.settings import SyntheticSettings, utc_ms
from data.synthetic import EPISODE_ASSET, PRICE_DIGITS, synthetic_market, with_past
from data.types import HOUR_MS, Asset
from data.venues import VENUES

VENUE_NAMES = ("binance", "hyperliquid")
DAY_H = 24
DEFAULT = SyntheticSettings()
SHORT = SyntheticSettings(days=40, assets=("BTC", "1000PEPE", "INJ"))
EIGHT_HOURLY = tuple(name for name in DEFAULT.assets if name not in ("TRX", "1000PEPE"))
INJ_BINANCE = ("binance", "INJ/USDT:USDT")
EPISODE_START_H = 16 * DAY_H
SEEDS = range(1, 9)

Floats = NDArray[np.float64]
Trade = tuple[str, int, int, float]
"""Asset, hour opened, hour closed, funding received in bps of a leg."""


@cache
def market(settings: SyntheticSettings = DEFAULT) -> Market:
    return synthetic_market(settings, VENUE_NAMES)


def calm(seed: int = DEFAULT.seed) -> Market:
    return market(SyntheticSettings(seed=seed, episode=False))


def keys(which: Market, venue: str) -> dict[str, tuple[str, str]]:
    return {str(one.asset): one.key for one in which.instruments if one.venue == venue}


def prices(which: Market, venue: str, name: str) -> Floats:
    """(hours, assets)."""
    return np.column_stack([getattr(which.bars[key], name) for key in keys(which, venue).values()])


def hourly_funding(which: Market, venue: str) -> Floats:
    """What each hour settled, as a fraction, zero where it did not; (hours, assets)."""
    hours = (which.end_ms - which.start_ms) // HOUR_MS
    paid = np.zeros((hours, len(keys(which, venue))))
    for column, key in enumerate(keys(which, venue).values()):
        settled = which.settlements[key]
        paid[(settled.time - which.start_ms) // HOUR_MS, column] = settled.rate
    return paid


def eight_hour_bps(paid: Floats) -> Floats:
    """Sums over the eight hours that end with each common settlement."""
    return 1e4 * paid[1 : len(paid) - 7].reshape(-1, 8, paid.shape[1]).sum(axis=1)


def spread_8h_bps(which: Market) -> Floats:
    return eight_hour_bps(hourly_funding(which, "binance")) - eight_hour_bps(hourly_funding(which, "hyperliquid"))


def basis_bps(which: Market, name: str) -> Floats:
    ratio = prices(which, "binance", name) / prices(which, "hyperliquid", name)
    return np.asarray(1e4 * np.log(ratio))


def autocorrelation(values: Floats, lag: int) -> float:
    return float(np.corrcoef(values[lag:], values[:-lag])[0, 1])


def median(values: Floats, figure: Callable[[Floats], float]) -> float:
    """The median over assets of a figure of each."""
    return float(np.median([figure(column) for column in values.T]))


def seven_day_p95_apr(spread: Floats) -> float:
    means = np.convolve(spread, np.full(21, 1 / 21), "valid")
    return float(np.quantile(np.abs(means), 0.95)) * 3 * 365 / 1e4


def carry_rule(which: Market, first_h: int = 0, last_h: int | None = None) -> tuple[float, list[Trade]]:
    """Annual P&L (percent of capital) and closed trades of the rule of the recorded study, started flat at `first_h`.

    Trailing 72 h spread; enter above 20 bps, largest first; leave when its sign turns; three slots of a third each;
    fills at the opens, 20 bps for a round trip.
    """
    names = list(keys(which, "binance"))
    spread = hourly_funding(which, "binance") - hourly_funding(which, "hyperliquid")
    total = np.concatenate((np.zeros((1, len(names))), np.cumsum(spread, axis=0)))
    ratio = basis_bps(which, "open") / 1e4
    last = last_h or len(spread)
    held: dict[int, tuple[float, int]] = {}
    trades, earned = [], 0.0

    def close(asset: int, hour: int) -> float:
        side, since = held.pop(asset)
        carry = -side * float(total[hour + 1, asset] - total[since + 1, asset])
        trades.append((names[asset], since, hour, carry * 1e4))
        return carry + side * float(ratio[hour, asset] - ratio[since, asset]) - 20e-4

    for hour in range(max(first_h, 72), last):
        trailing = total[hour + 1] - total[hour + 1 - 72]
        for asset in [asset for asset, (side, _) in held.items() if -side * trailing[asset] <= 0]:
            earned += close(asset, hour) / 3
        for asset in np.argsort(-np.abs(trailing)):
            if len(held) < 3 and abs(trailing[asset]) > 20e-4 and asset not in held:
                held[int(asset)] = (-float(np.sign(trailing[asset])), hour)
    closed = list(trades)
    earned += sum(close(asset, last - 1) / 3 for asset in list(held))
    return 100 * earned * 8760 / (last - max(first_h, 72)), closed


def assert_same(left: Market, right: Market, key: tuple[str, str]) -> None:
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        assert getattr(left.bars[key], name).tobytes() == getattr(right.bars[key], name).tobytes()
    for name in ("time", "offset_ms", "rate"):
        assert getattr(left.settlements[key], name).tobytes() == getattr(right.settlements[key], name).tobytes()


# What is listed


def test_every_asset_is_listed_on_every_venue_in_the_order_of_the_settings() -> None:
    for venue in VENUE_NAMES:
        assert list(DEFAULT.assets) == list(keys(market(), venue))


def test_symbols_are_ccxt_unified_and_hyperliquid_writes_thousands_with_a_k() -> None:
    found = {key for key in market(SHORT).bars if "BTC" in key[1] or "PEPE" in key[1]}
    assert found == {
        ("binance", "BTC/USDT:USDT"),
        ("hyperliquid", "BTC/USDC:USDC"),
        ("binance", "1000PEPE/USDT:USDT"),
        ("hyperliquid", "KPEPE/USDC:USDC"),
    }


def test_an_instrument_carries_the_rules_of_its_venue() -> None:
    for instrument in market().instruments:
        profile, price = VENUES[instrument.venue], float(market().bars[instrument.key].open[0])
        assert instrument.asset == Asset.parse(instrument.symbol.partition("/")[0])
        assert (profile.quote, profile.min_notional) == (instrument.quote, instrument.min_notional)
        assert lot_step(price, profile.max_lot_decimals) == instrument.lot_step
        assert tick_size(price) == instrument.tick_size


def test_intervals_are_hourly_on_hyperliquid_and_eight_or_four_hours_on_binance() -> None:
    announced = {one.key: one.interval_hours for one in market().instruments}
    assert {1} == {hours for key, hours in announced.items() if key[0] == "hyperliquid"}
    binance = [hours for key, hours in announced.items() if key[0] == "binance"]
    assert (11, 2) == (binance.count(8), binance.count(4))
    assert 8 == announced[INJ_BINANCE]


def test_an_asset_without_figures_of_its_own_gets_those_of_an_altcoin() -> None:
    unknown = market(SyntheticSettings(days=20, assets=("BTC", "ZZZ")))
    assert 0.1 < float(unknown.bars["binance", "ZZZ/USDT:USDT"].close[-1]) < 10


def test_an_unknown_venue_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown venue 'nowhere'"):
        synthetic_market(SHORT, ["binance", "nowhere"])


# Time, numbers, determinism


def test_the_market_spans_the_days_asked_for_hour_by_hour() -> None:
    which = market(SHORT)
    assert utc_ms(SHORT.start) == which.start_ms
    assert utc_ms(SHORT.start) + 40 * DAY_H * HOUR_MS == which.end_ms
    for bars in which.bars.values():
        assert {HOUR_MS} == set(np.diff(bars.open_time).tolist())


def test_all_numbers_are_finite_and_prices_and_volumes_positive() -> None:
    for bars in market().bars.values():
        for name in ("open", "high", "low", "close", "volume"):
            values = getattr(bars, name)
            assert np.isfinite(values).all() and (values > 0).all()
    assert all(np.isfinite(settled.rate).all() for settled in market().settlements.values())


def test_high_and_low_enclose_open_and_close() -> None:
    for bars in market().bars.values():
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()


def test_a_price_is_short_as_text() -> None:
    for bars in market(SHORT).bars.values():
        for price in (bars.open, bars.high, bars.low, bars.close):
            assert all(float(f"{value:.{PRICE_DIGITS}g}") == value for value in price[:500].tolist())


def test_an_open_is_near_the_close_before_and_seldom_equal() -> None:
    for bars in market().bars.values():
        gap_bps = 1e4 * np.abs(np.log(bars.open[1:] / bars.close[:-1]))
        assert 0.05 < gap_bps.mean() < 8 and np.mean(gap_bps == 0) < 0.1


def test_the_same_settings_give_the_same_bytes() -> None:
    again = synthetic_market(SHORT, VENUE_NAMES)
    for key in again.bars:
        assert_same(market(SHORT), again, key)


def test_another_seed_gives_another_market() -> None:
    other = market(SHORT.model_copy(update={"seed": 8}))
    assert all((other.bars[key].close != bars.close).mean() > 0.9 for key, bars in market(SHORT).bars.items())


def test_adding_an_asset_leaves_the_others_alone() -> None:
    more = market(SHORT.model_copy(update={"assets": ("SOL", *SHORT.assets)}))
    for key in market(SHORT).bars:
        assert_same(market(SHORT), more, key)


def test_naming_the_venues_in_another_order_leaves_them_alone() -> None:
    turned = synthetic_market(SHORT, VENUE_NAMES[::-1])
    for key in turned.bars:
        assert_same(market(SHORT), turned, key)


def test_a_start_within_a_day_keeps_settlements_on_the_clock_and_the_episode_on_midnight() -> None:
    which = market(SHORT.model_copy(update={"start": datetime(2025, 1, 1, 5, tzinfo=UTC)}))
    hours = which.settlements["binance", "BTC/USDT:USDT"].time // HOUR_MS
    assert (hours % 8 == 0).all()
    assert "2025-01-17 to 2025-01-25" in which.episode


def test_the_default_market_is_made_in_under_two_seconds() -> None:
    best = min(_seconds() for _ in range(3))
    assert best < 2.0


def _seconds() -> float:
    began = time.perf_counter()
    synthetic_market(DEFAULT, VENUE_NAMES)
    return time.perf_counter() - began


# Settlements


def test_every_settlement_is_stamped_on_its_interval_and_within_half_a_second() -> None:
    for instrument in calm().instruments:
        settled = calm().settlements[instrument.key]
        assert (settled.time // HOUR_MS % instrument.interval_hours == 0).all()
        assert {instrument.interval_hours * HOUR_MS} == set(np.diff(settled.time).tolist())
        assert (settled.stamp - settled.time == settled.offset_ms).all()
        assert settled.offset_ms.min() >= 0
        assert settled.offset_ms.max() <= {"binance": 20, "hyperliquid": 440}[instrument.venue]


def test_half_of_the_binance_settlements_are_stamped_to_the_millisecond() -> None:
    offsets = np.concatenate([calm().settlements[key].offset_ms for key in keys(calm(), "binance").values()])
    assert np.mean(offsets == 0) == pytest.approx(0.52, abs=0.05)


def test_rates_have_the_decimals_of_their_venue() -> None:
    for key, settled in market().settlements.items():
        assert (np.round(settled.rate, {"binance": 8, "hyperliquid": 10}[key[0]]) == settled.rate).all()


@pytest.mark.parametrize("venue", VENUE_NAMES)
def test_a_third_to_two_thirds_of_the_rates_are_the_default(venue: str) -> None:
    shares = [
        np.mean(calm().settlements[one.key].rate == round(1e-4 * one.interval_hours / 8, 10))
        for one in calm().instruments
        if one.venue == venue
    ]
    assert 0.33 < np.median(shares) < 0.67


def test_binance_pays_about_as_much_as_it_did() -> None:
    paid = eight_hour_bps(hourly_funding(calm(), "binance"))
    assert median(paid, lambda one: float(np.abs(one).mean())) == pytest.approx(1.29, rel=0.25)
    assert 0.1 < median(paid, lambda one: float((one < 0).mean())) < 0.35


def test_the_funding_spread_is_as_large_and_as_persistent_as_recorded() -> None:
    spreads = [spread_8h_bps(calm(seed)) for seed in SEEDS]

    def mean(figure: Callable[[Floats], float]) -> float:
        return float(np.mean([median(spread, figure) for spread in spreads]))

    assert mean(lambda one: float(np.abs(one).mean())) == pytest.approx(1.06, rel=0.12)
    assert mean(lambda one: float(one.std())) == pytest.approx(1.51, rel=0.15)
    assert mean(lambda one: autocorrelation(one, 1)) == pytest.approx(0.58, abs=0.06)
    assert mean(lambda one: autocorrelation(one, 21)) == pytest.approx(0.19, abs=0.06)


def test_the_weeks_of_widest_spread_are_no_richer_than_recorded() -> None:
    widest = [median(spread_8h_bps(calm(seed)), seven_day_p95_apr) for seed in SEEDS]
    assert 0.2 < float(np.mean(widest)) < 0.363


def test_the_default_market_lies_within_a_quarter_of_the_recorded_spread() -> None:
    spread = spread_8h_bps(calm())
    assert median(spread, lambda one: float(np.abs(one).mean())) == pytest.approx(1.06, rel=0.25)
    assert median(spread, lambda one: float(one.std())) == pytest.approx(1.51, rel=0.25)


# Prices


def test_volatilities_and_correlations_are_those_recorded() -> None:
    returns = np.diff(np.log(prices(calm(), "binance", "close")), axis=0)
    annual = dict(zip(DEFAULT.assets, returns.std(axis=0) * np.sqrt(8760), strict=True))
    to_btc = dict(zip(DEFAULT.assets, np.corrcoef(returns.T)[0], strict=True))
    assert annual["BTC"] == pytest.approx(0.53, rel=0.15)
    assert annual["1000PEPE"] == pytest.approx(1.59, rel=0.15)
    assert to_btc["ETH"] == pytest.approx(0.8, abs=0.06)
    assert float(np.median(list(to_btc.values()))) == pytest.approx(0.69, abs=0.05)


def test_returns_have_fat_tails_and_cluster() -> None:
    returns = np.diff(np.log(prices(calm(), "binance", "close")), axis=0)
    assert 7 < median(returns, lambda one: float(np.mean((one - one.mean()) ** 4) / one.var() ** 2)) < 40
    assert median(np.abs(returns), lambda one: autocorrelation(one, 1)) == pytest.approx(0.26, abs=0.05)


def test_the_basis_of_closes_is_as_wide_and_as_brief_as_recorded() -> None:
    basis = basis_bps(calm(), "close")
    assert median(basis, lambda one: float(one.std())) == pytest.approx(6.57, rel=0.12)
    assert median(basis, lambda one: float(one.mean())) == pytest.approx(-2.0, abs=1.0)
    assert median(basis, lambda one: autocorrelation(one, 1)) == pytest.approx(0.374, abs=0.06)
    assert 20 < median(basis, lambda one: float(np.quantile(np.abs(one), 0.999))) < 60


def test_more_than_half_of_a_close_s_deviation_is_gone_at_the_next_open() -> None:
    closes, opens = basis_bps(calm(), "close")[:-1], basis_bps(calm(), "open")[1:]
    gone = [1 - np.polyfit(close, first, 1)[0] for close, first in zip(closes.T, opens.T, strict=True)]
    assert float(np.median(gone)) == pytest.approx(0.56, abs=0.06)
    assert opens.std() < 0.8 * closes.std()


def test_hyperliquid_trades_far_less_than_binance() -> None:
    for name, key in keys(calm(), "binance").items():
        other = keys(calm(), "hyperliquid")[name]
        assert calm().bars[key].volume.mean() > 5 * calm().bars[other].volume.mean()


# The episode


def test_the_episode_is_named_with_its_asset_venue_and_dates() -> None:
    assert market().episode.startswith("INJ on binance, 2025-01-17 to 2025-01-25: a short squeeze")
    assert "\n" not in market().episode


@pytest.mark.parametrize("change", [{"episode": False}, {"assets": ("BTC", "ETH")}])
def test_without_it_or_without_its_asset_nothing_is_named(change: dict[str, object]) -> None:
    assert "" == market(SHORT.model_copy(update=change)).episode


def test_it_touches_no_other_asset() -> None:
    for key in market().bars:
        if EPISODE_ASSET not in key[1]:
            assert_same(market(), calm(), key)


def test_the_interval_goes_from_eight_to_four_to_one_hour_and_back() -> None:
    settled = market().settlements[INJ_BINANCE]
    gaps = (np.diff(settled.time) // HOUR_MS).tolist()
    runs = [gaps[0], *(later for earlier, later in pairwise(gaps) if earlier != later)]
    assert [8, 4, 1, 8] == runs
    hours = (settled.time - market().start_ms) // HOUR_MS
    assert EPISODE_START_H == hours[1:][np.array(gaps) == 8][EPISODE_START_H // 8 - 2]
    assert 6 * DAY_H <= gaps.count(1) <= 8 * DAY_H


def test_hourly_rates_are_deeply_negative_persist_and_fade() -> None:
    paid = 1e4 * hourly_funding(market(), "binance")[:, list(DEFAULT.assets).index(EPISODE_ASSET)]
    week = paid[17 * DAY_H + 1 : 24 * DAY_H]
    assert -51 < week.min() < -8
    assert (week[: 3 * DAY_H] < 0).all()
    assert abs(week[-DAY_H:].mean()) < 0.2 * abs(week[:DAY_H].mean())


def test_the_spread_of_the_week_is_modest_and_the_other_venue_follows_part_of_the_way() -> None:
    column = list(DEFAULT.assets).index(EPISODE_ASSET)
    binance, hyperliquid = (
        1e4 * hourly_funding(market(), venue)[17 * DAY_H + 1 : 24 * DAY_H, column] for venue in VENUE_NAMES
    )
    assert 1.0 < np.abs(binance - hyperliquid).mean() < 3.0
    assert binance[:48].mean() < hyperliquid[:48].mean() < -0.5


def test_the_basis_opens_by_tens_of_bps_and_closes_again() -> None:
    column = list(DEFAULT.assets).index(EPISODE_ASSET)
    basis = basis_bps(market(), "open")[:, column]
    added = basis - basis_bps(calm(), "open")[:, column]
    assert -60 < added.min() < -20
    assert np.abs(added[:EPISODE_START_H]).max() < 0.1
    assert np.abs(added[26 * DAY_H :]).max() < 5.0
    assert np.abs(added[30 * DAY_H :]).max() < 1.0


def test_the_price_is_more_volatile_during_it() -> None:
    close = market().bars[INJ_BINANCE].close
    stressed = np.diff(np.log(close[EPISODE_START_H : 24 * DAY_H])).std()
    usual = np.diff(np.log(calm().bars[INJ_BINANCE].close[EPISODE_START_H : 24 * DAY_H])).std()
    assert stressed > 1.15 * usual


# What a carry rule earns


def test_the_rule_opens_and_closes_a_trade_in_the_episode_within_ten_days() -> None:
    _, closed = carry_rule(market(), 14 * DAY_H, 24 * DAY_H)
    assert [carry for asset, *_, carry in closed if asset == EPISODE_ASSET and carry > 20]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_so_it_does_under_other_seeds(seed: int) -> None:
    _, closed = carry_rule(market(SyntheticSettings(seed=seed)), 14 * DAY_H, 24 * DAY_H)
    assert closed


def test_without_the_episode_the_rule_earns_no_more_than_it_did_on_the_recorded_market() -> None:
    earned, closed = carry_rule(calm())
    assert 2.0 < earned < 9.0
    assert len(closed) > 10


def test_nor_does_it_on_average_over_seeds() -> None:
    earned = [carry_rule(calm(seed))[0] for seed in SEEDS]
    assert 2.0 < float(np.mean(earned)) < 9.0


def test_some_carry_is_given_back_when_the_discount_of_the_episode_opens() -> None:
    _, closed = carry_rule(market(), 14 * DAY_H, 24 * DAY_H)
    basis = basis_bps(market(), "open")[:, list(DEFAULT.assets).index(EPISODE_ASSET)]
    _, since, until, carry = next(trade for trade in closed if trade[0] == EPISODE_ASSET)
    lost = basis[since] - basis[since:until].min()
    assert 10 < lost < 60
    assert carry > basis[since] - basis[until]


def test_a_past_leaves_the_market_as_it_is_and_leads_up_to_it() -> None:
    settings = SyntheticSettings(days=20, assets=("BTC", "INJ"))
    market = synthetic_market(settings)
    longer = with_past(market, settings, 30)
    assert market.start_ms - 30 * 24 * HOUR_MS == longer.start_ms
    for key, bars in market.bars.items():
        joined, funding = longer.bars[key], market.settlements[key]
        assert set(np.diff(joined.open_time)) == {HOUR_MS}
        assert bars.close.tolist() == joined.close[30 * 24 :].tolist()
        assert abs(joined.open[30 * 24] / joined.close[30 * 24 - 1] - 1) < 0.02
        assert funding.rate.tolist() == longer.settlements[key].rate[-len(funding) :].tolist()
        assert set(np.diff(longer.settlements[key].time)) <= {hours * HOUR_MS for hours in (1, 4, 8)}
