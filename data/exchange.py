"""The one gateway to the venues' public data: stock ccxt clients, our own pagers, errors as our own types.

Used by the collector and the paper executor. Nothing else of the data floor imports ccxt.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import ccxt.async_support as ccxt
import numpy as np

from data.errors import ConfigurationError, VenueError, VenueRefused, VenueThrottled, VenueUnreachable
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements
from data.venues import VenueProfile, venue_profile

Result = TypeVar("Result")
ATTEMPTS = 3
BACKOFF_S = 0.5
"""Reads are repeated after 0.5 s and 1 s; a venue that is down is reported after the third failure."""


@dataclass(frozen=True)
class OrderBook:
    """Levels as (price in quote, quantity in units of the asset), best first; empty while nothing trades."""

    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]

    @property
    def mid(self) -> float:
        """Half way between the best bid and ask; NaN for a one-sided book."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else math.nan


class Venue:
    """Public data of one venue. One event loop; `async with` closes the connections."""

    def __init__(self, name: str, settings: VenueSettings, *, timeout_s: float, concurrency: int) -> None:
        self.name = name
        self.profile: VenueProfile = venue_profile(name)
        if self.profile.spot:
            raise ConfigurationError(
                f"{name} is a spot venue, and spot is not collected yet: leave it out of data.venues "
                "(backtests of recorded or synthetic markets take it)"
            )
        local = settings.base_url is not None
        self._client: Any = getattr(ccxt, self.profile.ccxt_id)(
            {
                "timeout": round(timeout_s * 1000),
                "enableRateLimit": not local,  # a local sandbox has no limits to respect
            }
            | self.profile.ccxt_config
        )
        if settings.base_url is not None:
            self._client.urls["api"] = _moved(self._client.urls["api"], settings.base_url.rstrip("/"))
        # ccxt hands the text of an answer that is not JSON to its parsers, which read it as "no rows".
        self._client.handle_errors = partial(_json_only, self._client.handle_errors)
        self._slots = asyncio.Semaphore(concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def time_ms(self) -> int:
        """The venue's own clock."""
        return await self._ask(self._client.fetch_time, int)

    async def instruments(self) -> tuple[Instrument, ...]:
        """The linear perpetuals that trade now in the venue's quote currency."""
        intervals: dict[str, int] = {}
        markets = await self._ask(partial(self._client.load_markets, True), _not_empty)
        if not self.profile.fixed_interval:
            intervals = await self._ask(self._client.fetch_funding_intervals, _intervals)
        return tuple(
            Instrument(
                venue=self.name,
                symbol=market["symbol"],
                asset=Asset.parse(market["base"]),
                quote=market["quote"],
                lot_step=float(market["precision"]["amount"]),
                tick_size=float(market["precision"]["price"]),
                min_notional=float(market["limits"]["cost"]["min"] or self.profile.min_notional),
                interval_hours=intervals.get(market["symbol"], self.profile.default_interval_hours),
            )
            for market in markets.values()
            if market["swap"] and market["linear"] and market["active"] and intervals.get(market["symbol"], 1) >= 1
            and market["quote"] == market["settle"] == self.profile.quote and market["contractSize"] == 1
        )  # fmt: skip

    async def next_settlements(self) -> dict[str, int]:
        """When each contract settles next, ms, by symbol: one request for all."""
        if self.profile.fixed_interval:
            interval = self.profile.default_interval_hours * HOUR_MS
            following = (await self.time_ms() // interval + 1) * interval
            return dict.fromkeys(self._client.markets or {}, following)
        return await self._ask(self._client.fetch_funding_rates, _settlement_times)

    async def settlements(self, symbol: str, since_ms: int) -> Settlements:
        """Settled funding from `since_ms` to now, oldest first, by our own forward pager."""
        page = self.profile.funding_page
        rows: list[tuple[int, float]] = []
        cursor = since_ms
        while True:
            ask = partial(self._client.fetch_funding_rate_history, symbol, cursor, page)
            answer = await self._ask(ask, _settlement_rows)
            rows += answer
            if len(answer) < page:
                break
            cursor = rows[-1][0] + 1
        stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
        time = (stamps + HOUR_MS // 2) // HOUR_MS * HOUR_MS
        return Settlements(time, stamps - time, np.array([rate for _, rate in rows], dtype=np.float64))

    async def candles(self, symbol: str, since_ms: int, until_ms: int) -> Bars:
        """Hourly candles that open from `since_ms` and have closed by `until_ms`, by our own forward pager."""
        page = self.profile.candle_page
        rows: list[list[float]] = []
        cursor = since_ms
        while cursor < until_ms:
            ask = partial(self._client.fetch_ohlcv, symbol, "1h", cursor, page, {"until": until_ms - 1})
            answer = await self._ask(ask, _candle_rows)
            rows += answer
            if len(answer) < page:
                break
            cursor = int(rows[-1][0]) + HOUR_MS
        closed = np.array([row for row in rows if row[0] + HOUR_MS <= until_ms], dtype=np.float64).reshape(-1, 6)
        return Bars(closed[:, 0].astype(np.int64), *closed[:, 1:].T.copy())

    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        """The order book now, `levels` deep."""
        return await self._ask(partial(self._client.fetch_order_book, symbol, levels), _order_book)

    async def _ask(self, call: Callable[[], Awaitable[Any]], read: Callable[[Any], Result]) -> Result:
        """One answer, understood by `read`; asked again on network trouble and nonsense. ccxt's errors become ours."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._slots:
                    return read(await call())
            except ccxt.BaseError as error:
                failure, cause = self._translated(error), error
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                # An answer of status 200 that is empty, cut off or of another kind ends somewhere inside ccxt.
                failure, cause = self._nonsense(error), error
            if attempt == ATTEMPTS or not isinstance(failure, VenueUnreachable):
                raise failure from cause
            await asyncio.sleep(BACKOFF_S * attempt)
        raise AssertionError("unreachable")

    def _nonsense(self, error: Exception) -> VenueUnreachable:
        return VenueUnreachable(
            f"{self.name} gave an answer that makes no sense ({error!r:.150}): try again in a minute"
        )

    def _translated(self, error: ccxt.BaseError) -> VenueError:
        detail = str(error).splitlines()[0][:200]
        if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            return VenueThrottled(f"{self.name} asks to slow down ({detail}): wait a few minutes and try again")
        if isinstance(error, ccxt.NetworkError | ccxt.OperationFailed | ccxt.BadResponse):
            return VenueUnreachable(
                f"{self.name} cannot be reached ({detail}): check the network, "
                "or try the bot without one by `bot run --paper`"
            )
        return VenueRefused(f"{self.name} refused a request ({detail})")


def _json_only(
    handle: Callable[..., Any], code: int, reason: str, url: str, method: str, headers: Any, body: str, response: Any,
    *rest: Any,
) -> Any:  # fmt: skip
    """ccxt's `handle_errors`, but an answer of status 200 must be JSON."""
    if code == 200 and response is None:
        raise ccxt.BadResponse(f"{method} {url} answered with something that is not JSON")
    return handle(code, reason, url, method, headers, body, response, *rest)


def _not_empty(markets: Mapping[str, Any]) -> Mapping[str, Any]:
    if not markets:
        raise ValueError("no market at all")
    return markets


def _intervals(listed: Mapping[str, Any]) -> dict[str, int]:
    return {symbol: int(row["interval"].rstrip("h")) for symbol, row in listed.items() if row["interval"]}


def _settlement_times(rates: Mapping[str, Any]) -> dict[str, int]:
    return {symbol: int(row["fundingTimestamp"]) for symbol, row in rates.items() if row["fundingTimestamp"]}


def _settlement_rows(answer: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    return [(int(row["timestamp"]), float(row["fundingRate"])) for row in answer]


def _candle_rows(answer: Sequence[Sequence[Any]]) -> list[list[float]]:
    # A price that is missing is kept as NaN: the lake leaves out that row alone, and says so.
    return [[math.nan if number is None else float(number) for number in row] for row in answer]


def _order_book(answer: Mapping[str, Any]) -> OrderBook:
    bids, asks = (tuple((float(price), float(size)) for price, size, *_ in answer[side]) for side in ("bids", "asks"))
    return OrderBook(bids, asks)


def _moved(api: Any, base: str) -> Any:
    """The table of addresses with every host replaced by `base`, paths kept."""
    if isinstance(api, str):
        return base + urlsplit(api).path
    if isinstance(api, Mapping):
        return {name: _moved(entry, base) for name, entry in api.items()}
    raise ConfigurationError(f"cannot redirect the address {api!r}")
