"""Who only reads the news of a ledger is told the same of either database, and never shown an address's password."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from backtest.accounting import new_books
from bot.alerts import Event, Kind
from bot.ledger.database import Place
from bot.ledger.feed import LedgerFeed, News
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from data.errors import StateError
from data.types import HOUR_MS
from tests.fakes.ledger_places import DATABASES, ledger_place, postgres_url

TICK = 1_000_000 * HOUR_MS


def feed_of(place: Place) -> LedgerFeed:
    return LedgerFeed.postgres(postgres_url(), place.account) if place.path is None else LedgerFeed.file(place.path)


@pytest.mark.parametrize("database", DATABASES)
def test_news_are_read_in_order_and_a_ledger_that_is_not_there_has_none(database: str, tmp_path: Path) -> None:
    with ledger_place(database, tmp_path) as place:
        feed = feed_of(place)
        assert (0, [], None) == (feed.newest(), feed.after(0, ["entered"], 9), feed.run_state())
        with closing(Ledger(place)) as ledger:
            number = ledger.start_run(
                Run(
                    world="w",
                    profile="sandbox",
                    description="",
                    episode="",
                    champion="rule",
                    capital=Decimal(10_000),
                    from_ms=TICK,
                    to_ms=None,
                    state="running",
                    instruments={"instruments": []},
                )
            ).id
            assert ("running", False) == feed.run_state()
            told = [
                Event(TICK, Kind.ENTERED, "100 % in?"),
                Event(TICK, Kind.DATA, "x"),
                Event(TICK, Kind.EXITED, "out"),
            ]
            ledger.record_tick(number, TickRecord(TICK, 1.0, events=told), new_books(2, 3, 1.0))
            first = News(1, TICK, "entered", "100 % in?")
            assert [first, News(3, TICK, "exited", "out")] == feed.after(0, ["entered", "exited"], 9)
            assert ([first], 3, ("running", True)) == (feed.after(0, ["entered"], 1), feed.newest(), feed.run_state())


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg")
    feed = LedgerFeed.postgres("postgresql://bot:hidden@127.0.0.1:9/x", "bot")
    with pytest.raises(StateError, match="the ledger of bot cannot be read") as told:
        feed.newest()
    assert "hidden" not in str(told.value)
