"""A look-ahead that is planted on purpose is found, whatever shows it; where there is none, nothing is found."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from backtest.history import History
from backtest.look_ahead import Peek, TapeOf, look_ahead, refuse_look_ahead
from backtest.schema import OPPORTUNITY
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, make_tape
from backtest.windows import Window
from data.errors import LookAhead
from data.recorded import recorded_market
from data.settings import DataSettings, utc_ms
from tests.unit.backtest.markets import hour
from tests.unit.backtest.random_market import HOURS, VENUES, random_market

SETTINGS = EnvironmentSettings()
DATA = DataSettings(venues=VENUES, history_hours=192)
WINDOW = Window(hour(192), hour(HOURS))
TICKS = 90
"""Every fourth hour: an interval changes three times in the window."""
GROUPS = {
    "spread": ("spread_now", "spread_24h", "spread_72h", "spread_168h", "spread_std_72h", "spread_positive_72h"),
    "rates": ("long_rate", "short_rate"),
    "settlements": ("long_interval", "short_interval", "long_due", "short_due"),
    "worth": ("break_even", "expected_net"),
    "basis": ("basis", "basis_z"),
    "price": ("volatility_24h", "return_72h"),
    "volume": ("volume_24h",),
}
CONSTANT = {"round_trip_cost", "other_quote", "held"}
"""They do not depend on when they are looked at."""
NAMES = [feature.name for feature in OPPORTUNITY]


MADE: dict[int, Tape] = {}
"""Honest tapes by their last tick: what is planted, is planted on these."""


def of_history(history: History, window: Window) -> Tape:
    if history.last not in MADE:
        MADE[history.last] = history.tape(SETTINGS, window)
    return MADE[history.last]


def shown_an_hour_early(name: str) -> TapeOf:
    """One feature, or what orders the pairs and their legs, comes from the next hour; all else is honest."""

    def planted(history: History, window: Window) -> Tape:
        tape = of_history(history, window)
        if name in NAMES:
            values = tape.features.values.copy()
            values[:-1, :, NAMES.index(name)] = values[1:, :, NAMES.index(name)]
            return replace(tape, features=tape.features._replace(values=values))
        early = getattr(tape.features, name).copy()
        by_tick = early.T if name == "carry" else early
        by_tick[:-1] = by_tick[1:].copy()
        return replace(tape, features=tape.features._replace(**{name: early}))

    return planted


def known_an_hour_early(field: str) -> TapeOf:
    """A field of the panel comes from the next hour, and every feature is made of it."""

    def planted(history: History, window: Window) -> Tape:
        panel = of_history(history, window).panel
        early = getattr(panel, field).copy()
        early[:-1] = early[1:]
        return make_tape(replace(panel, **{field: early}), VENUES, SETTINGS, window.first_tick)

    return planted


def whole() -> History:
    return History(random_market(), DATA, hour(HOURS))


def found_in(tape_of: TapeOf, ticks: int = TICKS) -> list[Peek]:
    return look_ahead(whole(), WINDOW, tape_of, ticks)


def test_nothing_that_the_product_shows_comes_from_the_future() -> None:
    assert [] == found_in(of_history)
    refuse_look_ahead(whole(), WINDOW, of_history)


def test_every_feature_that_changes_with_time_is_in_a_group() -> None:
    assert set(NAMES) - CONSTANT == {name for group in GROUPS.values() for name in group}


@pytest.mark.parametrize("group", GROUPS)
def test_a_feature_that_is_shown_an_hour_early_is_found_and_named(group: str) -> None:
    for name in GROUPS[group]:
        found = found_in(shown_an_hour_early(name))
        assert {(name,)} == {peek.what for peek in found}


@pytest.mark.parametrize(("field", "named"), [("direction", "direction"), ("carry", "carry"), ("order", "rank")])
def test_what_orders_pairs_and_tells_their_legs_apart_is_found_too(field: str, named: str) -> None:
    assert {(named,)} == {peek.what for peek in found_in(shown_an_hour_early(field))}


@pytest.mark.parametrize(
    ("field", "group"),
    [
        ("close", "price"),
        ("volume", "volume"),
        ("settled", "spread"),
        ("settled_hours", "spread"),
        ("interval", "settlements"),
        ("last_rate", "rates"),
        ("settled_at", "settlements"),
    ],
)
def test_a_look_ahead_in_the_panel_is_found_in_what_is_made_of_it(field: str, group: str) -> None:
    found = found_in(known_an_hour_early(field))
    assert {name for peek in found for name in peek.what} & set(GROUPS[group])


def test_a_price_that_only_fills_see_may_come_from_the_next_hour() -> None:
    assert [] == found_in(known_an_hour_early("open_after"), ticks=12)


def test_a_look_ahead_is_refused_with_what_shows_it() -> None:
    told = r"basis of binance AAA/USDT:USDT and hyperliquid AAA/USDC:USDC at 2025-01-.*, and \d+ more: .* mend the code"
    with pytest.raises(LookAhead, match=told):
        refuse_look_ahead(whole(), WINDOW, shown_an_hour_early("basis"))


def test_recorded_months_show_nothing_from_the_future() -> None:
    folder = os.environ.get("RECORDED_MARKET")
    if not folder:
        pytest.skip("RECORDED_MARKET is not set: no recorded market to look at")
    data = DataSettings(assets=("BTC", "SOL", "XRP"))
    market = recorded_market(Path(folder), tuple(data.venues), data.assets)
    first, last = utc_ms(datetime(2024, 11, 15)), utc_ms(datetime(2025, 4, 14))

    def of_recorded(history: History, window: Window) -> Tape:
        return history.tape(SETTINGS, window)

    assert [] == look_ahead(History(market, data, last), Window(first, last), of_recorded)
