"""The public side of OKX v5, USDT-margined swaps, over a `World`: a pure translation of the market into its JSON.

Sizes are in contracts, lists come newest first, `after` asks for older rows and `before` for newer ones, both without
the row at that time. Checked against okx.com/docs-v5 of 2025-26 in published copies, and what ccxt's issues report.
Left out: other kinds of instruments (their lists are empty), candles other than hourly ones, trades, the full book.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from aiohttp import web

from backtest.sandbox.answers import json_response
from backtest.sandbox.candles import DAY_MS, CandleFeed, FundingFeed
from backtest.sandbox.okx_rows import (
    candle_of,
    last_day,
    levels,
    price_candle,
    price_text,
    running_rate,
    settlement_of,
    touch,
)
from backtest.sandbox.okx_rules import (
    RefusedError,
    contract_exponent,
    contracts,
    index_id,
    instrument_id,
    instrument_row,
    instrument_type,
    page_size,
    required,
    unknown_instrument,
    whole_number,
    wrong,
)
from backtest.sandbox.text import decimal, json_text
from backtest.sandbox.world import World
from data.types import HOUR_MS, Instrument

PREFIX = "/okx/api/v5"
NAME = "okx"
RECENT_CANDLES = 1440
"""How far back the endpoints without `history` in their name go."""
MAX_CANDLES = 300
MAX_PRICE_CANDLES = 100
MAX_SETTLEMENTS = 400
DEFAULT_CANDLES = 100
FUNDING_HISTORY_MS = 90 * DAY_MS
"""Three months, says the venue."""
MAX_DEPTH = 400
EAST_MS = 8 * HOUR_MS
"""The venue's second day begins at midnight in UTC+8."""

Query = Mapping[str, str]
Answer = Callable[[Query, int], str]
"""(query, market time) -> JSON list, the `data` of the envelope; refuses by RefusedError."""


def routes(world: World) -> list[web.RouteDef]:
    """Every endpoint, all of them GET; what the venue would refuse has its code in the envelope."""
    venue = OkxMarket(world)
    answers: dict[str, Answer] = {
        "public/time": lambda query, now: json_text([{"ts": str(now)}]),
        "public/instruments": venue.instruments,
        "public/funding-rate": venue.funding_rate,
        "public/funding-rate-history": venue.funding_rate_history,
        "public/open-interest": venue.open_interest,
        "public/mark-price": venue.mark_price,
        "market/tickers": venue.tickers,
        "market/ticker": venue.ticker,
        "market/books": venue.books,
        "market/candles": venue.candles("last"),
        "market/history-candles": venue.candles("last", history=True),
        "market/mark-price-candles": venue.candles("mark"),
        "market/history-mark-price-candles": venue.candles("mark", history=True),
        "market/index-candles": venue.candles("index"),
        "market/history-index-candles": venue.candles("index", history=True),
    }
    return [web.get(f"{PREFIX}/{path}", _handler(world, answer)) for path, answer in answers.items()]


def _handler(world: World, answer: Answer) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return json_response(f'{{"code":"0","data":{answer(request.query, world.now_ms())},"msg":""}}')
        except RefusedError as refusal:
            body = {"code": refusal.code, "data": [], "msg": refusal.message}
            return json_response(json_text(body), status=refusal.status)

    return handle


class OkxMarket:
    """The endpoints. Each public method takes (query, market time in ms) and gives a JSON list, or raises
    RefusedError."""

    def __init__(self, world: World) -> None:
        """Over what `world` has of this venue."""
        self._world = world
        market = world.market
        ours = [i for i in market.instruments if i.venue == NAME]
        self._codes = {i.key: number for number, i in enumerate(ours, 1)}
        self._by_id = {instrument_id(i): i for i in ours}
        self._by_index = {index_id(i): i for i in ours}
        self._exponent = {i.key: contract_exponent(i) for i in ours}
        self._candles = {i.key: CandleFeed(market, i, candle_of(self._exponent[i.key])) for i in ours}
        self._price_candles = {i.key: CandleFeed(market, i, price_candle) for i in ours}
        self._funding = {i.key: FundingFeed(market, i, settlement_of(instrument_id(i))) for i in ours}

    def instruments(self, query: Query, now: int) -> str:
        """Contract sizes and market rules of all that is listed; `uly` and `instFamily` restrict them."""
        bars = self._world.market.bars
        return json_text(
            [
                instrument_row(one, self._codes[one.key], int(bars[one.key].open_time[0]))
                for one in self._asked(query, now)
            ]
        )

    def funding_rate(self, query: Query, now: int) -> str:
        """The running rate, for which the last settled one stands in, and when this and the next period settle; ANY
        is every contract."""
        if required(query, "instId") == "ANY":
            return json_text([self._rate(instrument, now) for instrument in self._world.listed(NAME, now)])
        return json_text([self._rate(self._instrument(query, now), now)])

    def funding_rate_history(self, query: Query, now: int) -> str:
        """Settlements of the last three months."""
        feed = self._funding[self._instrument(query, now).key]
        first, stop = _page(query, feed, now, most=MAX_SETTLEMENTS, default=MAX_SETTLEMENTS)
        oldest = feed.between(now - FUNDING_HISTORY_MS, None, now)[0]
        return _newest_first(feed.rows(max(first, oldest), stop))

    def open_interest(self, query: Query, now: int) -> str:
        """Open interest, for which the volume of the last day stands in."""
        return json_text([self._open_interest(instrument, now) for instrument in self._asked(query, now)])

    def mark_price(self, query: Query, now: int) -> str:
        """The mark price, which is the last price here; instType may be missing if instId is there."""
        named = [self._instrument(query, now)] if "instId" in query else self._asked(query, now)
        return json_text(
            [
                {"instId": instrument_id(one), "instType": "SWAP", "markPx": self._price(one, now), "ts": str(now)}
                for one in named
            ]
        )

    def tickers(self, query: Query, now: int) -> str:
        """Best bid and ask, and the last 24 hours, of every contract."""
        return json_text([self._ticker(instrument, now) for instrument in self._asked(query, now)])

    def ticker(self, query: Query, now: int) -> str:
        """The same of one contract."""
        return json_text([self._ticker(self._instrument(query, now), now)])

    def books(self, query: Query, now: int) -> str:
        """The order book, `sz` levels of each side (one unless told); empty in a gap."""
        instrument = self._instrument(query, now)
        size = whole_number(query, "sz")
        if size is not None and not 1 <= size <= MAX_DEPTH:
            raise wrong("sz")
        book, exponent = self._world.book(instrument, now), self._exponent[instrument.key]
        sides = {"asks": book.asks, "bids": book.bids}
        shown = {name: levels(side[: size or 1], exponent) for name, side in sides.items()}
        stamp = self._world.stamp(instrument, now)
        return json_text([shown | {"ts": str(stamp), "seqId": stamp}])

    def candles(self, price: Literal["last", "mark", "index"], *, history: bool = False) -> Answer:
        """Hourly candles of a price, the newest of which may be forming; mark and index are the last price here and
        have no volume, the index has a name of its own. Without `history` only the most recent 1,440."""
        feeds = self._candles if price == "last" else self._price_candles
        named = self._by_index if price == "index" else self._by_id
        most = MAX_CANDLES if price == "last" else MAX_PRICE_CANDLES

        def answer(query: Query, now: int) -> str:
            feed = feeds[self._listed(named.get(required(query, "instId")), now).key]
            if query.get("bar", "1m") != "1H":
                raise wrong("bar")
            first, stop = _page(query, feed, now, default=DEFAULT_CANDLES, most=most)
            oldest = 0 if history else feed.between(None, None, now)[1] - RECENT_CANDLES
            return _newest_first(feed.rows(max(first, oldest), stop, now))

        return answer

    def _instrument(self, query: Query, now: int) -> Instrument:
        return self._listed(self._by_id.get(required(query, "instId")), now)

    def _listed(self, instrument: Instrument | None, now: int) -> Instrument:
        if instrument is None or not self._world.is_listed(instrument, now):
            raise unknown_instrument()
        return instrument

    def _asked(self, query: Query, now: int) -> list[Instrument]:
        """What a query by type, and possibly by family or name, means: nothing but swaps is here."""
        swaps = instrument_type(query) == "SWAP"
        if "instId" in query:
            if not swaps:
                raise unknown_instrument()
            return [self._instrument(query, now)]
        family = query.get("instFamily") or query.get("uly")
        listed = self._world.listed(NAME, now) if swaps else ()
        return [instrument for instrument in listed if family in (None, index_id(instrument))]

    def _price(self, instrument: Instrument, now: int) -> str:
        return decimal(self._world.mark(instrument, now))

    def _rate(self, instrument: Instrument, now: int) -> dict[str, str]:
        funding = self._funding[instrument.key]
        due = funding.next_time(now)
        next_due = due + funding.interval_hours(due) * HOUR_MS
        return running_rate(instrument_id(instrument), funding.last_rate(now), due, next_due) | {"ts": str(now)}

    def _open_interest(self, instrument: Instrument, now: int) -> dict[str, str]:
        day = self._candles[instrument.key].day(now)
        return {
            "instId": instrument_id(instrument),
            "instType": "SWAP",
            "oi": contracts(day.volume, self._exponent[instrument.key]),
            "oiCcy": decimal(day.volume),
            "oiUsd": decimal(day.volume * day.last),
            "ts": str(now),
        }

    def _ticker(self, instrument: Instrument, now: int) -> dict[str, str]:
        feed, exponent = self._candles[instrument.key], self._exponent[instrument.key]
        midnight, eastern = now // DAY_MS * DAY_MS, (now + EAST_MS) // DAY_MS * DAY_MS - EAST_MS
        stamp = self._world.stamp(instrument, now)
        names = {"instType": "SWAP", "instId": instrument_id(instrument), "ts": str(stamp)}
        starts = {"sodUtc0": price_text(feed.price(midnight)), "sodUtc8": price_text(feed.price(eastern))}
        last = {"lastSz": contracts(instrument.lot_step, exponent)}
        return (
            names
            | last
            | last_day(feed.day(now), exponent)
            | touch(self._world.book(instrument, now), exponent)
            | starts
        )


def _page(query: Query, feed: CandleFeed | FundingFeed, now: int, *, default: int, most: int) -> tuple[int, int]:
    """(first, stop) of the newest rows between the cursors: also with `before` alone, as the venue has it."""
    before, after = whole_number(query, "before"), whole_number(query, "after")
    since, until = None if before is None else before + 1, None if after is None else after - 1
    first, stop = feed.between(since, until, now)
    return max(first, stop - page_size(query, default=default, most=most)), stop


def _newest_first(rows: list[str]) -> str:
    return f"[{','.join(reversed(rows))}]"
