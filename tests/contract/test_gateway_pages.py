"""Pages joined to a history: each row once, whatever the page, and an error where it would never end."""

import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from data import pagers
from data.errors import VenueRefused
from data.exchange import Venue
from data.settings import VenueSettings
from data.types import HOUR_MS
from tests.contract.conftest import START_MS, Served, WorldAt
from tests.contract.loopback import read_from

Rows = list[tuple[int, str]]
DAY_MS = 24 * HOUR_MS

stamps = st.sets(st.integers(1, 400), max_size=60)
bounds = st.integers(0, 420)
pages = st.integers(1, 70)


def rows_at(when: set[int]) -> Rows:
    return [(stamp, f"row {stamp}") for stamp in sorted(when)]


def within(rows: Rows, since: int, until: int | None) -> Rows:
    return [row for row in rows if row[0] >= since and (until is None or row[0] <= until)]


@given(stamps, bounds, st.none() | bounds, pages)
def test_pages_forward_give_each_row_exactly_once(when: set[int], since: int, until: int | None, page: int) -> None:
    rows = rows_at(when)

    async def read(begin: int) -> Rows:
        return [row for row in rows if row[0] >= begin][:page]

    assert within(rows, since, until) == asyncio.run(pagers.forward(read, since, until, page, "x"))


@given(stamps, bounds, st.none() | bounds, pages, st.booleans())
def test_pages_backward_give_each_row_exactly_once(
    when: set[int], since: int, until: int | None, page: int, newest_first: bool
) -> None:
    rows = rows_at(when)

    async def read(end: int | None) -> Rows:
        answer = [row for row in rows if end is None or row[0] <= end][-page:]
        return answer[::-1] if newest_first else answer

    assert within(rows, since, until) == asyncio.run(pagers.backward(read, since, until, "x"))


@given(stamps, bounds, st.none() | bounds, pages, st.sets(st.integers(401, 450), max_size=5))
def test_numbered_pages_give_each_row_even_while_new_ones_push_them_on(
    when: set[int], since: int, until: int | None, page: int, arriving: set[int]
) -> None:
    newest_first, late = rows_at(when)[::-1], sorted(arriving)

    async def read(number: int) -> Rows:
        answer = newest_first[(number - 1) * page : number * page]
        if late and page > 1:
            newest_first.insert(0, (late[0], f"row {late.pop(0)}"))
        return answer

    read_rows = asyncio.run(pagers.numbered(read, since, until, page, "x"))
    known = set(within(rows_at(when), since, until))
    assert known == {row for row in read_rows if row[0] <= 400}
    assert len(read_rows) == len({stamp for stamp, _ in read_rows})


@given(
    hours=st.sets(st.integers(0, 80), max_size=50),
    window=st.tuples(st.integers(0, 80), st.integers(0, 90)),
    page=st.integers(1, 90),
    most=st.integers(1, 90),
    from_the_end=st.booleans(),
)
@settings(max_examples=200)
def test_hourly_rows_come_once_from_either_end_even_if_the_venue_gives_fewer_than_it_says(
    hours: set[int], window: tuple[int, int], page: int, most: int, from_the_end: bool
) -> None:
    rows = rows_at({hour * HOUR_MS for hour in hours})
    since, until = (hour * HOUR_MS for hour in window)

    async def read(begin: int, end: int) -> Rows:
        answer = [row for row in rows if begin <= row[0] < end]
        return answer[-most:] if from_the_end else answer[:most]

    expected = [row for row in rows if since <= row[0] < until]
    assert expected == asyncio.run(pagers.hourly(read, since, until, page, "x"))


async def the_same_page(*_: object) -> Sequence[tuple[int, str]]:
    return [(5 * HOUR_MS, "a"), (6 * HOUR_MS, "b")]


@pytest.mark.parametrize(
    "read",
    [
        lambda: pagers.forward(the_same_page, 0, None, 2, "mexc X"),
        lambda: pagers.backward(the_same_page, 0, None, "mexc X"),
        lambda: pagers.numbered(the_same_page, 0, None, 2, "mexc X"),
        lambda: pagers.hourly(the_same_page, 0, 20 * HOUR_MS, 7, "mexc X"),
    ],
    ids=["forward", "backward", "numbered", "hourly"],
)
def test_a_page_that_repeats_itself_is_an_error_and_no_loop(read: object) -> None:
    with pytest.raises(VenueRefused, match="mexc X: a page of the history has nothing of the time"):
        asyncio.run(asyncio.wait_for(read(), 5))  # type: ignore[operator]


def test_a_venue_that_gives_its_first_page_for_ever_is_refused_over_http_too() -> None:
    listed = {
        "symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "marginAsset": "USDT", "onboardDate": START_MS, "filters": [],
    }  # fmt: skip
    full = [{"symbol": "BTCUSDT", "fundingTime": START_MS + n * HOUR_MS, "fundingRate": "0.0001"} for n in range(1000)]

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"symbols": [listed]} if request.path.endswith("exchangeInfo") else full)

    with pytest.raises(VenueRefused, match=r"^binance BTC/USDT:USDT settlements: a page of the history"):
        read_from("binance", answer, lambda venue: venue.settlements("BTC/USDT:USDT", START_MS))


def test_ccxt_s_own_paging_loses_what_ours_keeps(world_at: WorldAt, served: Served) -> None:
    hours = 1200
    now = START_MS + hours * HOUR_MS + 60_000

    async def read() -> tuple[int, int]:
        async with served(world_at(now), "binance") as client:
            asked = {"paginate": True, "until": now}
            theirs = await client.fetch_funding_rate_history("INJ/USDT:USDT", START_MS, None, asked)
            told = VenueSettings(base_url=client.urls["api"]["fapiPublic"].removesuffix("/fapi/v1"))
            async with Venue("binance", told, timeout_s=5, concurrency=4) as venue:
                ours = await venue.settlements("INJ/USDT:USDT", START_MS, now)
        return len(theirs), len(ours)

    theirs, ours = asyncio.run(read())
    assert hours + 1 == ours
    assert theirs < hours
