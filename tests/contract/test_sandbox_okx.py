"""The sandbox's OKX, as the stock ccxt client meets it over HTTP: its markets, its funding and what it refuses."""

import json
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import numpy as np
import pytest

from data.market import Market
from data.types import HOUR_MS
from tests.contract.conftest import Ask, Asking
from tests.contract.okx_market import BETWEEN, COINS_PER_CONTRACT, NOON, START_MS, SWAPS, okx_market, symbol

THREE_MONTHS_MS = 90 * 24 * HOUR_MS
FOR_ONE_INSTRUMENT = (
    "MarketCandles", "MarketHistoryCandles", "MarketMarkPriceCandles", "MarketHistoryMarkPriceCandles",
    "MarketIndexCandles", "MarketHistoryIndexCandles", "MarketTicker", "MarketBooks", "PublicFundingRate",
    "PublicFundingRateHistory", "PublicOpenInterest", "PublicMarkPrice", "PublicInstruments",
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox_market() -> Market:
    return okx_market()


@pytest.fixture
def ask(asking: Asking) -> Ask:
    return asking("okx", **SWAPS)


def settled(market: Market, code: str, now: int) -> tuple[list[int], list[float]]:
    """Stamps and rates of the last three months."""
    settlements = market.settlements["okx", symbol(code)]
    there = (settlements.stamp <= now) & (settlements.stamp >= now - THREE_MONTHS_MS)
    return settlements.stamp[there].tolist(), settlements.rate[there].tolist()


def test_load_markets_gives_what_is_listed_now(ask: Ask) -> None:
    early, late = (set(ask(now, lambda client: client.load_markets())) for now in (NOON - 900 * HOUR_MS, NOON))

    assert early == {symbol(code) for code in ("BTC", "SOL", "DOGE", "PEPE", "TON")}
    assert late == {symbol(code) for code in ("BTC", "SOL", "DOGE", "PEPE", "ENA")}


def test_the_default_types_of_markets_load_too(ask: Ask) -> None:
    every = ask(NOON, lambda client: client.load_markets(), {})

    assert set(every) == {symbol(code) for code in COINS_PER_CONTRACT}


def test_markets_carry_the_rules_of_the_instruments_in_contracts(ask: Ask, sandbox_market: Market) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    for instrument in sandbox_market.listed(NOON):
        rules, info = markets[instrument.symbol], markets[instrument.symbol]["info"]
        assert rules["active"] and rules["linear"] and rules["swap"]
        assert rules["contractSize"] == COINS_PER_CONTRACT[rules["base"]]
        assert Decimal(info["ctVal"]) * Decimal(info["lotSz"]) == Decimal(repr(instrument.lot_step))
        assert rules["limits"]["amount"]["min"] == rules["precision"]["amount"] == float(info["lotSz"])
        assert rules["precision"]["price"] == instrument.tick_size
        assert rules["limits"]["cost"]["min"] is None


def test_the_venue_has_market_time(ask: Ask) -> None:
    assert ask(BETWEEN, lambda client: client.fetch_time()) == BETWEEN


def test_the_running_funding_rate_is_the_last_settled_one(ask: Ask, sandbox_market: Market) -> None:
    rates = ask(BETWEEN, lambda client: client.fetch_funding_rates())

    assert set(rates) == {symbol(code) for code in COINS_PER_CONTRACT}
    for code in COINS_PER_CONTRACT:
        settlements = sandbox_market.settlements["okx", symbol(code)]
        count = int(np.searchsorted(settlements.stamp, BETWEEN, side="right"))
        assert rates[symbol(code)]["fundingRate"] == settlements.rate[count - 1]
        assert rates[symbol(code)]["fundingTimestamp"] == settlements.time[count]
        assert rates[symbol(code)]["nextFundingTimestamp"] == settlements.time[count + 1]


def test_one_symbol_s_funding_rate_equals_its_row_among_all(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_funding_rate(symbol("PEPE")), (await client.fetch_funding_rates())[symbol("PEPE")]

    one, among_all = ask(BETWEEN, both)

    assert one == among_all


@pytest.mark.parametrize(("hour", "interval"), [(1990, "8h"), (1999, "4h"), (2190, "4h"), (2199, "1h"), (2412, "1h")])
def test_an_interval_that_changes_is_told_one_period_ahead(ask: Ask, hour: int, interval: str) -> None:
    told = ask(START_MS + hour * HOUR_MS, lambda client: client.fetch_funding_interval(symbol("SOL")))

    assert told["interval"] == interval


@pytest.mark.parametrize("code", ["BTC", "SOL", "DOGE"])
def test_paging_backward_gives_three_months_of_funding_to_the_last_bit(
    ask: Ask, sandbox_market: Market, code: str
) -> None:
    async def page_back(client: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while page := await client.fetch_funding_rate_history(symbol(code), None, 150, cursor):
            rows = page + rows
            cursor = {"after": page[0]["timestamp"]}
        return rows

    rows = ask(BETWEEN, page_back)

    told = [row["timestamp"] for row in rows], [row["fundingRate"] for row in rows]
    assert settled(sandbox_market, code, BETWEEN) == told
    assert len(rows) < len(sandbox_market.settlements["okx", symbol(code)])


def test_a_page_of_funding_holds_four_hundred_at_most(ask: Ask, sandbox_market: Market) -> None:
    async def pages(client: Any) -> list[Any]:
        return [await client.fetch_funding_rate_history(symbol("DOGE"), None, limit) for limit in (None, 400, 1000)]

    for page in ask(BETWEEN, pages):
        assert [row["timestamp"] for row in page] == settled(sandbox_market, "DOGE", BETWEEN)[0][-400:]


def test_a_start_alone_gives_the_newest_and_not_the_first(ask: Ask, sandbox_market: Market) -> None:
    since = NOON - 1200 * HOUR_MS
    rows = ask(BETWEEN, lambda client: client.fetch_funding_rate_history(symbol("DOGE"), since, 100))

    assert [row["timestamp"] for row in rows] == settled(sandbox_market, "DOGE", BETWEEN)[0][-100:]


def test_cursors_leave_out_the_row_that_they_name(ask: Ask, sandbox_market: Market) -> None:
    stamps = settled(sandbox_market, "DOGE", BETWEEN)[0]
    request = {"instId": "DOGE-USDT-SWAP", "before": stamps[100], "after": stamps[105]}
    answer = ask(BETWEEN, lambda client: client.publicGetPublicFundingRateHistory(request))

    assert [int(row["fundingTime"]) for row in answer["data"]] == stamps[104:100:-1]


def test_a_settlement_appears_at_its_stamp_and_not_before(ask: Ask, sandbox_market: Market) -> None:
    stamps = sandbox_market.settlements["okx", symbol("BTC")].stamp
    stamp = int(stamps[200])

    def latest(now: int) -> Any:
        return ask(now, lambda client: client.fetch_funding_rate_history(symbol("BTC"), None, 1))[0]["timestamp"]

    assert latest(stamp - 1) == stamps[199]
    assert latest(stamp) == stamp


@pytest.mark.parametrize("instrument", ["NOPE-USDT-SWAP", "TON-USDT-SWAP", "TON-USDT", "1000PEPE-USDT-SWAP"])
def test_an_instrument_that_is_not_listed_is_a_bad_symbol(ask: Ask, instrument: str) -> None:
    async def every_endpoint(client: Any) -> None:
        request = {"instId": instrument, "instType": "SWAP", "bar": "1H"}
        for endpoint in FOR_ONE_INSTRUMENT:
            with pytest.raises(ccxt.BadSymbol, match="51001"):
                await getattr(client, f"publicGet{endpoint}")(request)

    ask(NOON, every_endpoint)


REFUSED = (
    ("MarketCandles", {}, "50014"),
    ("MarketCandles", {"instId": "BTC-USDT-SWAP"}, "51000"),
    ("MarketCandles", {"instId": "BTC-USDT-SWAP", "bar": "1h"}, "51000"),
    ("MarketCandles", {"instId": "BTC-USDT-SWAP", "bar": "1H", "limit": 0}, "51000"),
    ("MarketCandles", {"instId": "BTC-USDT-SWAP", "bar": "1H", "limit": "many"}, "51000"),
    ("MarketCandles", {"instId": "BTC-USDT-SWAP", "bar": "1H", "after": "soon"}, "51000"),
    ("PublicFundingRateHistory", {"instId": "BTC-USDT-SWAP", "before": "-1"}, "51000"),
    ("MarketBooks", {"instId": "BTC-USDT-SWAP", "sz": 401}, "51000"),
    ("MarketTickers", {}, "50014"),
    ("MarketTickers", {"instType": "PERPETUAL"}, "51000"),
    ("PublicMarkPrice", {}, "50014"),
    ("PublicFundingRate", {}, "50014"),
)


def test_a_bad_parameter_is_refused_with_the_venue_s_code(ask: Ask) -> None:
    async def codes(client: Any) -> list[str]:
        told = []
        for endpoint, params, _ in REFUSED:
            with pytest.raises(ccxt.BadRequest) as refusal:
                await getattr(client, f"publicGet{endpoint}")(params)
            told.append(json.loads(str(refusal.value).removeprefix("okx "))["code"])
        return told

    assert ask(NOON, codes) == [code for *_, code in REFUSED]


def test_an_unknown_instrument_is_refused_with_http_status_200(ask: Ask) -> None:
    async def status(client: Any) -> int:
        with pytest.raises(ccxt.BadSymbol):
            await client.publicGetMarketTicker({"instId": "NOPE-USDT-SWAP"})
        async with client.session.get(f"{client.urls['api']['rest']}/api/v5/market/ticker?instId=NOPE") as answer:
            return int(answer.status)

    assert ask(NOON, status) == 200
