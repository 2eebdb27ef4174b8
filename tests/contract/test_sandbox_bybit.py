"""The sandbox's Bybit v5 linear perpetuals, as the stock ccxt client meets them over HTTP."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import aiohttp
import ccxt.async_support as ccxt
import numpy as np
import pytest

from backtest.sandbox.server import listening
from data.market import Market, touch
from data.types import HOUR_MS, Settlements
from tests.contract.conftest import Ask, Asking

HALF_SPREAD_BPS = 0.8
START = 1_735_689_600_000
NOON = START + 1000 * HOUR_MS
"""An hour at which all but TON are listed, 1000 hours into the market."""
BETWEEN = NOON + 25 * 60_000
IN_GAP = NOON - 299 * HOUR_MS
CHANGE = START + 496 * HOUR_MS
"""Until then DOGE settles every 8 hours, afterwards every 4."""
ENDPOINTS = ("MarkPriceKline", "FundingHistory", "Orderbook", "Tickers", "OpenInterest", "InstrumentsInfo")
BTC, INJ, DOGE = "BTC/USDT:USDT", "INJ/USDT:USDT", "DOGE/USDT:USDT"


@pytest.fixture(scope="module")
def sandbox_market(sandbox_market: Market) -> Market:
    """Binance's part of the market, listed on Bybit: stamps are exact, and DOGE changes its interval."""
    instruments = tuple(replace(i, venue="bybit") for i in sandbox_market.instruments if i.venue == "binance")
    settlements = {}
    for instrument in instruments:
        settled = sandbox_market.settlements["binance", instrument.symbol]
        kept = (settled.time >= CHANGE) | (settled.time % (8 * HOUR_MS) == 0) | (instrument.symbol != DOGE)
        settlements[instrument.key] = Settlements(
            settled.time[kept], np.zeros(kept.sum(), dtype=np.int64), settled.rate[kept]
        )
    bars = {instrument.key: sandbox_market.bars["binance", instrument.symbol] for instrument in instruments}
    return Market(instruments, bars, settlements)


@pytest.fixture
def ask(asking: Asking) -> Ask:
    return asking("bybit", fetchMarkets={"types": ["linear"]})


# Markets and time


def test_load_markets_gives_what_is_listed_now(ask: Ask) -> None:
    early, late = (set(ask(now, lambda client: client.load_markets())) for now in (NOON - 950 * HOUR_MS, NOON))

    assert early == {f"{code}/USDT:USDT" for code in ("BTC", "INJ", "DOGE", "1000PEPE", "TON")}
    assert late == {f"{code}/USDT:USDT" for code in ("BTC", "INJ", "DOGE", "1000PEPE", "SOL")}


def test_markets_carry_the_rules_of_the_instruments(ask: Ask, sandbox_market: Market) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    for instrument in sandbox_market.listed(NOON):
        rules = markets[instrument.symbol]
        assert rules["active"] and rules["linear"] and rules["swap"] and rules["contractSize"] == 1
        assert rules["precision"]["amount"] == rules["limits"]["amount"]["min"] == instrument.lot_step
        assert rules["precision"]["price"] == instrument.tick_size
        assert rules["limits"]["cost"]["min"] == instrument.min_notional
        assert rules["info"]["fundingInterval"] == instrument.interval_hours * 60


@pytest.mark.parametrize("encoded_again", [False, True])
def test_contracts_come_in_pages_by_symbol_and_a_full_page_names_a_cursor(ask: Ask, encoded_again: bool) -> None:
    async def page_through(client: Any) -> list[list[str]]:
        pages, asked = [], {"category": "linear", "limit": 2}
        while True:
            result = (await client.publicGetV5MarketInstrumentsInfo(asked))["result"]
            pages.append([row["symbol"] for row in result["list"]])
            if not (cursor := result["nextPageCursor"]):
                return pages
            asked["cursor"] = quote(cursor, safe="") if encoded_again else cursor

    pages = ask(NOON, page_through)

    assert pages == [["1000PEPEUSDT", "BTCUSDT"], ["DOGEUSDT", "INJUSDT"], ["SOLUSDT"]]


@pytest.mark.parametrize(
    "asked", [{"category": "linear", "status": "PreLaunch"}, {"category": "inverse"}, {"category": "spot"}]
)
def test_nothing_is_before_its_launch_nor_in_another_category(ask: Ask, asked: dict[str, str]) -> None:
    answer = ask(NOON, lambda client: client.publicGetV5MarketInstrumentsInfo(asked))

    assert answer["result"] == {"category": asked["category"], "list": [], "nextPageCursor": ""}


def test_the_venue_has_market_time(ask: Ask) -> None:
    assert ask(BETWEEN, lambda client: client.fetch_time()) == BETWEEN


# Funding


def test_the_running_funding_rate_is_the_last_settled_one(ask: Ask, sandbox_market: Market) -> None:
    rates = ask(BETWEEN, lambda client: client.fetch_funding_rates())

    assert set(rates) == {i.symbol for i in sandbox_market.listed(BETWEEN)}
    for instrument in sandbox_market.listed(BETWEEN):
        row, settled = rates[instrument.symbol], sandbox_market.settlements[instrument.key]
        count = int(np.searchsorted(settled.stamp, BETWEEN, side="right"))
        assert row["fundingRate"] == settled.rate[count - 1]
        assert row["fundingTimestamp"] == settled.time[count]
        assert row["interval"] == f"{instrument.interval_hours}h"
        assert row["markPrice"] == row["indexPrice"] == sandbox_market.mid(instrument.key, BETWEEN)


def test_one_symbol_s_funding_rate_equals_its_row_among_all(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_funding_rate(INJ), (await client.fetch_funding_rates())[INJ]

    one, among_all = ask(BETWEEN, both)

    assert one == among_all


@pytest.mark.parametrize(("now", "hours"), [(CHANGE - 2 * HOUR_MS, 8), (CHANGE + 2 * HOUR_MS, 4)])
def test_a_changed_interval_is_announced_by_contract_and_by_ticker(ask: Ask, now: int, hours: int) -> None:
    rate = ask(now, lambda client: client.fetch_funding_rate(DOGE))

    assert rate["interval"] == f"{hours}h"
    assert rate["info"]["fundingIntervalHour"] == str(hours)
    assert rate["fundingTimestamp"] == CHANGE + (4 * HOUR_MS if hours == 4 else 0)


@pytest.mark.parametrize("symbol", [INJ, DOGE])
def test_history_paged_backward_is_the_market_s_to_the_last_bit(ask: Ask, sandbox_market: Market, symbol: str) -> None:
    async def page_back(client: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        until = NOON
        while page := await client.fetch_funding_rate_history(symbol, None, 200, {"until": until}):
            rows = page + rows
            until = page[0]["timestamp"] - 1
        return rows

    rows = ask(NOON, page_back)

    settled = sandbox_market.settlements["bybit", symbol]
    count = int(np.searchsorted(settled.stamp, NOON, side="right"))
    assert count == {INJ: 1001, DOGE: 189}[symbol]
    assert [row["timestamp"] for row in rows] == settled.stamp[:count].tolist()
    assert [row["fundingRate"] for row in rows] == settled.rate[:count].tolist()


def test_a_range_wider_than_a_page_gives_its_newest_two_hundred_newest_first(ask: Ask) -> None:
    asked = {"category": "linear", "symbol": "INJUSDT", "startTime": START, "endTime": BETWEEN, "limit": 1000}

    rows = ask(BETWEEN, lambda client: client.publicGetV5MarketFundingHistory(asked))["result"]["list"]

    assert [int(row["fundingRateTimestamp"]) for row in rows] == [NOON - hour * HOUR_MS for hour in range(200)]


def test_both_ends_of_a_range_belong_to_it(ask: Ask) -> None:
    rows = ask(
        NOON,
        lambda client: client.fetch_funding_rate_history(INJ, NOON - 20 * HOUR_MS, 50, {"until": NOON - 10 * HOUR_MS}),
    )

    assert [row["timestamp"] for row in rows] == [NOON - hour * HOUR_MS for hour in range(20, 9, -1)]


def test_the_range_that_ccxt_makes_of_a_start_holds_one_settlement_more_than_its_page(ask: Ask) -> None:
    rows = ask(NOON, lambda client: client.fetch_funding_rate_history(INJ, NOON - 300 * HOUR_MS, 200))

    assert [row["timestamp"] for row in rows] == [NOON - hour * HOUR_MS for hour in range(299, 99, -1)]


def test_a_start_alone_is_refused(ask: Ask) -> None:
    asked = {"category": "linear", "symbol": "INJUSDT", "startTime": START}

    with pytest.raises(ccxt.BadRequest, match='"retCode":10001,"retMsg":"Time is invalid"'):
        ask(NOON, lambda client: client.publicGetV5MarketFundingHistory(asked))


def test_a_settlement_appears_at_its_stamp_and_not_before(ask: Ask) -> None:
    def latest(now: int) -> Any:
        return ask(now, lambda client: client.fetch_funding_rate_history(BTC, None, 1))[0]["timestamp"]

    assert latest(NOON - 1) == NOON - 8 * HOUR_MS
    assert latest(NOON) == NOON


# Candles


def test_candles_paged_forward_by_their_start_are_the_market_s_to_the_last_bit(
    ask: Ask, sandbox_market: Market
) -> None:
    async def page_through(client: Any) -> list[list[float]]:
        rows: list[list[float]] = []
        since = START
        while since < NOON:
            rows += await client.fetch_ohlcv(DOGE, "1h", since, 400)
            since = int(rows[-1][0]) + HOUR_MS
        return rows

    rows = np.array(ask(NOON - 1, page_through))

    bars = sandbox_market.bars["bybit", DOGE]
    closed = bars.open_time + 2 * HOUR_MS <= NOON
    columns = (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert len(rows) == 997
    assert all(np.array_equal(rows[:-1, index], column[closed]) for index, column in enumerate(columns))


def test_candles_between_two_times_are_the_newest_of_them_where_a_page_is_too_small(ask: Ask) -> None:
    rows = ask(NOON, lambda client: client.fetch_ohlcv(BTC, "1h", START, 300, {"until": NOON - 1}))

    assert [row[0] for row in rows] == [NOON - hour * HOUR_MS for hour in range(300, 0, -1)]


def test_a_page_of_candles_is_cut_to_a_thousand(ask: Ask) -> None:
    rows = ask(NOON + 100 * HOUR_MS, lambda client: client.fetch_ohlcv(BTC, "1h", None, 5000))

    assert [len(rows), rows[-1][0]] == [1000, NOON + 100 * HOUR_MS]


def test_candles_come_newest_first_from_the_one_that_contains_the_start_to_the_one_that_opens_at_the_end(
    ask: Ask,
) -> None:
    asked = {"symbol": "BTCUSDT", "interval": "60", "start": NOON - 2 * HOUR_MS + 1, "end": NOON}

    result = ask(BETWEEN, lambda client: client.publicGetV5MarketKline(asked))["result"]

    assert [int(row[0]) for row in result["list"]] == [NOON, NOON - HOUR_MS, NOON - 2 * HOUR_MS]
    assert (result["category"], result["symbol"]) == ("linear", "BTCUSDT")


def test_the_last_candle_is_forming_and_knows_only_the_path_so_far(ask: Ask, sandbox_market: Market) -> None:
    key = ("bybit", BTC)
    index = sandbox_market.bar_index(key, BETWEEN)
    path = [sandbox_market.path(key, index, when) for when in range(NOON, BETWEEN + 1, 60_000)]

    rows = ask(BETWEEN, lambda client: client.fetch_ohlcv(BTC, "1h", None, 3))

    assert [row[0] for row in rows] == [NOON - 2 * HOUR_MS, NOON - HOUR_MS, NOON]
    assert rows[-1][:5] == [NOON, path[0], max(path), min(path), path[-1]]
    assert rows[-1][5] == pytest.approx(sandbox_market.bars[key].volume[index] * 25 / 60)


@pytest.mark.parametrize("price", ["mark", "index"])
def test_mark_and_index_candles_have_the_same_prices_and_no_volume(ask: Ask, price: str) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_ohlcv(BTC, "1h", None, 5), await client.fetch_ohlcv(
            BTC, "1h", None, 5, {"price": price}
        )

    last, other = ask(BETWEEN, both)

    assert other == [row[:5] + [None] for row in last]


# Books, tickers, open interest


def test_the_book_s_first_level_is_the_touch(ask: Ask, sandbox_market: Market) -> None:
    async def books(client: Any) -> dict[str, Any]:
        return {symbol: await client.fetch_order_book(symbol, 5) for symbol in await client.load_markets()}

    for symbol, book in ask(BETWEEN, books).items():
        instrument = next(i for i in sandbox_market.instruments if i.symbol == symbol)
        bid, ask_price = touch(sandbox_market.mid(instrument.key, BETWEEN), HALF_SPREAD_BPS, instrument.tick_size)
        assert (book["bids"][0][0], book["asks"][0][0]) == (bid, ask_price)
        assert len(book["bids"]) == len(book["asks"]) == 5
        assert book["timestamp"] == BETWEEN


def test_best_bids_and_asks_of_the_tickers_agree_with_the_books(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any, Any]:
        symbol = "1000PEPE/USDT:USDT"
        every, one = await client.fetch_bids_asks(), await client.fetch_ticker(symbol)
        return every[symbol], one, await client.fetch_order_book(symbol)

    among_all, one, book = ask(BETWEEN, both)

    assert [among_all["bid"], among_all["bidVolume"]] == book["bids"][0]
    assert [among_all["ask"], among_all["askVolume"]] == book["asks"][0]
    assert one == among_all


def test_tickers_cover_the_last_day(ask: Ask, sandbox_market: Market) -> None:
    every = ask(NOON - 1, lambda client: client.fetch_tickers())

    row, bars = every[BTC], sandbox_market.bars["bybit", BTC]
    day = (bars.open_time >= NOON - 24 * HOUR_MS) & (bars.open_time < NOON)
    assert set(every) == {i.symbol for i in sandbox_market.listed(NOON - 1)}
    assert row["last"] == row["markPrice"] == sandbox_market.mid(("bybit", BTC), NOON - 1)
    assert (row["open"], row["high"]) == (bars.open[day][0], bars.high[day].max())
    assert row["percentage"] == pytest.approx((row["last"] / row["open"] - 1) * 100, abs=1e-4)
    assert row["baseVolume"] == pytest.approx(bars.volume[day].sum(), rel=1e-6)
    assert float(row["info"]["prevPrice1h"]) == sandbox_market.mid(("bybit", BTC), NOON - 1 - HOUR_MS)


def test_open_interest_is_the_volume_of_the_day_before_it(ask: Ask, sandbox_market: Market) -> None:
    row = ask(BETWEEN, lambda client: client.fetch_open_interest(BTC))

    bars = sandbox_market.bars["bybit", BTC]
    day = (bars.open_time > NOON - 24 * HOUR_MS) & (bars.open_time < NOON)
    assert row["timestamp"] == NOON
    assert row["openInterestAmount"] == pytest.approx(bars.volume[day].sum())


def test_a_ticker_s_open_interest_is_worth_its_coins(ask: Ask) -> None:
    row = ask(BETWEEN, lambda client: client.fetch_ticker(BTC))["info"]

    coins, value = float(row["openInterest"]), float(row["openInterestValue"])
    assert coins > 0
    assert value == pytest.approx(coins * float(row["markPrice"]))


def test_open_interest_is_paged_by_cursor_back_to_the_launch(ask: Ask) -> None:
    async def page_back(client: Any) -> list[list[int]]:
        asked = {"category": "linear", "symbol": "SOLUSDT", "intervalTime": "4h", "limit": 200}
        pages = []
        while True:
            result = (await client.publicGetV5MarketOpenInterest(asked))["result"]
            pages.append([int(row["timestamp"]) for row in result["list"]])
            if not (cursor := result["nextPageCursor"]):
                return pages
            asked["cursor"] = cursor

    pages = ask(NOON, page_back)

    # SOL's first bar opens in hour 100: it trades from 101, and the next full four hours are 104.
    oldest = START + 104 * HOUR_MS
    assert [len(page) for page in pages] == [200, 25]
    assert [at for page in pages for at in page] == list(range(NOON, oldest - 1, -4 * HOUR_MS))


def test_open_interest_between_two_times_is_what_was_shown_then(ask: Ask) -> None:
    def shown(now: int, **asked: int) -> Any:
        params = {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "1h", "limit": 3} | asked
        return ask(now, lambda client: client.publicGetV5MarketOpenInterest(params))["result"]["list"]

    earlier = shown(BETWEEN - 50 * HOUR_MS)

    assert shown(BETWEEN, startTime=NOON - 52 * HOUR_MS, endTime=NOON - 50 * HOUR_MS) == earlier
    assert shown(BETWEEN, startTime=NOON - 52 * HOUR_MS)[0]["timestamp"] == str(NOON)


def test_a_gap_shows_an_empty_book_and_the_last_price(ask: Ask, sandbox_market: Market) -> None:
    async def look(client: Any) -> tuple[Any, ...]:
        ticker = (await client.fetch_tickers())[DOGE]
        return await client.fetch_order_book(DOGE), ticker, await client.fetch_ohlcv(DOGE, "1h", None, 1)

    book, ticker, candles = ask(IN_GAP, look)

    bars = sandbox_market.bars["bybit", DOGE]
    last = int(np.searchsorted(bars.open_time, IN_GAP)) - 1
    assert book["bids"] == book["asks"] == []
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (None, None, bars.close[last])
    assert candles[0][0] == bars.open_time[last]


def test_at_the_market_s_end_the_last_candle_has_closed_and_nothing_trades(ask: Ask, sandbox_market: Market) -> None:
    async def look(client: Any) -> tuple[Any, Any]:
        return await client.fetch_ohlcv(BTC, "1h", None, 1), await client.fetch_order_book(BTC)

    candles, book = ask(sandbox_market.end_ms, look)

    assert candles[0][4] == sandbox_market.bars["bybit", BTC].close[-1]
    assert book["bids"] == []


# Refusals


@pytest.mark.parametrize("symbol", ["NOPEUSDT", "TONUSDT"])
def test_a_symbol_that_is_not_listed_is_refused_everywhere(ask: Ask, symbol: str) -> None:
    asked = {"category": "linear", "symbol": symbol, "interval": "60", "intervalTime": "1h"}

    async def ask_all(client: Any) -> None:
        for endpoint in (*ENDPOINTS, "Kline"):
            with pytest.raises(ccxt.BadRequest, match='"retCode":10001,"retMsg":"params error: symbol invalid"'):
                await getattr(client, f"publicGetV5Market{endpoint}")(asked)

    ask(NOON, ask_all)


@pytest.mark.parametrize("asked", [{"symbol": "BTCUSDT"}, {"symbol": "BTCUSDT", "category": "perpetual"}])
def test_a_category_must_be_given(ask: Ask, asked: dict[str, str]) -> None:
    async def ask_all(client: Any) -> None:
        for endpoint in ENDPOINTS:
            with pytest.raises(ccxt.BadRequest, match='"retCode":10001,"retMsg":"Illegal category"'):
                await getattr(client, f"publicGetV5Market{endpoint}")(asked)

    ask(NOON, ask_all)


@pytest.mark.parametrize(
    ("endpoint", "wrong", "words"),
    [
        ("Kline", {"interval": ""}, "Invalid period!"),
        ("Kline", {"interval": "1h"}, "Invalid period!"),
        ("Kline", {"limit": 0}, "limit invalid"),
        ("Kline", {"start": "soon"}, "start invalid"),
        ("Kline", {"start": -1}, "start invalid"),
        ("Kline", {"start": 2, "end": 1}, "Time is invalid"),
        ("FundingHistory", {"startTime": 2, "endTime": 1}, "Time is invalid"),
        ("OpenInterest", {"intervalTime": "60"}, "intervalTime is invalid"),
        ("InstrumentsInfo", {"symbol": "", "cursor": "nonsense"}, "cursor invalid"),
    ],
)
def test_a_bad_parameter_is_refused_in_the_venue_s_words(
    ask: Ask, endpoint: str, wrong: dict[str, Any], words: str
) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "intervalTime": "1h"} | wrong

    with pytest.raises(ccxt.BadRequest, match=f'"retCode":10001,"retMsg":"[^"]*{words}"'):
        ask(NOON, lambda client: getattr(client, f"publicGetV5Market{endpoint}")(asked))


def test_a_refusal_has_status_200_and_an_empty_result(world_at: Any) -> None:
    async def talk() -> tuple[int, Any]:
        async with (
            listening(world_at(NOON)) as url,
            aiohttp.ClientSession() as session,
            session.get(f"{url}/bybit/v5/market/tickers") as answer,
        ):
            return answer.status, await answer.json()

    refusal = {"retCode": 10001, "retMsg": "Illegal category", "result": {}, "retExtInfo": {}, "time": NOON}
    assert asyncio.run(talk()) == (200, refusal)
