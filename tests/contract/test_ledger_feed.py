"""Who only reads the news of a ledger is told the same of either database, and never shown an address's password."""

from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from backtest.accounting import new_books
from bot.alerts import Event, Kind
from bot.ledger.address import read_address
from bot.ledger.database import Place
from bot.ledger.feed import LedgerFeed, News
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from bot.settings import Settings
from bot.web.models import KillView
from bot.web.reader import Reader
from data.errors import ConfigurationError, StateError
from data.secrets import LEDGER_URL
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


WRONG = [
    "postgres//bot:{}@db.example/trading",
    "postgresql:/bot:{}@db.example/trading",
    "postgresql://bot:left@{}@127.0.0.1:9/trading",
    "postgresql://bot:{}@127.0.0.1:port/trading",
    "postgresql:///bot:{}@127.0.0.1/trading",
    "bot:{}@127.0.0.1/trading",
    "postgresql://[127.0.0.1/trading?password={}",
    "mysql://bot:{}@127.0.0.1/trading",
]
ODD = [
    "postgresql://bot:{}%ZZ@127.0.0.1:9/trading",
    "postgresql://bot:{} %/x?y@127.0.0.1:9/trading",
    "postgresql://bot@127.0.0.1:9/trading?password={}",
    "postgresql://bot:{}@127.0.0.1:9/trading?nonsense={}",
    "postgresql+psycopg://bot:{}@127.0.0.1:9/trading?connect_timeout=1",
    "postgresql://bot:{}@127.0.0.1:9/trading?sslmode=odd",
]


@pytest.mark.parametrize("address", WRONG + ODD)
def test_no_address_is_told_with_its_password(address: str) -> None:
    pytest.importorskip("psycopg")
    feed = LedgerFeed.postgres(address.replace("{}", "Hunter2"), "bot")
    with pytest.raises(StateError, match=r"of the form postgresql://|the ledger of bot cannot be read") as told:
        feed.newest()
    assert "unter2" not in str(told.value)


@pytest.mark.parametrize("address", WRONG + ODD)
def test_no_page_shows_the_password_of_the_ledgers_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv(LEDGER_URL, address.replace("{}", "Hunter2"))
    reader = Reader(Settings(var=tmp_path))
    state = reader.state(KillView(state="idle"))
    reader.close()
    assert state.health.problems
    assert "unter2" not in state.model_dump_json()


@pytest.mark.parametrize("address", WRONG)
def test_an_address_that_is_not_clear_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="of the form postgresql://") as told:
        Place.postgres(address.format("Hunter2"), "bot")
    assert "unter2" not in str(told.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://bot@db.example/trading", {"user": "bot", "host": "db.example", "dbname": "trading"}),
        ("postgresql+psycopg://b%40t:p%25%2Fx@db:6000/a%20b?sslmode=require",
         {"user": "b@t", "password": "p%/x", "host": "db", "port": "6000", "dbname": "a b", "sslmode": "require"}),
        ("postgresql://bot:50%off/day@[::1]:5432/x",
         {"user": "bot", "password": "50%off/day", "host": "::1", "port": "5432", "dbname": "x"}),
        ("postgresql://postgres@/postgres?host=/tmp/a", {"user": "postgres", "host": "/tmp/a", "dbname": "postgres"}),
        ("postgresql://bot@/x?host=a:1&host=b:2", {"user": "bot", "host": "a,b", "port": "1,2", "dbname": "x"}),
        ("postgresql://bot@/x?host=a,b", {"user": "bot", "host": "a,b", "dbname": "x"}),
        ("postgresql://", {}),
    ],
)  # fmt: skip
def test_the_feed_and_the_ledger_ask_the_same_database(address: str, expected: dict[str, str]) -> None:
    assert expected == read_address(address).arguments()
    url = Place.postgres(address, "bot").url
    _, told = url.get_dialect()().create_connect_args(url)
    assert expected == {name: str(value) for name, value in told.items() if value != ","}


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg")
    feed = LedgerFeed.postgres("postgresql://bot:hidden@127.0.0.1:9/x", "bot")
    with pytest.raises(StateError, match="the ledger of bot cannot be read") as told:
        feed.newest()
    assert "hidden" not in str(told.value)
