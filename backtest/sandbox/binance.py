"""The public side of Binance USD-M futures, over a `World`: a pure translation of the market into the venue's JSON.

Left out: candles other than hourly ones, trades, and fundingRate without a symbol.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from backtest.sandbox.answers import json_response
from backtest.sandbox.binance_rows import kline, levels, price_kline, settlement
from backtest.sandbox.binance_rules import RefusedError, exchange_symbol, integer, required, symbol_id, whole_number
from backtest.sandbox.candles import CandleFeed, FundingFeed
from backtest.sandbox.text import decimal, json_text
from backtest.sandbox.world import World
from data.types import Instrument

PREFIX = "/binance/fapi/v1"
NAME = "binance"
USUAL_INTERVAL_HOURS = 8
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
MAX_KLINES = 1500
MAX_SETTLEMENTS = 1000

Query = Mapping[str, str]
Answer = Callable[[Query, int], str]
"""(query, market time) -> JSON text; refuses by RefusedError."""


def routes(world: World) -> list[web.RouteDef]:
    """Every endpoint, all of them GET; what the venue would refuse is answered with status 400 and its code."""
    venue = BinanceMarket(world)
    answers: dict[str, Answer] = {
        "ping": lambda query, now: "{}",
        "time": lambda query, now: json_text({"serverTime": now}),
        "exchangeInfo": venue.exchange_info,
        "premiumIndex": venue.premium_index,
        "fundingInfo": venue.funding_info,
        "fundingRate": venue.funding_rate,
        "klines": venue.klines,
        "markPriceKlines": venue.mark_price_klines,
        "indexPriceKlines": venue.index_price_klines,
        "openInterest": venue.open_interest,
        "ticker/24hr": venue.ticker_24hr,
        "ticker/bookTicker": venue.book_ticker,
        "depth": venue.depth,
    }
    return [web.get(f"{PREFIX}/{path}", _handler(world, answer)) for path, answer in answers.items()]


def _handler(world: World, answer: Answer) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return json_response(answer(request.query, world.now_ms()))
        except RefusedError as refusal:
            return json_response(json_text({"code": refusal.code, "msg": refusal.message}), status=400)

    return handle


class BinanceMarket:
    """The endpoints. Each public method takes (query, market time in ms) and gives JSON, or raises RefusedError."""

    def __init__(self, world: World) -> None:
        """Over what `world` has of this venue."""
        self._world = world
        self._by_id = {symbol_id(i): i for i in world.market.instruments if i.venue == NAME}
        market = world.market
        self._klines = {i.key: CandleFeed(market, i, kline) for i in self._by_id.values()}
        self._price_klines = {i.key: CandleFeed(market, i, price_kline) for i in self._by_id.values()}
        self._funding = {i.key: FundingFeed(market, i, self._settlement(i)) for i in self._by_id.values()}

    def exchange_info(self, query: Query, now: int) -> str:
        """Market rules of all that is listed."""
        symbols = [
            exchange_symbol(instrument, int(self._world.market.bars[instrument.key].open_time[0]))
            for instrument in self._world.listed(NAME, now)
        ]
        assets = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in sorted({row["quoteAsset"] for row in symbols})
        ]
        answer = {"timezone": "UTC", "serverTime": now, "futuresType": "U_MARGINED"}
        return json_text(answer | {"rateLimits": [], "exchangeFilters": [], "assets": assets, "symbols": symbols})

    def premium_index(self, query: Query, now: int) -> str:
        """Mark and index price and the running funding rate, for which the last settled one stands in."""
        return self._one_or_all(query, now, self._premium)

    def funding_info(self, query: Query, now: int) -> str:
        """The symbols that do not settle every 8 hours."""
        rows = []
        for instrument in self._world.listed(NAME, now):
            hours = self._funding[instrument.key].interval_hours(now)
            if hours != USUAL_INTERVAL_HOURS:
                row = {"symbol": symbol_id(instrument), "adjustedFundingRateCap": "0.02"}
                rows.append(
                    row | {"adjustedFundingRateFloor": "-0.02", "fundingIntervalHours": hours, "disclaimer": False}
                )
        return json_text(rows)

    def funding_rate(self, query: Query, now: int) -> str:
        """Settlements stamped in startTime..endTime and by now, oldest first: the first `limit` of them from
        startTime, or the most recent `limit` without it."""
        feed = self._funding[self._instrument(query, "symbol", now).key]
        limit = integer(query, "limit", default=100, most=MAX_SETTLEMENTS)
        since, until = _time_range(query)
        return feed.page(*_clipped(feed.between(since, until, now), since, limit))

    def klines(self, query: Query, now: int) -> str:
        """Hourly candles of the last price, the last of which may be forming."""
        return self._candles(self._klines, query, "symbol", now)

    def mark_price_klines(self, query: Query, now: int) -> str:
        """Hourly candles of the mark price, which is the last price here; no volume."""
        return self._candles(self._price_klines, query, "symbol", now)

    def index_price_klines(self, query: Query, now: int) -> str:
        """Hourly candles of the index price, which is the last price here; asked for by `pair`."""
        return self._candles(self._price_klines, query, "pair", now)

    def open_interest(self, query: Query, now: int) -> str:
        """Contracts that are open, for which the volume of the last 24 hours stands in."""
        instrument = self._instrument(query, "symbol", now)
        held = decimal(self._klines[instrument.key].day(now).volume)
        return json_text({"symbol": symbol_id(instrument), "openInterest": held, "time": now})

    def ticker_24hr(self, query: Query, now: int) -> str:
        """Change and volume over the last 24 hours."""
        return self._one_or_all(query, now, self._ticker)

    def book_ticker(self, query: Query, now: int) -> str:
        """Best bid and ask; zeros while the book is empty."""
        return self._one_or_all(query, now, self._best)

    def depth(self, query: Query, now: int) -> str:
        """The order book, `limit` levels of each side; empty in a gap."""
        instrument = self._instrument(query, "symbol", now)
        limit = integer(query, "limit", default=500, most=max(DEPTH_LIMITS))
        if limit not in DEPTH_LIMITS:
            raise RefusedError(-4021, f"{limit} is not valid depth limit.")
        book = self._world.book(instrument, now)
        sides = {"bids": levels(book.bids[:limit]), "asks": levels(book.asks[:limit])}
        stamp = self._world.stamp(instrument, now)
        return json_text({"lastUpdateId": stamp, "E": stamp, "T": stamp} | sides)

    def _instrument(self, query: Query, name: str, now: int) -> Instrument:
        instrument = self._by_id.get(required(query, name))
        if instrument is None or not self._world.is_listed(instrument, now):
            raise RefusedError(-1121, "Invalid symbol.")
        return instrument

    def _one_or_all(self, query: Query, now: int, row: Callable[[Instrument, int], dict[str, Any]]) -> str:
        if "symbol" in query:
            return json_text(row(self._instrument(query, "symbol", now), now))
        return json_text([row(instrument, now) for instrument in self._world.listed(NAME, now)])

    def _candles(self, feeds: Mapping[tuple[str, str], CandleFeed], query: Query, name: str, now: int) -> str:
        feed = feeds[self._instrument(query, name, now).key]
        if required(query, "interval") != "1h":
            raise RefusedError(-1120, "Invalid interval.")
        limit = integer(query, "limit", default=500, most=MAX_KLINES)
        since, until = _time_range(query)
        return feed.page(*_clipped(feed.between(since, until, now), since, limit), now)

    def _settlement(self, instrument: Instrument) -> Callable[[int, float], str]:
        candles = self._klines[instrument.key]
        return lambda stamp_ms, rate: settlement(symbol_id(instrument), stamp_ms, rate, candles.price(stamp_ms))

    def _premium(self, instrument: Instrument, now: int) -> dict[str, Any]:
        funding = self._funding[instrument.key]
        price = decimal(self._world.mark(instrument, now))
        return {
            "symbol": symbol_id(instrument),
            "markPrice": price,
            "indexPrice": price,
            "estimatedSettlePrice": price,
            "lastFundingRate": decimal(funding.last_rate(now)),
            "interestRate": "0.0001",
            "nextFundingTime": funding.next_time(now),
            "time": now,
        }

    def _ticker(self, instrument: Instrument, now: int) -> dict[str, Any]:
        day = self._klines[instrument.key].day(now)
        return {
            "symbol": symbol_id(instrument),
            "priceChange": decimal(day.last - day.open),
            "priceChangePercent": decimal(round((day.last / day.open - 1) * 100, 3)),
            "weightedAvgPrice": decimal(day.quote_volume / day.volume if day.volume else day.last),
            "lastPrice": decimal(self._world.last(instrument, now)),
            "lastQty": decimal(instrument.lot_step),
            "openPrice": decimal(day.open),
            "highPrice": decimal(day.high),
            "lowPrice": decimal(day.low),
            "volume": decimal(day.volume),
            "quoteVolume": decimal(day.quote_volume),
            "openTime": day.open_time,
            "closeTime": now,
            "firstId": 1,
            "lastId": max(1, int(day.quote_volume // 1000)),
            "count": max(1, int(day.quote_volume // 1000)),
        }

    def _best(self, instrument: Instrument, now: int) -> dict[str, Any]:
        book = self._world.book(instrument, now)
        bid, ask = (side[0] if side else (0.0, 0.0) for side in (book.bids, book.asks))
        return {
            "symbol": symbol_id(instrument),
            "bidPrice": decimal(bid[0]),
            "bidQty": decimal(bid[1]),
            "askPrice": decimal(ask[0]),
            "askQty": decimal(ask[1]),
            "time": self._world.stamp(instrument, now),
            "lastUpdateId": self._world.stamp(instrument, now),
        }


def _clipped(between: tuple[int, int], since: int | None, limit: int) -> tuple[int, int]:
    """The first `limit` rows if a start was given, else the last `limit`."""
    first, stop = between
    return (max(first, stop - limit), stop) if since is None else (first, min(stop, first + limit))


def _time_range(query: Query) -> tuple[int | None, int | None]:
    since, until = whole_number(query, "startTime"), whole_number(query, "endTime")
    if since is not None and until is not None and since > until:
        raise RefusedError(-1023, "Start time is greater than end time.")
    return since, until
