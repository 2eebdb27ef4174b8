"""The sandbox's Hyperliquid, as the stock ccxt client meets it over HTTP."""

from typing import Any

import ccxt.async_support as ccxt
import numpy as np
import pytest

from data.market import Market, touch
from data.types import HOUR_MS
from tests.contract.conftest import Ask, Asking

HALF_SPREAD_BPS = 1.5
NOON = 1_735_689_600_000 + 1000 * HOUR_MS
"""An hour at which all but TON are listed, 1000 hours into the market."""
BETWEEN = NOON + 25 * 60_000
IN_GAP = NOON - 299 * HOUR_MS
LISTED = {f"{code}/USDC:USDC" for code in ("BTC", "INJ", "DOGE", "KPEPE", "SOL")}
SWAPS_ONLY = {"fetchMarkets": {"types": ["swap"]}}


@pytest.fixture
def ask(asking: Asking) -> Ask:
    return asking("hyperliquid", **SWAPS_ONLY)


def test_active_markets_are_what_is_listed_now(ask: Ask) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    assert {symbol for symbol, market in markets.items() if market["active"]} == LISTED


def test_a_contract_keeps_its_place_when_another_is_listed_or_delisted(ask: Ask) -> None:
    early, late = (ask(now, lambda client: client.load_markets()) for now in (NOON - 950 * HOUR_MS, NOON))

    assert "SOL/USDC:USDC" not in early
    assert {symbol: late[symbol]["id"] for symbol in early} == {symbol: early[symbol]["id"] for symbol in early}
    assert early["TON/USDC:USDC"]["active"] and not late["TON/USDC:USDC"]["active"]


def test_the_default_types_of_markets_load_too(ask: Ask) -> None:
    every = ask(NOON, lambda client: client.load_markets(), {"fetchMarkets": {"types": ["spot", "swap", "hip3"]}})

    assert set(every) == set(ask(NOON, lambda client: client.load_markets()))


def test_markets_carry_the_rules_of_the_instruments(ask: Ask, sandbox_market: Market) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    for instrument in (i for i in sandbox_market.listed(NOON) if i.venue == "hyperliquid"):
        rules = markets[instrument.symbol]
        assert rules["linear"] and rules["swap"] and rules["contractSize"] == 1
        assert rules["precision"]["amount"] == instrument.lot_step
        assert rules["precision"]["price"] == instrument.tick_size
        assert rules["limits"]["cost"]["min"] == instrument.min_notional


def test_thousandfold_coins_have_the_venue_s_own_name(ask: Ask) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    assert markets["KPEPE/USDC:USDC"]["baseName"] == "kPEPE"


def test_the_venue_has_market_time_and_is_well(ask: Ask) -> None:
    assert ask(BETWEEN, lambda client: client.fetch_time()) == BETWEEN
    assert ask(BETWEEN, lambda client: client.fetch_status())["status"] == "ok"


def test_the_running_funding_rate_is_the_last_settled_one(ask: Ask, sandbox_market: Market) -> None:
    rates = ask(BETWEEN, lambda client: client.fetch_funding_rates())

    for symbol in LISTED:
        settled = sandbox_market.settlements["hyperliquid", symbol]
        count = int(np.searchsorted(settled.stamp, BETWEEN, side="right"))
        assert rates[symbol]["fundingRate"] == settled.rate[count - 1]
        assert rates[symbol]["markPrice"] == sandbox_market.mid(("hyperliquid", symbol), BETWEEN)


def test_paged_funding_history_is_the_market_s_to_the_last_bit(ask: Ask, sandbox_market: Market) -> None:
    async def page_through(client: Any) -> list[list[dict[str, Any]]]:
        pages: list[list[dict[str, Any]]] = []
        since = 0
        while page := await client.fetch_funding_rate_history("KPEPE/USDC:USDC", since, 500):
            pages.append(page)
            since = page[-1]["timestamp"] + 1
        return pages

    pages = ask(NOON, page_through)

    rows = [row for page in pages for row in page]
    settled = sandbox_market.settlements["hyperliquid", "KPEPE/USDC:USDC"]
    count = int(np.searchsorted(settled.stamp, NOON, side="right"))
    assert [len(page) for page in pages[:2]] == [500, 500]
    assert [row["timestamp"] for row in rows] == settled.stamp[:count].tolist()
    assert [row["fundingRate"] for row in rows] == settled.rate[:count].tolist()


def test_funding_history_includes_both_of_its_ends(ask: Ask, sandbox_market: Market) -> None:
    stamps = sandbox_market.settlements["hyperliquid", "BTC/USDC:USDC"].stamp[100:104]
    rows = ask(
        NOON,
        lambda client: client.fetch_funding_rate_history(
            "BTC/USDC:USDC", int(stamps[0]), 50, {"until": int(stamps[-1])}
        ),
    )

    assert [row["timestamp"] for row in rows] == stamps.tolist()


def test_candles_are_the_market_s_to_the_last_bit_and_end_now(ask: Ask, sandbox_market: Market) -> None:
    rows = np.array(ask(NOON, lambda client: client.fetch_ohlcv("DOGE/USDC:USDC", "1h", 0, 5000)))

    bars = sandbox_market.bars["hyperliquid", "DOGE/USDC:USDC"]
    closed = bars.open_time + HOUR_MS <= NOON
    columns = (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert len(rows) == 998 and rows[-1, 0] == NOON
    assert all(np.array_equal(rows[:-1, index], column[closed]) for index, column in enumerate(columns))


def test_the_last_candle_is_forming_and_knows_only_the_path_so_far(ask: Ask, sandbox_market: Market) -> None:
    key = ("hyperliquid", "BTC/USDC:USDC")
    index = sandbox_market.bar_index(key, BETWEEN)
    path = [sandbox_market.path(key, index, when) for when in range(NOON, BETWEEN + 1, 60_000)]

    rows = ask(BETWEEN, lambda client: client.fetch_ohlcv("BTC/USDC:USDC", "1h", NOON - HOUR_MS))

    assert [row[0] for row in rows] == [NOON - HOUR_MS, NOON]
    assert rows[-1][:5] == [NOON, path[0], max(path), min(path), path[-1]]


def test_candles_end_where_they_are_asked_to(ask: Ask) -> None:
    since = NOON - 10 * HOUR_MS
    rows = ask(NOON, lambda client: client.fetch_ohlcv("BTC/USDC:USDC", "1h", since, 50, {"until": NOON - 1}))

    assert [row[0] for row in rows] == list(range(since, NOON, HOUR_MS))


def test_the_book_s_first_level_is_the_touch(ask: Ask, sandbox_market: Market) -> None:
    async def books(client: Any) -> dict[str, Any]:
        await client.load_markets()
        return {symbol: await client.fetch_order_book(symbol) for symbol in LISTED}

    for symbol, book in ask(BETWEEN, books).items():
        instrument = next(i for i in sandbox_market.instruments if i.key == ("hyperliquid", symbol))
        mid = sandbox_market.mid(instrument.key, BETWEEN)
        assert (book["bids"][0][0], book["asks"][0][0]) == touch(mid, HALF_SPREAD_BPS, instrument.tick_size)
        assert len(book["bids"]) == len(book["asks"]) == 10
        assert book["timestamp"] == BETWEEN


def test_tickers_show_the_touch_and_yesterday_s_price(ask: Ask, sandbox_market: Market) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        symbol = "BTC/USDC:USDC"
        return (await client.fetch_tickers())[symbol], await client.fetch_order_book(symbol)

    ticker, book = ask(BETWEEN, both)

    bars = sandbox_market.bars["hyperliquid", "BTC/USDC:USDC"]
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert ticker["previousClose"] == bars.open[np.searchsorted(bars.open_time, NOON - 23 * HOUR_MS)]


def test_a_gap_shows_an_empty_book_no_mid_and_the_last_price(ask: Ask, sandbox_market: Market) -> None:
    symbol = "DOGE/USDC:USDC"

    async def look(client: Any) -> tuple[Any, ...]:
        ticker, mids = (await client.fetch_tickers())[symbol], await client.publicPostInfo({"type": "allMids"})
        return await client.fetch_order_book(symbol), ticker, mids, await client.fetch_funding_rate(symbol)

    book, ticker, mids, rate = ask(IN_GAP, look)

    bars = sandbox_market.bars["hyperliquid", symbol]
    assert book["bids"] == book["asks"] == []
    assert ticker["bid"] is None and ticker["close"] is None
    assert "DOGE" not in mids and "BTC" in mids
    assert rate["markPrice"] == bars.close[np.searchsorted(bars.open_time, IN_GAP) - 1]


def test_a_delisted_contract_has_history_and_an_empty_book(ask: Ask) -> None:
    async def look(client: Any) -> tuple[Any, Any, Any]:
        symbol = "TON/USDC:USDC"
        history = await client.fetch_funding_rate_history(symbol, 0)
        return history, await client.fetch_order_book(symbol), (await client.fetch_funding_rates())[symbol]

    history, book, rate = ask(NOON, look)

    assert len(history) == 500 and book["bids"] == [] and rate["fundingRate"] == 0


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "l2Book", "coin": "NOPE"},
        {"type": "fundingHistory", "coin": "NOPE", "startTime": 0},
        {"type": "candleSnapshot", "req": {"coin": "NOPE", "interval": "1h", "startTime": 0}},
        {"type": "meta", "dex": "nope"},
    ],
)
def test_an_unknown_coin_is_a_server_error_as_at_the_venue(ask: Ask, request_: dict[str, Any]) -> None:
    with pytest.raises(ccxt.ExchangeNotAvailable, match="500"):
        ask(NOON, lambda client: client.publicPostInfo(request_))


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "nonsense"},
        {},
        {"type": "l2Book"},
        {"type": "fundingHistory", "coin": "BTC"},
        {"type": "fundingHistory", "coin": "BTC", "startTime": "soon"},
        {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m", "startTime": 0}},
        {"type": "candleSnapshot", "coin": "BTC"},
    ],
)
def test_a_malformed_request_is_refused_with_422(ask: Ask, request_: dict[str, Any]) -> None:
    with pytest.raises(ccxt.ExchangeError, match="422"):
        ask(NOON, lambda client: client.publicPostInfo(request_))
