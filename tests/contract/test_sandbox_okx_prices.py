"""The sandbox's OKX, as the stock ccxt client meets it over HTTP: candles, books, tickers and their sizes."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.okx_rules import contracts
from data.market import Market, touch
from data.types import HOUR_MS
from tests.contract.conftest import Ask, Asking
from tests.contract.okx_market import BETWEEN, COINS_PER_CONTRACT, IN_GAP, NOON, SWAPS, okx_market, symbol

HALF_SPREAD_BPS = 0.5


@pytest.fixture(scope="module")
def sandbox_market() -> Market:
    return okx_market()


@pytest.fixture
def ask(asking: Asking) -> Ask:
    return asking("okx", **SWAPS)


async def candles_paged_back(client: Any, code: str, limit: int, **params: Any) -> list[list[float]]:
    rows: list[list[float]] = []
    cursor: dict[str, Any] = {}
    while page := await client.fetch_ohlcv(symbol(code), "1h", None, limit, params | cursor):
        rows = page + rows
        cursor = {"until": page[0][0]}
    return rows


def test_paging_backward_gives_all_candles_to_the_last_bit(ask: Ask, sandbox_market: Market) -> None:
    rows = np.array(ask(NOON, lambda client: candles_paged_back(client, "DOGE", 300, type="HistoryCandles")))

    bars = sandbox_market.bars["okx", symbol("DOGE")]
    closed = bars.open_time + HOUR_MS <= NOON
    columns = (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert rows[-1, 0] == NOON
    assert all(np.array_equal(rows[:-1, index], column[closed]) for index, column in enumerate(columns))


@pytest.mark.parametrize("params", [{}, {"price": "mark"}, {"price": "index"}])
def test_without_history_only_the_most_recent_candles_are_there(
    ask: Ask, sandbox_market: Market, params: dict[str, str]
) -> None:
    rows = ask(NOON, lambda client: candles_paged_back(client, "BTC", 300, **params))

    times = sandbox_market.bars["okx", symbol("BTC")].open_time
    assert [row[0] for row in rows] == times[times <= NOON][-1440:].tolist()


@pytest.mark.parametrize(("price", "most"), [("", 300), ("MarkPrice", 100), ("Index", 100)])
@pytest.mark.parametrize("history", ["", "History"])
def test_a_page_of_candles_holds_a_hundred_unless_told_and_has_its_limit(
    ask: Ask, price: str, most: int, history: str
) -> None:
    async def sizes(client: Any) -> list[int]:
        get = getattr(client, f"publicGetMarket{history}{price}Candles")
        request = {"instId": "BTC-USDT" if price == "Index" else "BTC-USDT-SWAP", "bar": "1H"}
        return [len((await get(request | limit))["data"]) for limit in ({}, {"limit": 7}, {"limit": 1000})]

    assert ask(NOON, sizes) == [100, 7, most]


def test_a_span_of_candles_ends_before_its_until_and_begins_at_its_start(ask: Ask) -> None:
    since = NOON - 20 * HOUR_MS
    rows = ask(NOON, lambda client: client.fetch_ohlcv(symbol("BTC"), "1h", since, 50, {"until": NOON}))

    assert [row[0] for row in rows] == list(range(since, NOON, HOUR_MS))


def test_the_newest_candle_is_forming_and_knows_only_the_path_so_far(ask: Ask, sandbox_market: Market) -> None:
    request = {"instId": "BTC-USDT-SWAP", "bar": "1H", "limit": 3}
    rows = ask(BETWEEN, lambda client: client.publicGetMarketCandles(request))["data"]

    key = ("okx", symbol("BTC"))
    index = sandbox_market.bar_index(key, BETWEEN)
    path = [sandbox_market.path(key, index, when) for when in range(NOON, BETWEEN + 1, 60_000)]
    assert [(int(row[0]), row[-1]) for row in rows] == [
        (NOON, "0"), (NOON - HOUR_MS, "1"), (NOON - 2 * HOUR_MS, "1"),
    ]  # fmt: skip
    assert list(map(float, rows[0][1:5])) == [path[0], max(path), min(path), path[-1]]
    assert float(rows[0][6]) < sandbox_market.bars[key].volume[index]


@pytest.mark.parametrize("code", COINS_PER_CONTRACT)
def test_the_volume_of_a_candle_is_told_in_contracts_in_coins_and_in_quote(
    ask: Ask, sandbox_market: Market, code: str
) -> None:
    request = {"instId": f"{code}-USDT-SWAP", "bar": "1H", "after": NOON, "limit": 1}
    row = ask(NOON, lambda client: client.publicGetMarketCandles(request))["data"][0]

    bars = sandbox_market.bars["okx", symbol(code)]
    coins = bars.volume[np.searchsorted(bars.open_time, NOON) - 1]
    assert Decimal(row[5]) * Decimal(COINS_PER_CONTRACT[code]).quantize(Decimal("0.01")) == Decimal(row[6])
    assert float(row[6]) == coins
    assert float(row[7]) == pytest.approx(coins * np.mean([float(price) for price in row[1:5]]))


@given(quantity=st.floats(0, 1e15), exponent=st.integers(-4, 9))
def test_contracts_are_the_same_digits_with_the_point_moved(quantity: float, exponent: int) -> None:
    assert Decimal(contracts(quantity, exponent)).scaleb(exponent) == Decimal(repr(quantity))


@pytest.mark.parametrize("price", ["mark", "index"])
def test_mark_and_index_candles_are_those_of_the_last_price_without_volume(ask: Ask, price: str) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        last = await client.fetch_ohlcv(symbol("BTC"), "1h", None, 5)
        return last, await client.fetch_ohlcv(symbol("BTC"), "1h", None, 5, {"price": price})

    last, other = ask(BETWEEN, both)

    assert [row[:5] for row in other] == [row[:5] for row in last]
    assert [row[5] for row in other] == [None] * 5


def test_the_book_s_first_level_is_the_touch_and_its_sizes_are_contracts(ask: Ask, sandbox_market: Market) -> None:
    async def books(client: Any) -> dict[str, Any]:
        return {symbol: await client.fetch_order_book(symbol, 5) for symbol in await client.load_markets()}

    for name, book in ask(BETWEEN, books).items():
        instrument = next(i for i in sandbox_market.instruments if i.symbol == name)
        mid = sandbox_market.mid(instrument.key, BETWEEN)
        assert (book["bids"][0][0], book["asks"][0][0]) == touch(mid, HALF_SPREAD_BPS, instrument.tick_size)
        assert len(book["bids"]) == len(book["asks"]) == 5
        assert book["timestamp"] == BETWEEN
        quote = book["bids"][0][0] * book["bids"][0][1] * COINS_PER_CONTRACT[name.partition("/")[0]]
        assert 25_000 - book["bids"][0][0] * instrument.lot_step <= quote <= 25_000 * (1 + 1e-12)


def test_a_book_has_one_level_unless_told(ask: Ask) -> None:
    book = ask(BETWEEN, lambda client: client.publicGetMarketBooks({"instId": "BTC-USDT-SWAP"}))["data"][0]

    assert len(book["asks"]) == len(book["bids"]) == 1


def test_tickers_agree_with_the_books(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_tickers(), await client.fetch_order_book(symbol("PEPE"))

    tickers, book = ask(BETWEEN, both)
    ticker = tickers[symbol("PEPE")]

    assert set(tickers) == {symbol(code) for code in COINS_PER_CONTRACT}
    assert [ticker["bid"], ticker["bidVolume"]] == book["bids"][0][:2]
    assert [ticker["ask"], ticker["askVolume"]] == book["asks"][0][:2]


def test_a_ticker_covers_the_last_day_and_counts_volume_in_contracts(ask: Ask, sandbox_market: Market) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_ticker(symbol("DOGE")), (await client.fetch_tickers())[symbol("DOGE")]

    one, among_all = ask(NOON - 1, both)

    bars = sandbox_market.bars["okx", symbol("DOGE")]
    day = (bars.open_time >= NOON - 24 * HOUR_MS) & (bars.open_time < NOON)
    assert one["info"] == among_all["info"]
    assert one["last"] == sandbox_market.mid(("okx", symbol("DOGE")), NOON - 1)
    assert (one["open"], one["high"]) == (bars.open[day][0], bars.high[day].max())
    assert one["baseVolume"] * 1000 == pytest.approx(bars.volume[day].sum(), rel=1e-6)
    assert float(one["info"]["volCcy24h"]) == pytest.approx(bars.volume[day].sum(), rel=1e-6)
    assert float(one["info"]["sodUtc0"]) == bars.open[bars.open_time == NOON - 12 * HOUR_MS][0]
    assert float(one["info"]["sodUtc8"]) == bars.open[bars.open_time == NOON - 20 * HOUR_MS][0]


def test_tickers_are_of_spot_unless_told_which_has_none(ask: Ask) -> None:
    assert ask(NOON, lambda client: client.fetch_tickers(), {}) == {}


def test_open_interest_is_the_volume_of_the_last_day_in_contracts_and_coins(ask: Ask, sandbox_market: Market) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_open_interest(symbol("DOGE")), await client.fetch_open_interests()

    one, every = ask(NOON - 1, both)

    bars = sandbox_market.bars["okx", symbol("DOGE")]
    coins = bars.volume[(bars.open_time >= NOON - 24 * HOUR_MS) & (bars.open_time < NOON)].sum()
    assert set(every) == {symbol(code) for code in COINS_PER_CONTRACT}
    assert one["openInterestAmount"] * 1000 == pytest.approx(coins, rel=1e-6)
    assert one["baseVolume"] == pytest.approx(coins, rel=1e-6)
    assert one["openInterestValue"] == pytest.approx(one["baseVolume"] * float(bars.close[bars.open_time < NOON][-1]))
    assert one["timestamp"] == NOON - 1


def test_mark_prices_are_the_last_ones(ask: Ask, sandbox_market: Market) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_mark_price(symbol("PEPE")), await client.fetch_mark_prices()

    one, every = ask(BETWEEN, both)

    assert one["markPrice"] == every[symbol("PEPE")]["markPrice"]
    for code in COINS_PER_CONTRACT:
        assert every[symbol(code)]["markPrice"] == sandbox_market.mid(("okx", symbol(code)), BETWEEN)


def test_a_gap_shows_an_empty_book_and_the_last_price(ask: Ask, sandbox_market: Market) -> None:
    async def look(client: Any) -> tuple[Any, ...]:
        book, ticker = await client.fetch_order_book(symbol("DOGE")), await client.fetch_ticker(symbol("DOGE"))
        return book, ticker, await client.fetch_ohlcv(symbol("DOGE"), "1h", None, 1)

    book, ticker, candles = ask(IN_GAP, look)

    bars = sandbox_market.bars["okx", symbol("DOGE")]
    last = int(np.searchsorted(bars.open_time, IN_GAP)) - 1
    assert book["bids"] == book["asks"] == []
    assert ticker["bid"] is ticker["ask"] is None
    assert ticker["last"] == bars.close[last]
    assert candles[0][0] == bars.open_time[last]


def test_at_the_market_s_end_the_last_candle_has_closed_and_nothing_trades(ask: Ask, sandbox_market: Market) -> None:
    async def look(client: Any) -> tuple[Any, Any, Any]:
        candles = await client.publicGetMarketCandles({"instId": "BTC-USDT-SWAP", "bar": "1H", "limit": 1})
        book = await client.fetch_order_book(symbol("BTC"))
        return candles["data"][0], book, await client.fetch_funding_rate(symbol("BTC"))

    candle, book, rate = ask(sandbox_market.end_ms, look)

    assert float(candle[4]) == sandbox_market.bars["okx", symbol("BTC")].close[-1]
    assert candle[-1] == "1"
    assert book["bids"] == []
    assert rate["interval"] == "8h" and rate["fundingTimestamp"] > sandbox_market.end_ms
