"""The sandbox's Binance USD-M, as the stock ccxt client meets it over HTTP."""

from typing import Any

import ccxt.async_support as ccxt
import numpy as np
import pytest

from data.market import Market, touch
from data.types import HOUR_MS
from tests.contract.conftest import Ask, Asking

HALF_SPREAD_BPS = 0.5
NOON = 1_735_689_600_000 + 1000 * HOUR_MS
"""An hour at which all but TON are listed, 1000 hours into the market."""
BETWEEN = NOON + 25 * 60_000
IN_GAP = NOON - 299 * HOUR_MS


@pytest.fixture
def ask(asking: Asking) -> Ask:
    return asking("binance")


def test_load_markets_gives_what_is_listed_now(ask: Ask) -> None:
    early, late = (set(ask(now, lambda client: client.load_markets())) for now in (NOON - 950 * HOUR_MS, NOON))

    assert early == {f"{code}/USDT:USDT" for code in ("BTC", "INJ", "DOGE", "1000PEPE", "TON")}
    assert late == {f"{code}/USDT:USDT" for code in ("BTC", "INJ", "DOGE", "1000PEPE", "SOL")}


def test_markets_carry_the_rules_of_the_instruments(ask: Ask, sandbox_market: Market) -> None:
    markets = ask(NOON, lambda client: client.load_markets())

    for instrument in (i for i in sandbox_market.listed(NOON) if i.venue == "binance"):
        rules = markets[instrument.symbol]
        assert rules["active"] and rules["linear"] and rules["swap"] and rules["contractSize"] == 1
        assert rules["precision"]["amount"] == rules["limits"]["amount"]["min"] == instrument.lot_step
        assert rules["limits"]["market"]["min"] == instrument.lot_step
        assert rules["precision"]["price"] == instrument.tick_size
        assert rules["limits"]["cost"]["min"] == instrument.min_notional


def test_the_venue_has_market_time(ask: Ask) -> None:
    assert ask(BETWEEN, lambda client: client.fetch_time()) == BETWEEN


def test_the_running_funding_rate_is_the_last_settled_one(ask: Ask, sandbox_market: Market) -> None:
    rates = ask(BETWEEN, lambda client: client.fetch_funding_rates())

    assert set(rates) == {i.symbol for i in sandbox_market.listed(BETWEEN) if i.venue == "binance"}
    for symbol, row in rates.items():
        settled = sandbox_market.settlements["binance", symbol]
        count = int(np.searchsorted(settled.stamp, BETWEEN, side="right"))
        assert row["fundingRate"] == settled.rate[count - 1]
        assert row["fundingTimestamp"] == settled.time[count]
        assert row["markPrice"] == row["indexPrice"] == sandbox_market.mid(("binance", symbol), BETWEEN)


def test_one_symbol_s_funding_rate_equals_its_row_among_all(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_funding_rate("INJ/USDT:USDT"), (await client.fetch_funding_rates())["INJ/USDT:USDT"]

    one, among_all = ask(BETWEEN, both)

    assert one == among_all


def test_intervals_name_only_what_does_not_settle_every_eight_hours(ask: Ask) -> None:
    rows = ask(NOON, lambda client: client.fetch_funding_intervals())

    assert {symbol: row["interval"] for symbol, row in rows.items()} == {"INJ/USDT:USDT": "1h", "DOGE/USDT:USDT": "4h"}


def test_paged_funding_history_is_the_market_s_to_the_last_bit(ask: Ask, sandbox_market: Market) -> None:
    async def page_through(client: Any, limit: int = 300) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        since = 0
        while page := await client.fetch_funding_rate_history("INJ/USDT:USDT", since, limit):
            rows += page
            since = page[-1]["timestamp"] + 1
        return rows

    rows = ask(NOON, page_through)

    settled = sandbox_market.settlements["binance", "INJ/USDT:USDT"]
    count = int(np.searchsorted(settled.stamp, NOON, side="right"))
    assert [row["timestamp"] for row in rows] == settled.stamp[:count].tolist()
    assert [row["fundingRate"] for row in rows] == settled.rate[:count].tolist()


def test_funding_history_without_a_start_is_the_most_recent_hundred(ask: Ask, sandbox_market: Market) -> None:
    rows = ask(NOON, lambda client: client.fetch_funding_rate_history("INJ/USDT:USDT"))

    stamps = sandbox_market.settlements["binance", "INJ/USDT:USDT"].stamp
    assert [row["timestamp"] for row in rows] == stamps[stamps <= NOON][-100:].tolist()


def test_funding_history_ends_where_it_is_asked_to(ask: Ask) -> None:
    until = NOON - 10 * HOUR_MS
    rows = ask(
        NOON,
        lambda client: client.fetch_funding_rate_history("INJ/USDT:USDT", NOON - 20 * HOUR_MS, 50, {"until": until}),
    )

    assert rows and all(NOON - 20 * HOUR_MS <= row["timestamp"] <= until for row in rows)


def test_a_settlement_appears_at_its_stamp_and_not_before(ask: Ask, sandbox_market: Market) -> None:
    settled = sandbox_market.settlements["binance", "INJ/USDT:USDT"]
    stamp = int(settled.stamp[500])

    def latest(now: int) -> Any:
        return ask(now, lambda client: client.fetch_funding_rate_history("INJ/USDT:USDT", None, 1))[0]["timestamp"]

    assert latest(stamp - 1) == settled.stamp[499]
    assert latest(stamp) == stamp


def test_paged_candles_are_the_market_s_to_the_last_bit(ask: Ask, sandbox_market: Market) -> None:
    async def page_through(client: Any, limit: int = 400) -> list[list[float]]:
        rows: list[list[float]] = []
        since = 0
        while since < NOON:
            rows += await client.fetch_ohlcv("DOGE/USDT:USDT", "1h", since, limit, {"until": NOON - 1})
            since = int(rows[-1][0]) + HOUR_MS
        return rows

    rows = np.array(ask(NOON, page_through))

    bars = sandbox_market.bars["binance", "DOGE/USDT:USDT"]
    closed = bars.open_time + HOUR_MS <= NOON
    columns = (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    assert len(rows) == 997
    assert all(np.array_equal(rows[:, index], column[closed]) for index, column in enumerate(columns))


def test_the_last_candle_is_forming_and_knows_only_the_path_so_far(ask: Ask, sandbox_market: Market) -> None:
    key = ("binance", "BTC/USDT:USDT")
    index = sandbox_market.bar_index(key, BETWEEN)
    path = [sandbox_market.path(key, index, when) for when in range(NOON, BETWEEN + 1, 60_000)]

    rows = ask(BETWEEN, lambda client: client.fetch_ohlcv("BTC/USDT:USDT", "1h", None, 3))

    assert [row[0] for row in rows] == [NOON - 2 * HOUR_MS, NOON - HOUR_MS, NOON]
    assert rows[-1][:5] == [NOON, path[0], max(path), min(path), path[-1]]
    assert rows[-1][5] == pytest.approx(sandbox_market.bars[key].volume[index] * 25 / 60)


@pytest.mark.parametrize("price", ["mark", "index"])
def test_mark_and_index_candles_have_the_same_prices_and_no_volume(ask: Ask, price: str) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        last = await client.fetch_ohlcv("BTC/USDT:USDT", "1h", None, 5)
        return last, await client.fetch_ohlcv("BTC/USDT:USDT", "1h", None, 5, {"price": price})

    last, other = ask(BETWEEN, both)

    assert [row[:5] for row in other] == [row[:5] for row in last]
    assert [row[5] for row in other] == [0.0] * 5


def test_the_book_s_first_level_is_the_touch(ask: Ask, sandbox_market: Market) -> None:
    async def books(client: Any) -> dict[str, Any]:
        return {symbol: await client.fetch_order_book(symbol, 5) for symbol in await client.load_markets()}

    for symbol, book in ask(BETWEEN, books).items():
        instrument = next(i for i in sandbox_market.instruments if i.key == ("binance", symbol))
        mid = sandbox_market.mid(instrument.key, BETWEEN)
        bid, ask_price = touch(mid, HALF_SPREAD_BPS, instrument.tick_size)
        assert (book["bids"][0][0], book["asks"][0][0]) == (bid, ask_price)
        assert len(book["bids"]) == len(book["asks"]) == 5
        assert book["timestamp"] == BETWEEN


def test_best_bids_and_asks_agree_with_the_books(ask: Ask) -> None:
    async def both(client: Any) -> tuple[Any, Any, Any]:
        symbol = "1000PEPE/USDT:USDT"
        every, one = await client.fetch_bids_asks(), await client.fetch_bids_asks([symbol])
        return every[symbol], one[symbol], await client.fetch_order_book(symbol)

    among_all, one, book = ask(BETWEEN, both)

    assert [among_all["bid"], among_all["bidVolume"]] == book["bids"][0]
    assert [among_all["ask"], among_all["askVolume"]] == book["asks"][0]
    assert one == among_all


def test_tickers_cover_the_last_day(ask: Ask, sandbox_market: Market) -> None:
    async def both(client: Any) -> tuple[Any, Any]:
        return await client.fetch_tickers(), await client.fetch_ticker("BTC/USDT:USDT")

    every, one = ask(NOON - 1, both)

    bars = sandbox_market.bars["binance", "BTC/USDT:USDT"]
    day = (bars.open_time >= NOON - 24 * HOUR_MS) & (bars.open_time < NOON)
    assert one["info"] == every["BTC/USDT:USDT"]["info"]
    assert one["last"] == sandbox_market.mid(("binance", "BTC/USDT:USDT"), NOON - 1)
    assert (one["open"], one["high"]) == (bars.open[day][0], bars.high[day].max())
    assert one["baseVolume"] == pytest.approx(bars.volume[day].sum(), rel=1e-6)


def test_a_gap_shows_an_empty_book_and_the_last_price(ask: Ask, sandbox_market: Market) -> None:
    symbol = "DOGE/USDT:USDT"

    async def look(client: Any) -> tuple[Any, ...]:
        best = (await client.fetch_bids_asks())[symbol]
        rate = await client.fetch_funding_rate(symbol)
        return await client.fetch_order_book(symbol), best, rate, await client.fetch_ohlcv(symbol, "1h", None, 1)

    book, best, rate, candles = ask(IN_GAP, look)

    bars = sandbox_market.bars["binance", symbol]
    last = int(np.searchsorted(bars.open_time, IN_GAP)) - 1
    assert book["bids"] == book["asks"] == []
    assert not best["bid"] and not best["ask"]
    assert rate["markPrice"] == bars.close[last]
    assert candles[0][0] == bars.open_time[last]


@pytest.mark.parametrize(
    "endpoint", ["Klines", "FundingRate", "Depth", "PremiumIndex", "Ticker24hr", "TickerBookTicker"]
)
@pytest.mark.parametrize("symbol", ["NOPEUSDT", "TONUSDT"])
def test_a_symbol_that_is_not_listed_is_a_bad_symbol(ask: Ask, endpoint: str, symbol: str) -> None:
    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        ask(NOON, lambda client: getattr(client, f"fapiPublicGet{endpoint}")({"symbol": symbol, "interval": "1h"}))


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "-1102"),
        ({"symbol": "BTCUSDT"}, "-1102"),
        ({"symbol": "BTCUSDT", "interval": "5m"}, "-1120"),
        ({"symbol": "BTCUSDT", "interval": "1h", "limit": 1501}, "-1130"),
        ({"symbol": "BTCUSDT", "interval": "1h", "limit": 0}, "-1130"),
        ({"symbol": "BTCUSDT", "interval": "1h", "startTime": -1}, "-1130"),
        ({"symbol": "BTCUSDT", "interval": "1h", "startTime": "soon"}, "-1102"),
        ({"symbol": "BTCUSDT", "interval": "1h", "startTime": 2, "endTime": 1}, "-1023"),
    ],
)
def test_a_bad_parameter_is_refused_with_the_venue_s_code(ask: Ask, params: dict[str, Any], code: str) -> None:
    with pytest.raises(ccxt.ExchangeError, match=code):
        ask(NOON, lambda client: client.fapiPublicGetKlines(params))


def test_a_depth_that_the_venue_does_not_offer_is_refused(ask: Ask) -> None:
    with pytest.raises(ccxt.ExchangeError, match="-4021"):
        ask(NOON, lambda client: client.fetch_order_book("BTC/USDT:USDT", 7))


def test_at_the_market_s_end_the_last_candle_has_closed_and_nothing_trades(ask: Ask, sandbox_market: Market) -> None:
    async def look(client: Any) -> tuple[Any, Any]:
        return await client.fetch_ohlcv("BTC/USDT:USDT", "1h", None, 1), await client.fetch_order_book("BTC/USDT:USDT")

    candles, book = ask(sandbox_market.end_ms, look)

    assert candles[0][4] == sandbox_market.bars["binance", "BTC/USDT:USDT"].close[-1]
    assert book["bids"] == []


def test_open_interest_is_the_last_day_s_volume(ask: Ask, sandbox_market: Market) -> None:
    bars = sandbox_market.bars["binance", "BTC/USDT:USDT"]
    day = (bars.open_time >= NOON - 24 * HOUR_MS) & (bars.open_time < NOON)
    told = ask(NOON - 1, lambda client: client.fetch_open_interest("BTC/USDT:USDT"))

    assert told["openInterestAmount"] == pytest.approx(bars.volume[day].sum(), rel=1e-6)
