"""A venue that asks to slow down: nothing is sent until it may be, and what was asked for comes all the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from bot.execution.live.account import LiveAccount
from data.errors import VenueThrottled
from data.exchange import Venue
from data.settings import VenueSettings
from data.throttle import Gate, pause_s
from tests.contract.loopback import listening, read_from
from tests.fakes.scripted_venue import KEYS

TIME = {"serverTime": 1_700_000_000_000}


class Strict:
    """A Binance that answers the first requests by refusals, each (status, headers, body), and notes when each came."""

    def __init__(self, *refusals: tuple[int, dict[str, str], str]) -> None:
        self.refusals = list(refusals)
        self.came: list[float] = []

    async def answer(self, _: web.Request) -> web.Response:
        self.came.append(time.monotonic())
        if self.refusals:
            status, headers, body = self.refusals.pop(0)
            return web.Response(status=status, headers=headers, text=body)
        return web.json_response(TIME)

    @property
    def waits(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.came, self.came[1:], strict=False)]


def refusal(status: int = 429, retry_after: str | None = None, text: str = "") -> tuple[int, dict[str, str], str]:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return status, headers, '{"code":-1003,"msg":"Too many requests' + text + '"}'


def test_the_pause_that_is_asked_for_is_kept_and_then_the_read_is_repeated() -> None:
    venue = Strict(refusal(retry_after="0.3"))

    assert TIME["serverTime"] == read_from("binance", venue.answer, Venue.time_ms)
    assert 2 == len(venue.came) and venue.waits[0] >= 0.3


def test_a_pause_without_a_length_grows_until_the_venue_answers() -> None:
    venue = Strict(*[refusal()] * 3)

    assert TIME["serverTime"] == read_from("binance", venue.answer, Venue.time_ms, backoff_s=0.02)
    assert [True] * 3 == [wait >= least for wait, least in zip(venue.waits, (0.04, 0.08, 0.16), strict=True)]


def test_nothing_leaves_during_a_pause_not_even_what_was_asked_for_before_it() -> None:
    venue = Strict(refusal(retry_after="0.6"))

    async def many(client: Venue) -> list[int]:
        first = asyncio.create_task(client.time_ms())
        while not venue.came:
            await asyncio.sleep(0.005)
        return await asyncio.gather(first, *(client.time_ms() for _ in range(12)))

    assert [TIME["serverTime"]] * 13 == read_from("binance", venue.answer, many, concurrency=20)
    under_way = [came for came in venue.came if came - venue.came[0] < 0.2]
    assert all(came - venue.came[0] >= 0.6 for came in venue.came[len(under_way) :])
    assert 14 == len(venue.came)


def test_the_limiter_s_own_queue_stops_during_a_pause_too() -> None:
    venue = Strict(refusal(retry_after="0.5"))

    async def many(client: Venue) -> list[int]:
        return await asyncio.gather(*(client.time_ms() for _ in range(6)))

    read_from("binance", venue.answer, many, throttle=True, budget_share=0.2)
    after = [came for came in venue.came if came - venue.came[0] >= 0.5]
    assert 6 == len(after) and 7 == len(venue.came)


def test_a_ban_is_respected_to_its_end() -> None:
    until = int(time.time() * 1000) + 600
    venue = Strict(refusal(418, text=f"; IP(1.2.3.4) banned until {until}. Please use the websocket"))

    assert TIME["serverTime"] == read_from("binance", venue.answer, Venue.time_ms)
    assert 2 == len(venue.came) and time.time() * 1000 >= until


def test_a_ban_beyond_our_patience_is_an_error_that_names_its_end_and_no_request_more() -> None:
    venue = Strict(*[refusal(418, retry_after="7200")] * 5)

    async def twice(client: Venue) -> list[str]:
        told = []
        for _ in range(2):
            with pytest.raises(VenueThrottled) as caught:
                await client.time_ms()
            told.append(str(caught.value))
        return told

    first, second = read_from("binance", venue.answer, twice)
    ends = datetime.now(UTC) + timedelta(hours=2)
    named = {f"{ends - timedelta(seconds=late):%Y-%m-%d %H:%M:%S}" for late in range(-1, 5)}
    assert any(f"binance asks to slow down until {end} UTC" in first for end in named)
    assert "data.venues.binance.patience_s" in second
    assert 1 == len(venue.came)


def test_a_venue_that_never_answers_again_ends_our_patience() -> None:
    venue = Strict(*[refusal()] * 1000)

    begun = time.monotonic()
    with pytest.raises(VenueThrottled):
        read_from("binance", venue.answer, Venue.time_ms, patience_s=0.2)
    assert time.monotonic() - begun < 3 and len(venue.came) < 12


def test_how_often_a_venue_asked_to_slow_down_is_remembered_for_a_while() -> None:
    venue = Strict(*[refusal(retry_after="0.05")] * 3)

    async def told(client: Venue) -> tuple[int, int, int]:
        before = client.slowed_down(60.0)
        await client.time_ms()
        await asyncio.sleep(0.1)
        return before, client.slowed_down(60.0), client.slowed_down(0.05)

    assert (0, 3, 0) == read_from("binance", venue.answer, told)


def test_what_goes_first_does_not_stand_in_the_queue() -> None:
    venue = Strict()

    async def behind(client: Venue) -> tuple[bool, int]:
        reads = [asyncio.create_task(client.time_ms()) for _ in range(12)]
        while len(venue.came) < 2:
            await asyncio.sleep(0.005)
        with client._connection.first():
            await client._client.fetch_time()
        waiting = not all(read.done() for read in reads)
        await asyncio.gather(*reads)
        return waiting, len(venue.came)

    assert (True, 13) == read_from("binance", venue.answer, behind, throttle=True, budget_share=0.5)


def test_an_account_shares_the_budget_of_its_venue_and_goes_ahead_of_reads_of_the_market() -> None:
    venue, begun = Strict(), time.monotonic()

    async def both() -> tuple[int, int]:
        async with listening(venue.answer) as url:
            told = VenueSettings(base_url=url, throttle=True, budget_share=0.5)  # a request each 0.1 s
            async with Venue("binance", told, timeout_s=5, concurrency=20) as client:
                account = LiveAccount("binance", told, KEYS, timeout_s=5, budget=client.budget)
                reads = [asyncio.create_task(client.time_ms()) for _ in range(10)]
                while len(venue.came) < 2:
                    await asyncio.sleep(0.005)
                for _ in range(2):
                    await account._client.fetch_time()
                waiting = sum(not read.done() for read in reads)
                await asyncio.gather(*reads)
                await account._connection.close()
                return waiting, len(venue.came)

    waiting, came = asyncio.run(both())
    assert (True, 12) == (waiting > 0, came)
    assert venue.came[-1] - begun >= 11 * 0.1


def test_a_short_pause_is_waited_for_and_a_long_one_is_not() -> None:
    async def waits() -> list[float]:
        waited = []
        for pause in (0.1, 30.0):
            gate = Gate("binance", 1.0, 300.0)
            gate.shut(pause)
            begun = time.monotonic()
            await gate.short_pause(5.0)
            waited.append(time.monotonic() - begun)
        return waited

    short, long = asyncio.run(waits())
    assert short >= 0.1 > long


def test_other_venues_of_the_same_process_go_on() -> None:
    async def both() -> int:
        strict, calm = Strict(*[refusal(retry_after="60")] * 9), Strict()
        async with listening(strict.answer) as one, listening(calm.answer) as other:
            told = VenueSettings(base_url=one, patience_s=1.0)
            async with Venue("binance", told, timeout_s=5, concurrency=4) as client:
                with pytest.raises(VenueThrottled):
                    await client.time_ms()
            async with Venue("binance", VenueSettings(base_url=other), timeout_s=5, concurrency=4) as client:
                return await client.time_ms()

    assert TIME["serverTime"] == asyncio.run(both())


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Retry-After": "17"}, "", 17.0),
        ({"retry-after": " 2.5 "}, "", 2.5),
        ({}, "", None),
        ({"Retry-After": "soon"}, "", None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({"Retry-After": "60"}, "banned until 1445412480000", 0.0),
    ],
)
def test_how_long_an_answer_asks_to_stay_away(headers: dict[str, str], body: str, expected: float | None) -> None:
    assert expected == pause_s(headers, body)


def test_a_date_asks_to_stay_away_until_then() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    told = pause_s({"Retry-After": date}, "")
    assert told is not None and 85 < told <= 90


@pytest.mark.parametrize(
    ("name", "read", "least_s"),
    [
        ("binance", lambda venue: venue._client.fapiPublicGetFundingRate(), 0.6),
        ("hyperliquid", lambda venue: venue._client.publicPostInfo({"type": "candleSnapshot"}), 1.0),
    ],
)
def test_what_the_venue_weighs_heavier_than_ccxt_is_charged_as_the_venue_does(
    name: str, read: Callable[[Venue], Awaitable[object]], least_s: float
) -> None:
    venue = Strict()

    async def three(client: Venue) -> None:
        await asyncio.gather(*(read(client) for _ in range(3)))

    read_from(name, venue.answer, three, throttle=True, budget_share=1.0)
    # The first takes what the bucket holds, the second waits for it to fill.
    assert 3 == len(venue.came) and max(venue.waits) >= 0.95 * least_s


Timed = Callable[[Venue], Awaitable[float]]


async def eight_times(client: Venue) -> float:
    begun = time.monotonic()
    await asyncio.gather(*(client.time_ms() for _ in range(8)))
    return time.monotonic() - begun


def test_the_limiter_is_off_on_this_machine_unless_it_is_wanted_and_keeps_to_our_share() -> None:
    off = read_from("binance", Strict().answer, eight_times)
    whole = read_from("binance", Strict().answer, eight_times, throttle=True, budget_share=1.0)
    half = read_from("binance", Strict().answer, eight_times, throttle=True, budget_share=0.5)

    # ccxt leaves 50 ms between Binance's lightest requests; the first two go at once.
    assert whole >= 0.25 and half >= 0.5
    assert off < whole
