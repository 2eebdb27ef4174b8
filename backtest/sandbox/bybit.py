"""The public side of Bybit v5 linear perpetuals, over a `World`: a pure translation of the market into its JSON.

The venue's habits are kept: lists are newest first, a range wider than a page gives its newest part, a page that is too
large is cut without a word, a refusal has status 200. Sources: bybit-exchange.github.io/docs/v5/market, ccxt 4.5.90.

Left out: candles other than hourly ones, trades, contracts that no longer trade. The other categories are empty. The
market has no open interest: the volume of the last 24 hours stands in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from backtest.sandbox.answers import json_response
from backtest.sandbox.bybit_rows import day_fields, kline, levels, price_kline, settlement, touch_fields
from backtest.sandbox.bybit_rules import (
    FUNDING_CAP,
    LINEAR,
    RefusedError,
    category,
    contract,
    invalid,
    page_cursor,
    page_size,
    shown_before,
    symbol_id,
    time_range,
    whole_number,
)
from backtest.sandbox.candles import CandleFeed, FundingFeed
from backtest.sandbox.text import decimal, json_text
from backtest.sandbox.world import World
from data.types import HOUR_MS, Instrument

PREFIX = "/bybit/v5/market"
NAME = "bybit"
MINUTE_MS = 60_000
MAX_KLINES = 1000
MAX_SETTLEMENTS = 200
MAX_CONTRACTS = 1000
MAX_LEVELS = 500
MAX_OPEN_INTERESTS = 200
OPEN_INTEREST_STEPS_MS = {
    "5min": 5 * MINUTE_MS,
    "15min": 15 * MINUTE_MS,
    "30min": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": 24 * HOUR_MS,
}

Query = Mapping[str, str]
Answer = Callable[[Query, int], str]
"""(query, market time) -> JSON text of the result; refuses by RefusedError."""


def routes(world: World) -> list[web.RouteDef]:
    """Every endpoint, all of them GET."""
    venue = BybitMarket(world)
    answers: dict[str, Answer] = {
        "time": venue.time,
        "instruments-info": venue.instruments_info,
        "tickers": venue.tickers,
        "funding/history": venue.funding_history,
        "kline": venue.kline,
        "mark-price-kline": venue.price_kline,
        "index-price-kline": venue.price_kline,
        "orderbook": venue.orderbook,
        "open-interest": venue.open_interest,
    }
    return [web.get(f"{PREFIX}/{path}", _handler(world, answer)) for path, answer in answers.items()]


def _handler(world: World, answer: Answer) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        now = world.now_ms()
        try:
            return json_response(_envelope(now, 0, "OK", answer(request.query, now)))
        except RefusedError as refusal:
            return json_response(_envelope(now, refusal.code, refusal.message, "{}"))

    return handle


class BybitMarket:
    """The endpoints. Each public method takes (query, market time in ms) and gives the JSON of the answer's `result`,
    or raises RefusedError."""

    def __init__(self, world: World) -> None:
        """Over what `world` has of this venue."""
        self._world = world
        market = world.market
        self._by_id = {symbol_id(i): i for i in market.instruments if i.venue == NAME}
        ours = self._by_id.values()
        self._klines = {i.key: CandleFeed(market, i, kline) for i in ours}
        self._price_klines = {i.key: CandleFeed(market, i, price_kline) for i in ours}
        self._funding = {i.key: FundingFeed(market, i, _settlement_of(i)) for i in ours}

    def time(self, query: Query, now: int) -> str:
        """Market time, in seconds and in nanoseconds."""
        return json_text({"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)})

    def instruments_info(self, query: Query, now: int) -> str:
        """Market rules of what trades, by symbol, in pages. A full page names a cursor, even where nothing follows."""
        limit = page_size(query, default=500, most=MAX_CONTRACTS)
        after = shown_before(query)
        trading = query.get("status", "Trading") == "Trading"
        found = sorted(self._asked(query, now), key=symbol_id) if trading else []
        page = [instrument for instrument in found if symbol_id(instrument) > after][:limit]
        cursor = page_cursor(symbol_id(page[0]), symbol_id(page[-1])) if len(page) == limit else ""
        rows = [self._contract(instrument, now) for instrument in page]
        return json_text({"category": category(query), "list": rows, "nextPageCursor": cursor})

    def tickers(self, query: Query, now: int) -> str:
        """Prices, the last 24 hours, best bid and ask, and the running funding rate, for which the last settled one
        stands in."""
        rows = [self._ticker(instrument, now) for instrument in self._asked(query, now)]
        return json_text({"category": category(query), "list": rows})

    def funding_history(self, query: Query, now: int) -> str:
        """Settlements stamped in startTime..endTime and by now: the most recent of them. No startTime alone."""
        instrument = self._instrument(query, now)
        limit = page_size(query, default=MAX_SETTLEMENTS, most=MAX_SETTLEMENTS)
        since, until = time_range(query, "startTime", "endTime")
        if since is not None and until is None:
            raise RefusedError("Time is invalid")
        feed = self._funding[instrument.key]
        first, stop = feed.between(since, until, now)
        rows = feed.rows(max(first, stop - limit), stop)
        return f'{{"category":"{LINEAR}","list":{_newest_first(rows)}}}'

    def kline(self, query: Query, now: int) -> str:
        """Hourly candles of the last price, the last of which may be forming; linear without a category."""
        return self._candles(self._klines, self._instrument(query, now, LINEAR), query, now)

    def price_kline(self, query: Query, now: int) -> str:
        """Hourly candles of the mark or index price, which is the last price here; no volume."""
        return self._candles(self._price_klines, self._instrument(query, now), query, now)

    def orderbook(self, query: Query, now: int) -> str:
        """The order book, `limit` levels of each side; empty in a gap."""
        instrument = self._instrument(query, now)
        limit = page_size(query, default=25, most=MAX_LEVELS)
        book = self._world.book(instrument, now)
        sides = {"a": levels(book.asks[:limit]), "b": levels(book.bids[:limit])}
        stamps = dict.fromkeys(("ts", "u", "seq", "cts"), self._world.stamp(instrument, now))
        return json_text({"s": symbol_id(instrument)} | sides | stamps)

    def open_interest(self, query: Query, now: int) -> str:
        """Open interest at each full interval up to endTime and now, in pages; a startTime alone is ignored."""
        instrument = self._instrument(query, now)
        if (step := OPEN_INTEREST_STEPS_MS.get(query.get("intervalTime", ""))) is None:
            raise RefusedError("params error: intervalTime is invalid")
        limit = page_size(query, default=50, most=MAX_OPEN_INTERESTS)
        since, until = time_range(query, "startTime", "endTime")
        newest = min(now if until is None else until, now)
        if (shown := whole_number(query, "cursor")) is not None:
            newest = min(newest, shown - 1)
        oldest = max(self._launch_ms(instrument), 0 if since is None or until is None else since)
        stamps = range(newest // step * step, oldest - 1, -step)
        page = stamps[:limit]
        feed = self._klines[instrument.key]
        rows = [{"openInterest": decimal(feed.day(at).volume), "timestamp": str(at)} for at in page]
        cursor = str(page[-1]) if len(stamps) > limit else ""
        head = {"symbol": symbol_id(instrument), "category": LINEAR}
        return json_text(head | {"list": rows, "nextPageCursor": cursor})

    def _asked(self, query: Query, now: int) -> Sequence[Instrument]:
        """The one contract that is named, else all that trade; none in the other categories."""
        if query.get("symbol"):
            return (self._instrument(query, now),)
        return self._world.listed(NAME, now) if category(query) == LINEAR else ()

    def _instrument(self, query: Query, now: int, default_category: str = "") -> Instrument:
        asked = category(query, default_category)
        instrument = self._by_id.get(query.get("symbol", "")) if asked == LINEAR else None
        if instrument is None or not self._world.is_listed(instrument, now):
            raise invalid("symbol")
        return instrument

    def _candles(
        self, feeds: Mapping[tuple[str, str], CandleFeed], instrument: Instrument, query: Query, now: int
    ) -> str:
        """The candles from the one that contains `start` to the one that opens by `end`: the newest page of them, or
        the oldest where there is a `start` alone."""
        if query.get("interval") != "60":
            raise RefusedError("Invalid period!")
        limit = page_size(query, default=200, most=MAX_KLINES)
        since, until = time_range(query, "start", "end")
        feed = feeds[instrument.key]
        first, stop = feed.between(None if since is None else since // HOUR_MS * HOUR_MS, until, now)
        if since is not None and until is None:
            stop = min(stop, first + limit)
        rows = _newest_first(feed.rows(max(first, stop - limit), stop, now))
        return f'{{"symbol":"{symbol_id(instrument)}","category":"{LINEAR}","list":{rows}}}'

    def _launch_ms(self, instrument: Instrument) -> int:
        return int(self._world.market.bars[instrument.key].open_time[0]) + HOUR_MS

    def _contract(self, instrument: Instrument, now: int) -> dict[str, Any]:
        hours = self._funding[instrument.key].interval_hours(now)
        return contract(instrument, self._launch_ms(instrument), hours)

    def _ticker(self, instrument: Instrument, now: int) -> dict[str, str]:
        candles, funding = self._klines[instrument.key], self._funding[instrument.key]
        mark = decimal(self._world.mark(instrument, now))
        return {
            "symbol": symbol_id(instrument),
            "lastPrice": decimal(self._world.last(instrument, now)),
            "indexPrice": mark,
            "markPrice": mark,
            "prevPrice1h": decimal(candles.price(now - HOUR_MS)),
            **day_fields(candles.day(now)),
            "fundingRate": decimal(funding.last_rate(now)),
            "nextFundingTime": str(funding.next_time(now)),
            "fundingIntervalHour": str(funding.interval_hours(now)),
            "fundingCap": FUNDING_CAP,
            **touch_fields(self._world.book(instrument, now)),
            **dict.fromkeys(("predictedDeliveryPrice", "basisRate", "deliveryFeeRate", "basis", "basisRateYear"), ""),
            **dict.fromkeys(("preOpenPrice", "preQty", "curPreListingPhase"), ""),
            "deliveryTime": "0",
        }


def _settlement_of(instrument: Instrument) -> Callable[[int, float], str]:
    symbol = symbol_id(instrument)
    return lambda stamp_ms, rate: settlement(symbol, stamp_ms, rate)


def _newest_first(rows: Sequence[str]) -> str:
    return f"[{','.join(reversed(rows))}]"


def _envelope(now: int, code: int, message: str, result: str) -> str:
    head = f'"retCode":{code},"retMsg":{json_text(message)}'
    return f'{{{head},"result":{result},"retExtInfo":{{}},"time":{now}}}'
