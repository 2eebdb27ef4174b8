"""Order books that are read ahead: used once, while they are fresh, and never waited for."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import bot.execution.live.ahead
from backtest.accounting import LONG, SHORT
from bot.execution.live.ahead import Ahead
from bot.orders import Executed, LegOrder
from data.errors import VenueUnreachable
from data.exchange import OrderBook, Venue
from tests.fakes.pair_table import LEGS, TICK, Clock, Table
from tests.fakes.shown_books import ShownBooks, around

ORDERS = tuple(LegOrder(leg, LEGS[leg], leg, leg, 1.0, 100.0, 0.03) for leg in (LONG, SHORT))
PATIENCE_S = 0.05


class Hangs(ShownBooks):
    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        await asyncio.sleep(30.0)
        raise AssertionError


class Broken(ShownBooks):
    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        raise ZeroDivisionError


class Down(ShownBooks):
    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        raise VenueUnreachable("it does not answer")


def shown() -> dict[str, Venue]:
    return {leg.venue: ShownBooks({leg.symbol: around(100.0, 1000.0)}) for leg in LEGS}


def read(venues: dict[str, Venue]) -> Ahead:
    ahead = Ahead(venues, Clock(), PATIENCE_S)
    asyncio.run(ahead.read(LEGS))
    return ahead


def test_what_was_read_is_given_with_the_time_of_then() -> None:
    assert (TICK + 60_000, [around(100.0, 1000.0)] * 2) == read(shown()).take(ORDERS)


def test_it_is_given_once_since_whoever_trades_on_a_book_changes_it() -> None:
    ahead = read(shown())
    ahead.take(ORDERS[:1])
    assert ahead.take(ORDERS) is None
    assert ahead.take(ORDERS[1:]) is None


def test_what_is_no_longer_fresh_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.execution.live.ahead, "FRESH_S", 0.0)
    assert read(shown()).take(ORDERS) is None


@pytest.mark.parametrize("kind", [Hangs, Down])
def test_a_venue_that_hangs_or_fails_takes_nothing_from_the_other(kind: type[ShownBooks]) -> None:
    ahead = read(shown() | {LEGS[LONG].venue: kind({})})
    assert ahead.take(ORDERS[1:]) is not None
    assert ahead.take(ORDERS[:1]) is None


def test_a_mistake_of_ours_is_not_taken_for_one_of_a_venue() -> None:
    with pytest.raises(ZeroDivisionError):
        read(shown() | {LEGS[LONG].venue: Broken({})})


def test_an_entry_on_books_that_were_read_ahead_asks_no_venue_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.execution.live.ahead, "FRESH_S", 600.0)  # what compiles meanwhile may take long
    table = Table(tmp_path)
    asyncio.run(table.executor.read_ahead(LEGS))
    for leg in LEGS:
        table.venues[leg.venue] = Down({})
    assert isinstance(table.enter(), Executed)
    assert (30.0, -30.0) == table.held()


def test_a_book_that_was_old_already_when_it_was_read_is_not_entered_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.execution.live.ahead, "FRESH_S", 600.0)
    table = Table(tmp_path)
    for leg in LEGS:
        old = replace(around(100.0, 1000.0), time_ms=TICK - 3_600_000)
        table.venues[leg.venue] = ShownBooks({leg.symbol: old})
    asyncio.run(table.executor.read_ahead(LEGS))
    assert "too old to enter on" in str(table.enter())


def test_an_exit_looks_at_the_books_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.execution.live.ahead, "FRESH_S", 600.0)
    table = Table(tmp_path)
    asyncio.run(table.executor.read_ahead(LEGS))
    table.venues[LEGS[LONG].venue] = Down({})
    assert "it does not answer" in str(table.leave())
