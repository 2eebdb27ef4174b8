"""One ccxt client per venue, made gentle: where it sends to, when it may, and what its failures are called here.

Used by the gateways alone: `data/exchange.py` for public data, `bot/execution/live` with the keys of an account.
"""

import asyncio
import hashlib
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
import ccxt.async_support as ccxt
from ccxt.static_dependencies import keccak as sponge
from ccxt.static_dependencies.ethabi import typed_data
from Crypto.Hash import keccak

from data.client import make_client
from data.credentials import Credentials
from data.errors import (
    OutcomeUnknown,
    VenueError,
    VenueNonsense,
    VenueRefused,
    VenueThrottled,
    VenueUnreachable,
)
from data.profile import VenueProfile
from data.settings import VenueSettings
from data.throttle import Budget, Gate, pause_s

Result = TypeVar("Result")
ATTEMPTS = 3
"""A venue that is down is reported after the third failure."""
_SLOW_DOWN = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
_SAYS_NO = (
    ccxt.InsufficientFunds,
    ccxt.InvalidOrder,
    ccxt.AuthenticationError,
    ccxt.BadRequest,
    ccxt.OperationRejected,
)
"""Of an answer to a request that was to change something: it did not. Other classes, as the bare ExchangeError, also
stand for failures inside the venue."""
NONSENSE = (TypeError, ValueError, LookupError, AttributeError)
"""An answer of status 200 that is empty, cut off or of another kind ends so somewhere inside ccxt."""
_URGENT: ContextVar[bool] = ContextVar("urgent", default=False)
KEYS_ADVICE = ": its key is wrong or may not do this; `bot secrets list` says where keys come from"
_QUERY = re.compile(r"(https?://[^\s?]+)\?\S*")


class Connection:
    """A client and what it may ask. One event loop; `close` when done.

    Reads are repeated after `backoff_s` and twice that; pauses that a venue asks for without saying how long begin at
    twice that too.
    """

    def __init__(
        self,
        profile: VenueProfile,
        settings: VenueSettings,
        *,
        timeout_s: float,
        concurrency: int,
        backoff_s: float,
        credentials: Credentials | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`budget` is that of another client of the venue in this process, which is shared; None: one of its own."""
        self.name = profile.name
        self.client = make_client(ccxt, profile, settings, timeout_s)
        self._secrets: tuple[str, ...] = ()
        if credentials is not None:
            self._sign_with(credentials)
        self.timeout_s = timeout_s
        self._profile, self._settings = profile, settings
        self.gate = Gate(profile.name, 2 * backoff_s, settings.patience_s)
        self.budget = Budget(self.client.throttler) if budget is None else budget
        self._patience_s = settings.patience_s
        self._backoff_s = backoff_s
        self._slots = asyncio.Semaphore(concurrency)
        self._send, self._judge = self.client.fetch, self.client.handle_errors
        self.client.fetch, self.client.handle_errors = self._gated, self._judged
        self._dated: tuple[str, float] | None = None
        """The Date of the last answer, and when it came, wall clock, s."""
        self._weights, self._weigh = profile.weights, self.client.calculate_rate_limiter_cost
        self.client.calculate_rate_limiter_cost = self._weighed
        self.client.throttle = self._queued

    async def close(self) -> None:
        """Release the sockets."""
        await self.client.close()

    def streaming_client(self) -> Any:
        """A ccxt.pro client of the same venue at the same place, which knows the markets that `client` has loaded and
        asks for nothing else. Whoever takes it closes it."""
        from ccxt import pro  # loaded by who streams alone

        client = make_client(pro, self._profile, self._settings, self.timeout_s)
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
                self._mend_clock(error)
                failure, cause = self._translated(error), error
            except NONSENSE as error:
                failure, cause = self._nonsense(error), error
            failures += 1
            if failures == ATTEMPTS or not isinstance(failure, VenueUnreachable):
                raise failure from (None if self._secrets else cause)  # ccxt's own words show the signed address
            await asyncio.sleep(self._backoff_s * 2 ** (failures - 1))

    async def send(self, call: Callable[[], Awaitable[Any]], proves: Callable[[object], bool | None]) -> Any:
        """The answer to what changes something at the venue. It is sent once; a second time only where the venue did
        not let it in because of our clock, which is mended first.

        Raises VenueRefused where it certainly had no effect, VenueThrottled where it was not sent or not let in, and
        OutcomeUnknown otherwise. `proves(answer)` knows the venue's codes: whether a refusal proves that nothing was
        done, or None where ccxt's class of it may say.
        """
        self.gate.at_once()
        try:
            return await self._sent(call, proves)
        except _ClockRefused:
            return await self._sent(call, proves)

    @contextmanager
    def first(self) -> Iterator[None]:
        """What is sent within does not stand in the queue: it has the rest of the venue's limit for itself."""
        token = _URGENT.set(True)
        try:
            yield
        finally:
            _URGENT.reset(token)

    async def charge(self, weight: float) -> None:
        """Count an answer that cost more than its request foretold."""
        if self.client.enableRateLimit and weight > 0:
            await self.client.throttle(weight)

    def ahead_ms(self) -> int:
        """The venue's wall clock minus ours, from the Date header (RFC 9110, whole seconds) of its last answer; 0
        where that had none."""
        date, received_s = self._dated or ("", 0.0)
        try:
            # Half a second: seconds are cut, not rounded.
            return round(1000 * (parsedate_to_datetime(date).timestamp() + 0.5 - received_s))
        except ValueError:
            return 0

    async def _sent(self, call: Callable[[], Awaitable[Any]], proves: Callable[[object], bool | None]) -> Any:
        try:
            return await call()
        except ccxt.BaseError as error:
            failure = self._outcome(error, proves)
            if self._mend_clock(error):
                failure = _ClockRefused(str(failure), getattr(error, "answer", None))
        except NONSENSE as error:
            failure = OutcomeUnknown(str(self._nonsense(error)))
        raise failure from None

    def _outcome(self, error: ccxt.BaseError, proves: Callable[[object], bool | None]) -> VenueError:
        """What an error proves about a request that was to change something."""
        words, answer, status = self._words(error), getattr(error, "answer", None), getattr(error, "status", None)
        if isinstance(error, _SLOW_DOWN):
            return VenueThrottled(f"{self.name} asks to slow down and took nothing ({words}): wait, then send again")
        # Without a status, ccxt itself has found the fault before anything was sent.
        proven = status is None or (status < 500 and isinstance(answer, Mapping))
        known = proves(answer)
        if proven and (isinstance(error, _SAYS_NO) if known is None else known):
            return VenueRefused(f"{self.name} refused ({words})", answer)
        return OutcomeUnknown(f"{self.name} gave no answer that proves anything ({words}): ask what became of it")

    def _mend_clock(self, error: ccxt.BaseError) -> bool:
        """True where the venue did not let a request in because of its time stamp; the next one fits."""
        if not isinstance(error, ccxt.InvalidNonce) or not self._secrets:
            return False
        self.client.options["timeDifference"] = -self.ahead_ms()
        return True

    def _sign_with(self, credentials: Credentials) -> None:
        for part, value in credentials.parts.items():
            setattr(self.client, part, value)
        self._secrets = credentials.secrets
        if "privateKey" in credentials.parts:
            _quicken_keccak()
        # At the debug level ccxt would write headers with keys, and addresses with signatures.
        self.client.logger = logging.Logger("ccxt.signed", logging.WARNING)

    def _weighed(self, api: Any, method: str, path: str, params: Any, config: Mapping[str, Any] = {}) -> Any:
        """ccxt's cost of a request, from its table or ours; its table is fixed when its classes are made, and a
        configuration does not reach it."""
        return self._weigh(api, method, path, params, {**config, **self._weights.get(path, {})})

    async def _queued(self, cost: Any = None) -> None:
        """What ccxt awaits before every request."""
        if not _URGENT.get():
            await self.budget.turn(cost, ahead=bool(self._secrets))

    async def _gated(self, *request: Any, **named: Any) -> Any:
        """ccxt's `fetch`, the last step before the wire: behind ccxt's own queue, which goes on during a pause."""
        await self.gate.passage()
        return await self._send(*request, **named)

    def _judged(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, response: Any, *rest: Any
    ) -> Any:
        """ccxt's `handle_errors`, which sees each answer with its own headers: what asks us to slow down shuts the
        gate, and an answer of status 200 must be JSON, since ccxt's parsers read other text as "no rows"."""
        if self._secrets:
            self._dated = next(((told, time.time()) for name, told in headers.items() if name.lower() == "date"), None)
        try:
            if code == 200 and response is None:
                raise ccxt.BadResponse(f"{method} {url} answered with something that is not JSON")
            handled = self._judge(code, reason, url, method, headers, body, response, *rest)
            self.client.handle_http_status_code(code, reason, url, method, body)
        except ccxt.BaseError as error:
            error.status, error.answer = code, response
            if isinstance(error, _SLOW_DOWN):
                self.gate.shut(pause_s(headers, body))
            raise
        return handled

    def _nonsense(self, error: Exception) -> VenueNonsense:
        return VenueNonsense(
            f"{self.name} gave an answer that makes no sense ({self._hidden(repr(error))[:150]}): try again in a minute"
        )

    def _words(self, error: Exception) -> str:
        """The first line of what an error says."""
        return self._hidden((str(error).splitlines() or [type(error).__name__])[0])[:200]

    def _hidden(self, text: str) -> str:
        """`text` without what must be known to nobody: keys, and the signatures in addresses."""
        if self._secrets:
            text = _QUERY.sub(r"\1", text)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _translated(self, error: ccxt.BaseError) -> VenueError:
        detail = self._words(error)
        broken = isinstance(error.__cause__, aiohttp.ClientError)  # a cut body is a bare ExchangeError to ccxt
        if broken or isinstance(error, ccxt.NetworkError | ccxt.OperationFailed | ccxt.BadResponse):
            return VenueUnreachable(
                f"{self.name} cannot be reached ({detail}): check the network, "
                "or try the bot without one by `bot run --paper`"
            )
        advice = KEYS_ADVICE if isinstance(error, ccxt.AuthenticationError) else ""
        return VenueRefused(f"{self.name} refused a request ({detail}){advice}", getattr(error, "answer", None))


class _ClockRefused(VenueRefused):
    """The venue did not let a request in because of its time stamp."""


def _quicken_keccak() -> None:
    """Have ccxt sign with a compiled Keccak-256: an action of Hyperliquid's hashes ten times, which takes 5 ms in the
    Python one that ccxt falls back to where OpenSSL has none (before 3.2)."""
    try:
        hashlib.new("KECCAK-256")
    except ValueError:
        sponge.SHA3 = typed_data.keccak = _keccak


def _keccak(text: bytes) -> bytearray:
    return bytearray(keccak.new(digest_bits=256, data=bytes(text)).digest())
