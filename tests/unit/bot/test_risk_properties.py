"""The risk gate against anything: exits always pass, and what passes as an entry is within the limits."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import Books
from bot.latch import LatchFile
from bot.orders import Proposal
from bot.risk import ApprovedOrder, Denied, RiskGate
from bot.risk.exposure import too_large
from bot.risk.history import NoHistory
from bot.risk.review import Entry
from bot.risk_settings import RiskSettings
from data.errors import StateError
from data.panel import Panel
from data.quotes import Quote
from tests.fakes.pair_entry import PRICE, TICK, Past, account, holding, market, proposal, rules_of

ANY = st.floats(allow_nan=True, allow_infinity=True)
SOME = st.floats(0.01, 1e6)
RULES, MARKET = rules_of(), market()
KILLED = b'{"state": "killed", "since": "", "reason": ""}'
FOLDER = Path(tempfile.mkdtemp())

limits = st.builds(
    RiskSettings,
    max_leg_notional=SOME,
    max_asset_notional=SOME,
    max_venue_notional=SOME,
    max_gross_notional=SOME,
    max_venue_leverage=SOME,
    min_liquidation_distance_pct=st.floats(0, 99),
    max_drawdown_pct=st.floats(0.01, 100),
    max_daily_loss_pct=st.floats(0.01, 100),
    max_data_age_hours=st.integers(1, 10),
    max_quote_age_s=SOME,
    max_price_collar_pct=st.floats(0.01, 100),
    max_venue_gap_pct=SOME,
    max_quote_gap_pct=SOME,
    max_orders_per_minute=st.integers(2, 10),
    max_failed_entries=st.integers(1, 5),
    min_edge_ratio=st.floats(0, 10),
)
latches = st.one_of(st.none(), st.just(KILLED), st.binary())
sound = st.builds(Quote, st.floats(99, 99.99), st.floats(100, 101), st.integers(TICK, TICK + 5_000))
quotes = st.one_of(
    st.just([]),
    st.lists(sound, min_size=2, max_size=2),
    st.lists(st.builds(Quote, ANY, ANY, st.integers()), max_size=2),
)


class Unreadable(NoHistory):
    """A ledger that cannot be read."""

    def day_open(self, midnight_ms: int) -> float | None:
        raise StateError("the ledger cannot be read")


def rarely(strange: st.SearchStrategy[float], usual: float) -> st.SearchStrategy[float]:
    return st.integers(0, 9).flatmap(lambda odd: strange if odd == 0 else st.just(usual))


@st.composite
def any_books(draw: st.DrawFn) -> Books:
    """An account in which a few numbers may be anything."""
    books = holding(10.0)
    for name in draw(st.lists(st.sampled_from(["cash", "quantity", "mark", "entry_price", "in_transit"]), max_size=2)):
        books[name][draw(st.sampled_from(list(np.ndindex(books[name].shape))))] = draw(ANY)
    books.peak = draw(rarely(ANY, 10_000.0))
    return books


@st.composite
def any_panel(draw: st.DrawFn) -> Panel:
    closes = MARKET.close.copy()
    closes[-1] = [draw(rarely(ANY, PRICE)) for _ in range(2)]
    return replace(MARKET, close=closes)


@st.composite
def any_proposal(draw: st.DrawFn, *, entry: bool) -> Proposal:
    quantity = draw(st.one_of(st.integers(1, 60).map(float), st.integers(1, 60).map(float), ANY))
    reference, collar = draw(rarely(ANY, PRICE)), draw(rarely(ANY, 0.0))
    wanted = proposal(quantity, entry=entry, slot=draw(st.integers(0, 2)), reference=reference, collar=collar)
    shapes = [wanted.legs, wanted.legs[:1], wanted.legs[1:], wanted.legs[::-1], ()]
    return replace(wanted, legs=shapes[draw(rarely(st.integers(1, 4), 0))])


@given(any_proposal(entry=False), any_books(), any_panel(), limits, latches, quotes)
@settings(max_examples=200, deadline=None)
def test_an_exit_passes_whatever_the_account_the_market_the_limits_and_the_latch_are(
    wanted: Proposal, books: Books, panel: Panel, told: RiskSettings, latch: bytes | None, shown: list[Quote]
) -> None:
    verdict = RiskGate(told, RULES, 7, latched(latch), Unreadable()).review(wanted, books, panel, shown, TICK)
    assert isinstance(verdict, ApprovedOrder)


@given(
    any_proposal(entry=True),
    any_books(),
    any_panel(),
    st.one_of(st.just(RiskSettings()), st.just(RiskSettings()), limits),
    st.sampled_from([None, None, None, KILLED]),
    quotes,
)
@settings(max_examples=300, deadline=None)
def test_an_entry_that_passes_is_made_of_numbers_within_the_limits(
    wanted: Proposal, books: Books, panel: Panel, told: RiskSettings, latch: bytes | None, shown: list[Quote]
) -> None:
    verdict = RiskGate(told, RULES, 7, latched(latch), Past()).review(wanted, books, panel, shown, TICK)
    if isinstance(verdict, Denied):
        return
    assert latch is None
    long, short = wanted.legs
    assert 0 < long.quantity == -short.quantity < math.inf
    for leg in wanted.legs:
        notional = abs(leg.quantity) * float(panel.close[-1, leg.column])
        assert leg.instrument.min_notional <= notional <= told.max_leg_notional
        assert leg.quantity == round(leg.quantity), "lots of one"
        assert leg.collar <= told.max_price_collar_pct / 100
    assert all(0 < quote.bid < quote.ask and quote.time_ms - TICK <= 1000 * told.max_quote_age_s for quote in shown)


@pytest.mark.parametrize(("quantity", "mark"), [(0.0, math.inf), (1e300, 1e300), (math.inf, 0.0)])
def test_a_held_leg_that_is_worth_no_number_denies_an_entry_and_raises_nothing(quantity: float, mark: float) -> None:
    books = account(1e8, 1e8)
    books.quantity[0, 0], books.mark[0, 0] = quantity, mark
    entry = Entry(proposal(1.0), books, MARKET, (), TICK, RULES, RiskSettings())
    assert too_large(entry) is not None


@given(st.floats(1e-3, 1e5))
@settings(max_examples=100, deadline=None)
def test_every_whole_number_of_lots_within_the_limits_passes(size: float) -> None:
    lots = round(size)
    wide = RiskSettings(max_leg_notional=1e9, max_asset_notional=1e9, max_venue_notional=1e9, max_gross_notional=1e9)
    verdict = RiskGate(wide, RULES, 7).review(proposal(float(lots)), account(1e8, 1e8), MARKET)
    assert (lots >= 1) == isinstance(verdict, ApprovedOrder)


def latched(content: bytes | None) -> LatchFile:
    path = FOLDER / "kill.json"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    return LatchFile(path)
