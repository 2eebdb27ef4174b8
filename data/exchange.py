"""The one gateway to the venues' public data: stock ccxt clients, our own pagers, errors as our own types.

Used by the collector and the paper executor. Everything is in units of the asset, whatever the venue counts in; what
differs between venues is told by their profiles.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from data import pagers, readings
from data.connection import ATTEMPTS, Connection
from data.errors import ConfigurationError, VenueRefused
from data.feed import PriceFeed
from data.fees import fees
from data.profile import FeeTier, PriceKind, VenueProfile
from data.quotes import FundingNow, OrderBook, Quote, depth
from data.settings import VenueSettings
from data.throttle import Budget
from data.types import HOUR_MS, Bars, Instrument, Settlements
from data.venues import venue_profile

__all__ = ["ATTEMPTS", "BACKOFF_S", "FundingNow", "OrderBook", "Quote", "Venue", "depth"]

Result = TypeVar("Result")
BACKOFF_S = 0.5
"""The first wait before a read is repeated."""


class Venue:
    """Public data of one venue. One event loop; `async with` closes the connections.

    Every read raises VenueUnreachable where no sense comes back after some attempts, VenueThrottled where the venue
    asks for a longer pause than our patience, VenueRefused where it says no.
    """

    def __init__(
        self,
        name: str,
        settings: VenueSettings,
        *,
        timeout_s: float,
        concurrency: int,
        backoff_s: float | None = None,
    ) -> None:
        self.name = name
        self.profile: VenueProfile = venue_profile(name)
        self.fees: FeeTier = fees(name, settings)
        if self.profile.spot:
            raise ConfigurationError(
                f"{name} is a spot venue, and spot is not collected yet: leave it out of data.venues "
                "(backtests of recorded or synthetic markets take it)"
            )
        self._connection = Connection(
            self.profile,
            settings,
            timeout_s=timeout_s,
            concurrency=concurrency,
            backoff_s=BACKOFF_S if backoff_s is None else backoff_s,
        )
        self._client = self._connection.client
        self._known_ms = 0
        """The latest time that the venue is known to have reached."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    @property
    def budget(self) -> Budget:
        """What this process may ask of the venue; for its other clients."""
        return self._connection.budget

    def slowed_down(self, seconds: float) -> int:
        """How often the venue asked to slow down within the last so many real seconds."""
        return self._connection.gate.told_within(seconds)

    async def time_ms(self) -> int:
        """The venue's own clock; this machine's where the venue shows none."""
        if self.profile.has_clock:
            self._known_ms = await self._ask(self._client.fetch_time, int)
        else:
            self._known_ms = int(self._client.milliseconds())
        return self._known_ms

    async def instruments(self) -> tuple[Instrument, ...]:
        """The linear perpetuals that trade now in the venue's quote currency, settle, and name their steps."""
        listed = await self._ask(partial(self._client.load_markets, True), readings.markets)
        mine = {symbol: market for symbol, market in listed.items() if readings.tradable(market, self.profile)}
        hours = await self._intervals(mine)
        return tuple(
            readings.instrument(market, self.profile, hours.get(symbol, self.profile.default_interval_hours))
            for symbol, market in mine.items()
            if hours.get(symbol, 1) >= 1
        )

    async def next_settlements(self) -> dict[str, int]:
        """When each contract settles next, ms, by symbol."""
        if self.profile.fixed_interval:
            return dict.fromkeys(await self._symbols(None), await self._next_full_interval())
        rates = await self._rates(None)
        return {symbol: int(row["fundingTimestamp"]) for symbol, row in rates.items() if row["fundingTimestamp"]}

    async def funding_now(self, symbols: Iterable[str] | None = None) -> dict[str, FundingNow]:
        """What each contract (of `symbols`, if given) is about to settle, when, and the interval in force."""
        default = self.profile.default_interval_hours
        next_ms = await self._next_full_interval() if self.profile.fixed_interval else None
        rates = await self._rates(symbols)
        told = await self._interval_table() if self.profile.interval_table else {}
        told = readings.intervals(rates, self.profile) | told
        read = {s: readings.funding_now(row, told.get(s, default), next_ms) for s, row in rates.items()}
        return {symbol: funding for symbol, funding in read.items() if funding is not None}

    async def settlements(self, symbol: str, since_ms: int, until_ms: int | None = None) -> Settlements:
        """Settled funding stamped from `since_ms` to `until_ms` (None: now), oldest first. A venue with a limited
        history gives what it has."""
        return readings.settlements(await self._settlement_pages(symbol, since_ms, until_ms))

    async def candles(self, symbol: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Bars:
        """Hourly candles of a price that open from `since_ms` and have closed by `until_ms`, and by now. Raises
        VenueRefused where the venue has no candles of that price."""
        page = self.profile.page_of(kind)
        if page is None:
            raise VenueRefused(f"{self.name} has no candles of {kind} prices: ask it for those of last prices")
        first = -(-since_ms // HOUR_MS) * HOUR_MS
        end = await self._reached(until_ms) // HOUR_MS * HOUR_MS
        what = f"{self.name} {symbol} {kind} candles"
        if kind in self.profile.newest_only:
            newest = await self._candles(symbol, kind, None, page, {})
            rows = [row for row in newest if first <= row[0] < end]
        else:
            rows = await pagers.hourly(partial(self._candle_page, symbol, kind), first, end, page, what)
        return readings.bars(rows, await self._volume_unit(symbol) if kind == "last" and rows else 0.0)

    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        """The order book now, `levels` deep where it has as many."""
        sizes = self.profile.book_sizes
        asked = next((size for size in sizes if size >= levels), sizes[-1]) if sizes else levels
        size = await self._contract_size(symbol)
        ask = partial(self._client.fetch_order_book, symbol, asked)
        whole = await self._ask(ask, partial(readings.order_book, contract_size=size))
        return OrderBook(whole.bids[:levels], whole.asks[:levels], whole.time_ms)

    async def quotes(self, symbols: Iterable[str] | None = None) -> dict[str, Quote]:
        """The best prices of each contract (of `symbols`, if given) that shows both sides; in one answer, or one per
        contract where the venue has no table of them."""
        wanted = await self._symbols(symbols)
        now = await self.time_ms()
        if self.profile.quotes == "books":
            books = await asyncio.gather(*(self.book(symbol, 1) for symbol in wanted))
            both = [(s, book) for s, book in zip(wanted, books, strict=True) if book.bids and book.asks]
            return {symbol: Quote(book.bids[0][0], book.asks[0][0], now) for symbol, book in both}
        table = self._client.fetch_bids_asks if self.profile.quotes == "bids_asks" else self._client.fetch_tickers
        rows = await self._table(table, wanted)
        read = {symbol: readings.quote(row, now) for symbol, row in rows.items()}
        return {symbol: quote for symbol, quote in read.items() if quote is not None}

    async def feed(self, symbols: Iterable[str]) -> PriceFeed:
        """The best prices of those contracts, where they are listed, by a websocket of their own that is not yet
        opened; close it. Raises VenueRefused where none can be streamed."""
        await self._load()
        listed = [symbol for symbol in symbols if symbol in self._client.markets]
        if self.profile.stream is None or not listed:
            raise VenueRefused(f"{self.name} streams none of these prices: ask for them")
        await self._connection.gate.passage()
        return PriceFeed(self._connection.streaming_client(), self.profile, listed, self._connection.timeout_s)

    async def open_interest(self, symbols: Iterable[str] | None = None) -> dict[str, float]:
        """Open interest in units of the asset, by symbol; of one side where the venue says that it counts both."""
        wanted = await self._symbols(symbols)
        source = self.profile.open_interest.source
        if source == "each":
            rows = await self._each(self._client.fetch_open_interest, wanted)
        else:
            table = self._client.fetch_tickers if source == "tickers" else self._client.fetch_open_interests
            rows = await self._table(table, wanted)
        sizes = {symbol: float(self._client.market(symbol)["contractSize"]) for symbol in rows}
        return {symbol: readings.open_interest(row, self.profile, sizes[symbol]) for symbol, row in rows.items()}

    async def volumes(self) -> dict[str, float]:
        """What was traded in the last 24 hours, in the quote currency, by symbol."""
        rows = await self._table(self._client.fetch_tickers, await self._symbols(None))
        return {symbol: readings.turnover(row, self.profile) for symbol, row in rows.items()}

    async def _settlement_pages(self, symbol: str, since: int, until: int | None) -> list[tuple[int, float]]:
        facts, what = self.profile, f"{self.name} {symbol} settlements"
        if facts.funding_reach_days is not None:
            since = max(since, await self.time_ms() - facts.funding_reach_days * 24 * HOUR_MS)

        async def page(cursor: int | None) -> list[tuple[int, float]]:
            at = None if cursor is None else cursor + facts.funding_cursor_exclusive
            named = {facts.funding_cursor: at, facts.funding_start: since, facts.funding_limit: facts.funding_page}
            params = {name: value for name, value in named.items() if name and value is not None}
            begin = params.pop("since", None)
            ask = partial(self._client.fetch_funding_rate_history, symbol, begin, None, params)
            return await self._long(ask, readings.settlement_rows, "settlements")

        match facts.funding_order:
            case "forward":
                return await pagers.forward(page, since, until, facts.funding_page, what)
            case "backward":
                return await pagers.backward(page, since, until, what)
            case "numbered" | "whole":
                return await pagers.numbered(page, since, until, facts.funding_page, what)

    async def _candle_page(self, symbol: str, kind: PriceKind, begin: int, end: int) -> list[tuple[float, ...]]:
        number = (end - begin) // HOUR_MS if self.profile.candle_limit else None
        params = {"until": end - 1} if self.profile.candle_end else {}
        return await self._candles(symbol, kind, begin, number, params)

    async def _candles(
        self, symbol: str, kind: PriceKind, begin: int | None, number: int | None, params: Mapping[str, Any]
    ) -> list[tuple[float, ...]]:
        price = {} if kind == "last" else {"price": kind}
        ask = partial(self._client.fetch_ohlcv, symbol, "1h", begin, number, {**params, **price})
        return await self._long(ask, readings.candle_rows, "candles")

    async def _volume_unit(self, symbol: str) -> float:
        contracts = await self._contract_size(symbol) if self.profile.volume_in_contracts else 1.0
        return contracts * self.profile.volume_share

    async def _contract_size(self, symbol: str) -> float:
        await self._load()
        return await self._ask(partial(_now, self._client.market, symbol), lambda market: float(market["contractSize"]))

    async def _load(self) -> None:
        if not self._client.markets:
            await self._ask(self._client.load_markets, readings.markets)

    async def _symbols(self, asked: Iterable[str] | None) -> list[str]:
        """Those that are asked for, or all that trade."""
        await self._load()
        if asked is not None:
            return list(asked)
        listed: Mapping[str, Any] = self._client.markets
        return [symbol for symbol, market in listed.items() if readings.tradable(market, self.profile)]

    async def _reached(self, until: int) -> int:
        """`until`, but no later than the venue's time."""
        return until if until <= self._known_ms else min(until, await self.time_ms())

    async def _next_full_interval(self) -> int:
        interval = self.profile.default_interval_hours * HOUR_MS
        return (await self.time_ms() // interval + 1) * interval

    async def _rates(self, symbols: Iterable[str] | None) -> dict[str, Any]:
        wanted = await self._symbols(symbols)
        match self.profile.funding_rates:
            case "each":
                return await self._each(self._client.fetch_funding_rate, wanted)
            case "raw":
                return await self._table(self._raw_rates, wanted, {})
            case "all":
                return await self._table(self._client.fetch_funding_rates, wanted, self.profile.funding_rates_params)

    async def _raw_rates(self, _: None, params: Mapping[str, object]) -> Any:
        """The rates of all contracts where ccxt asks for one at a time, read by its own parser."""
        path, weight = self.profile.funding_rates_path, {"cost": 2}
        answer = await self._client.request(path, ["contract", "public"], "GET", params, weight)
        return self._client.parse_funding_rates(answer["data"])

    async def _interval_table(self) -> dict[str, int]:
        return await self._ask(self._client.fetch_funding_intervals, partial(readings.intervals, profile=self.profile))

    async def _intervals(self, mine: Mapping[str, Any]) -> dict[str, int]:
        """Hours between settlements as announced now, of the contracts whose interval is told."""
        if self.profile.fixed_interval:
            return {}
        if raw := self.profile.market_interval:
            return {symbol: int(market["info"][raw]) for symbol, market in mine.items() if market["info"].get(raw)}
        if self.profile.interval_table:
            return await self._interval_table()
        return readings.intervals(await self._rates(mine), self.profile)

    async def _table(
        self, call: Callable[..., Awaitable[Any]], wanted: Sequence[str], params: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """One answer for all contracts, cut down to those that are wanted."""
        told = self.profile.tickers_params if params is None else params
        rows = await self._ask(partial(call, None, dict(told)), _some)
        return {symbol: rows[symbol] for symbol in wanted if symbol in rows}

    async def _each(self, call: Callable[..., Awaitable[Any]], wanted: Sequence[str]) -> dict[str, Any]:
        """One answer per contract; a contract that the venue refuses alone is left out."""
        asked = (self._ask(partial(call, symbol), dict) for symbol in wanted)
        rows = await asyncio.gather(*asked, return_exceptions=True)
        for row in rows:
            if isinstance(row, BaseException) and not isinstance(row, VenueRefused):
                raise row
        return {s: row for s, row in zip(wanted, rows, strict=True) if not isinstance(row, BaseException)}

    async def _long(
        self, call: Callable[[], Awaitable[Any]], read: Callable[[Any], list[Result]], what: str
    ) -> list[Result]:
        """An answer whose length may add to what it costs."""
        rows = await self._ask(call, read)
        await self._connection.charge(len(rows) // self.profile.rows_per_weight.get(what, len(rows) + 1))
        return rows

    async def _ask(self, call: Callable[[], Awaitable[Any]], read: Callable[[Any], Result]) -> Result:
        return await self._connection.ask(call, read)


async def _now(call: Callable[..., Any], *given: Any) -> Any:
    return call(*given)


def _some(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if not answer:
        raise ValueError("an empty table")
    return answer
