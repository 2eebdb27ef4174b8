"""The public side of Hyperliquid, over a `World`: one endpoint, POST /info, that answers by the `type` of the request.

Left out: spot pairs and builder-deployed venues (both lists are empty), trades, and candles other than hourly ones.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from backtest.sandbox.answers import json_response
from backtest.sandbox.book import Level
from backtest.sandbox.candles import Candle, CandleFeed, FundingFeed
from backtest.sandbox.hyperliquid_request import (
    MalformedError,
    Request,
    UnknownCoinError,
    optional_time,
    parsed,
    text,
    time_of,
)
from backtest.sandbox.hyperliquid_universe import MAX_LEVERAGE, NAME, Universe, coin_of
from backtest.sandbox.text import decimal, decimals, json_text
from backtest.sandbox.world import World
from data.types import HOUR_MS, Instrument

PATH = "/hyperliquid/info"
FUNDING_PAGE = 500
CANDLE_PAGE = 5000
BOOK_LEVELS = 20
USDC = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "isCanonical": True, "fullName": None}

Answer = Callable[[Request, int], str]
"""(request, market time) -> JSON text; raises MalformedError or UnknownCoinError."""


def routes(world: World, account: Mapping[str, Answer] | None = None) -> list[web.RouteDef]:
    """The one endpoint; `account` are the answers by type that are about an account."""
    venue = HyperliquidMarket(world)
    answers: dict[str, Answer] = {
        "meta": venue.meta,
        "metaAndAssetCtxs": venue.meta_and_contexts,
        "allMids": venue.all_mids,
        "fundingHistory": venue.funding_history,
        "candleSnapshot": venue.candle_snapshot,
        "l2Book": venue.l2_book,
        "exchangeStatus": lambda asked, now: json_text({"time": now, "specialStatuses": None}),
        "spotMeta": lambda asked, now: json_text({"universe": [], "tokens": [USDC]}),
        "spotMetaAndAssetCtxs": lambda asked, now: json_text([{"universe": [], "tokens": [USDC]}, []]),
        "perpDexs": lambda asked, now: "[null]",
    } | dict(account or {})

    async def info(request: web.Request) -> web.Response:
        try:
            asked = parsed(await request.read())
            answer = answers.get(text(asked, "type"), _no_such_type)
            return json_response(answer(asked, world.now_ms()))
        except MalformedError:
            return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")
        except UnknownCoinError:
            return json_response("null", status=500)

    return [web.post(PATH, info)]


class HyperliquidMarket:
    """The types of request. Each public method takes (request, market time in ms) and answers in JSON text; all raise
    MalformedError, and those for one coin UnknownCoinError."""

    def __init__(self, world: World) -> None:
        """Over what `world` has of this venue."""
        self._world = world
        market = world.market
        self._universe = Universe(world)
        self._candles = {i.key: CandleFeed(market, i, _candle_of(i)) for i in self._universe.contracts}
        self._funding = {i.key: FundingFeed(market, i, _settlement_of(i)) for i in self._universe.contracts}

    def meta(self, asked: Request, now: int) -> str:
        """The universe of contracts; what is no longer listed stays in it, marked."""
        check_dex(asked)
        return json_text(self._meta(now))

    def meta_and_contexts(self, asked: Request, now: int) -> str:
        """The universe, and for each contract its prices and the running funding rate, for which the last settled one
        stands in."""
        check_dex(asked)
        contexts = [self._context(instrument, now) for instrument in self._universe.known(now)]
        return json_text([self._meta(now), contexts])

    def all_mids(self, asked: Request, now: int) -> str:
        """Mid prices by coin, of those that have one."""
        check_dex(asked)
        books = {coin_of(i): self._world.book(i, now) for i in self._world.listed(NAME, now)}
        return json_text({coin: _mid(book.bids[0], book.asks[0]) for coin, book in books.items() if book.bids})

    def funding_history(self, asked: Request, now: int) -> str:
        """Settlements stamped in startTime..endTime and by now: the first 500, oldest first."""
        feed = self._funding[self._instrument(asked, now).key]
        first, stop = feed.between(time_of(asked, "startTime"), optional_time(asked, "endTime"), now)
        return feed.page(first, min(stop, first + FUNDING_PAGE))

    def candle_snapshot(self, asked: Request, now: int) -> str:
        """Hourly candles that open in startTime..endTime and by now, of the most recent 5000; the last may form."""
        wanted = asked.get("req")
        if not isinstance(wanted, dict) or wanted.get("interval") != "1h":
            raise MalformedError
        feed = self._candles[self._instrument(wanted, now).key]
        first, stop = feed.between(time_of(wanted, "startTime"), optional_time(wanted, "endTime"), now)
        oldest = feed.between(None, None, now)[1] - CANDLE_PAGE
        return feed.page(max(first, oldest), stop, now)

    def l2_book(self, asked: Request, now: int) -> str:
        """The order book, at most 20 levels of each side; empty in a gap."""
        instrument = self._instrument(asked, now)
        listed = self._world.is_listed(instrument, now)
        book = self._world.book(instrument, now) if listed else None
        sides = [_levels(book.bids), _levels(book.asks)] if book else [[], []]
        return json_text({"coin": coin_of(instrument), "time": self._world.stamp(instrument, now), "levels": sides})

    def _instrument(self, asked: Request, now: int) -> Instrument:
        instrument = self._universe.named(text(asked, "coin"), now)
        if instrument is None:
            raise UnknownCoinError
        return instrument

    def _meta(self, now: int) -> dict[str, Any]:
        universe = []
        for instrument in self._universe.known(now):
            row = {
                "szDecimals": decimals(instrument.lot_step),
                "name": coin_of(instrument),
                "maxLeverage": MAX_LEVERAGE,
            }
            delisted = {} if self._world.is_listed(instrument, now) else {"isDelisted": True}
            universe.append(row | {"marginTableId": MAX_LEVERAGE} | delisted)
        return {"universe": universe, "marginTables": [], "collateralToken": 0}

    def _context(self, instrument: Instrument, now: int) -> dict[str, Any]:
        listed = self._world.is_listed(instrument, now)
        book = self._world.book(instrument, now) if listed else None
        day, price = self._candles[instrument.key].day(now), decimal(self._world.mark(instrument, now))
        context: dict[str, Any] = {
            "funding": decimal(self._funding[instrument.key].last_rate(now) if listed else 0.0),
            "openInterest": decimal(day.volume),
            "prevDayPx": decimal(day.open),
            "dayNtlVlm": decimal(day.quote_volume),
            "premium": None,
            "oraclePx": price,
            "markPx": price,
            "midPx": None,
            "impactPxs": None,
            "dayBaseVlm": decimal(day.volume),
        }
        if book and book.bids:
            bid, ask = book.bids[0], book.asks[0]
            context |= {"premium": "0.0", "midPx": _mid(bid, ask), "impactPxs": [decimal(bid[0]), decimal(ask[0])]}
        return context


def check_dex(asked: Request) -> None:
    """Only the venue's own contracts are here, so any other `dex` is unknown; raises UnknownCoinError."""
    if asked.get("dex"):
        raise UnknownCoinError


def _no_such_type(asked: Request, now: int) -> str:
    raise MalformedError


def _candle_of(instrument: Instrument) -> Callable[[Candle], str]:
    coin = coin_of(instrument)

    def render(candle: Candle) -> str:
        return (
            f'{{"t":{candle.open_time},"T":{candle.open_time + HOUR_MS - 1},"s":"{coin}","i":"1h",'
            f'"o":"{decimal(candle.open)}","c":"{decimal(candle.close)}","h":"{decimal(candle.high)}",'
            f'"l":"{decimal(candle.low)}","v":"{decimal(candle.volume)}","n":{candle.trades}}}'
        )

    return render


def _settlement_of(instrument: Instrument) -> Callable[[int, float], str]:
    coin = coin_of(instrument)

    def render(stamp_ms: int, rate: float) -> str:
        return f'{{"coin":"{coin}","fundingRate":"{decimal(rate)}","premium":"0.0","time":{stamp_ms}}}'

    return render


def _mid(bid: Level, ask: Level) -> str:
    return decimal((bid[0] + ask[0]) / 2)


def _levels(side: tuple[Level, ...]) -> list[dict[str, Any]]:
    return [{"px": decimal(price), "sz": decimal(size), "n": 1} for price, size in side[:BOOK_LEVELS]]
