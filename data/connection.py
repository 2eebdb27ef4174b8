"""One ccxt client per venue, made gentle: where it sends to, when it may, and what its failures are called here.

Used by the gateway alone, `data/exchange.py`.
"""

import asyncio
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt

from data.errors import ConfigurationError, VenueError, VenueRefused, VenueUnreachable
from data.profile import VenueProfile
from data.settings import VenueSettings
from data.throttle import Gate, pause_s

Result = TypeVar("Result")
ATTEMPTS = 3
"""A venue that is down is reported after the third failure."""
_SLOW_DOWN = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)


class Connection:
    """A client and the gate before it. One event loop; `close` when done.

    Reads are repeated after `backoff_s` and twice that; pauses that a venue asks for without saying how long begin at
    twice that too.
    """

    def __init__(
        self, profile: VenueProfile, settings: VenueSettings, *, timeout_s: float, concurrency: int, backoff_s: float
    ) -> None:
        self.name = profile.name
        self.client = _client(ccxt, profile, settings, timeout_s)
        self.timeout_s = timeout_s
        self._profile, self._settings = profile, settings
        self.gate = Gate(profile.name, 2 * backoff_s, settings.patience_s)
        self._patience_s = settings.patience_s
        self._backoff_s = backoff_s
        self._slots = asyncio.Semaphore(concurrency)
        self._send, self._judge = self.client.fetch, self.client.handle_errors
        self.client.fetch, self.client.handle_errors = self._gated, self._judged
        self._weights, self._weigh = profile.weights, self.client.calculate_rate_limiter_cost
        self.client.calculate_rate_limiter_cost = self._weighed

    async def close(self) -> None:
        """Release the sockets."""
        await self.client.close()

    def streaming_client(self) -> Any:
        """A ccxt.pro client of the same venue at the same place, which knows the markets that `client` has loaded and
        asks for nothing else. Whoever takes it closes it."""
        from ccxt import pro  # loaded by who streams alone

        client = _client(pro, self._profile, self._settings, self.timeout_s)
        client.streaming = {**client.streaming, "connectionTimeout": 1000 * math.ceil(self.timeout_s)}
        for table in self.client.options.get("marketHelperProps", ()):
            self.client.options.setdefault(table, None)  # ccxt shares each, also one that it never made
        client.set_markets_from_exchange(self.client)
        return client

    async def ask(self, call: Callable[[], Awaitable[Any]], read: Callable[[Any], Result]) -> Result:
        """One answer, understood by `read`; asked again on network trouble and nonsense, and after pauses that the
        venue asks for. Raises VenueUnreachable, VenueThrottled or VenueRefused."""
        failures, slowed_at = 0, None
        while True:
            try:
                async with self._slots:
                    answer = read(await call())
                self.gate.well()
                return answer
            except _SLOW_DOWN:
                slowed_at = time.monotonic() if slowed_at is None else slowed_at
                self.gate.within_patience(slowed_at)
                continue
            except ccxt.BaseError as error:
                failure, cause = self._translated(error), error
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                # An answer of status 200 that is empty, cut off or of another kind ends somewhere inside ccxt.
                failure, cause = self._nonsense(error), error
            failures += 1
            if failures == ATTEMPTS or not isinstance(failure, VenueUnreachable):
                raise failure from cause
            await asyncio.sleep(self._backoff_s * 2 ** (failures - 1))

    async def charge(self, weight: float) -> None:
        """Count an answer that cost more than its request foretold."""
        if self.client.enableRateLimit and weight > 0:
            await self.client.throttle(weight)

    def _weighed(self, api: Any, method: str, path: str, params: Any, config: Mapping[str, Any] = {}) -> Any:
        """ccxt's cost of a request, from its table or ours; its table is fixed when its classes are made, and a
        configuration does not reach it."""
        return self._weigh(api, method, path, params, {**config, **self._weights.get(path, {})})

    async def _gated(self, *request: Any, **named: Any) -> Any:
        """ccxt's `fetch`, the last step before the wire: behind ccxt's own queue, which goes on during a pause."""
        await self.gate.passage()
        return await self._send(*request, **named)

    def _judged(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, response: Any, *rest: Any
    ) -> Any:
        """ccxt's `handle_errors`, which sees each answer with its own headers: what asks us to slow down shuts the
        gate, and an answer of status 200 must be JSON, since ccxt's parsers read other text as "no rows"."""
        if code == 200 and response is None:
            raise ccxt.BadResponse(f"{method} {url} answered with something that is not JSON")
        try:
            handled = self._judge(code, reason, url, method, headers, body, response, *rest)
            self.client.handle_http_status_code(code, reason, url, method, body)
        except _SLOW_DOWN:
            self.gate.shut(pause_s(headers, body))
            raise
        return handled

    def _nonsense(self, error: Exception) -> VenueUnreachable:
        return VenueUnreachable(
            f"{self.name} gave an answer that makes no sense ({error!r:.150}): try again in a minute"
        )

    def _translated(self, error: ccxt.BaseError) -> VenueError:
        detail = (str(error).splitlines() or [type(error).__name__])[0][:200]
        broken = isinstance(error.__cause__, aiohttp.ClientError)  # a cut body is a bare ExchangeError to ccxt
        if broken or isinstance(error, ccxt.NetworkError | ccxt.OperationFailed | ccxt.BadResponse):
            return VenueUnreachable(
                f"{self.name} cannot be reached ({detail}): check the network, "
                "or try the bot without one by `bot run --paper`"
            )
        return VenueRefused(f"{self.name} refused a request ({detail})")


def _client(library: Any, profile: VenueProfile, settings: VenueSettings, timeout_s: float) -> Any:
    base = None if settings.base_url is None else settings.base_url.rstrip("/")
    client: Any = getattr(library, profile.ccxt_id)(
        {
            "timeout": round(timeout_s * 1000),
            # A server on this machine has no limits to respect.
            "enableRateLimit": not _on_loopback(base) if settings.throttle is None else settings.throttle,
            "has": {"fetchCurrencies": False},  # a request or two that no public data needs
        }
        | dict(profile.ccxt_config)
    )
    client.rateLimit /= settings.budget_share
    client.tokenBucket = None  # made anew from the rate
    client.init_rest_rate_limiter()
    if base is not None:
        client.urls["api"] = _moved(client.urls["api"], base)
    return client


def _on_loopback(base: str | None) -> bool:
    host = urlsplit(base or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _moved(api: Any, base: str) -> Any:
    """The table of addresses with every host replaced by `base`, paths kept."""
    if isinstance(api, str):
        address = urlsplit(api)
        # http becomes ws, and https wss.
        return (base.replace("http", "ws", 1) if address.scheme in ("ws", "wss") else base) + address.path
    if isinstance(api, Mapping):
        return {name: _moved(entry, base) for name, entry in api.items()}
    raise ConfigurationError(f"cannot redirect the address {api!r}")
