"""What a client may ask of a venue: a share of its limit, and nothing while the venue asks to slow down.

All clients of a venue in a process have one `Budget`, as the venue counts requests by address. Each has a `Gate` of its
own: a pause that was asked of reading the market must not keep an exit from being tried.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from data.errors import VenueThrottled

_BANNED_UNTIL = re.compile(r"until\D{0,3}(\d{13})")
"""As Binance words a ban (code -1003): milliseconds since 1970."""

REMEMBERED = 100
"""So many times at which a venue asked to slow down are kept."""


class Gate:
    """Shared by all requests to one venue. One event loop.

    The first pause that comes without a length lasts `first_pause_s`; each further one before a good answer, twice the
    last.
    """

    def __init__(self, venue: str, first_pause_s: float, patience_s: float) -> None:
        self._venue = venue
        self._first_pause_s = first_pause_s
        self._patience_s = patience_s
        self._strikes = 0
        self._opens_at = 0.0
        self._told_at: deque[float] = deque(maxlen=REMEMBERED)

    def shut(self, told_s: float | None) -> None:
        """The venue asks to slow down: for `told_s`, or for how long it does not say."""
        now = time.monotonic()
        if now >= self._opens_at:  # answers to requests that were under way are no further strike
            self._strikes += 1
            self._told_at.append(now)
        growing = self._first_pause_s * 2.0 ** (self._strikes - 1)
        self._opens_at = max(self._opens_at, now + (growing if told_s is None else told_s))

    def well(self) -> None:
        """The venue answers again."""
        if time.monotonic() >= self._opens_at:
            self._strikes = 0

    def told_within(self, seconds: float) -> int:
        """How often the venue asked to slow down lately; answers to requests that were under way count once."""
        return sum(time.monotonic() - at < seconds for at in self._told_at)

    async def short_pause(self, patience_s: float) -> None:
        """Return once the gate is open, where that is within `patience_s`; at once where it is not."""
        while 0 < (left := self._opens_at - time.monotonic()) <= patience_s:
            await asyncio.sleep(left)

    def at_once(self) -> None:
        """Return if the gate is open; raises VenueThrottled if not, however short the pause."""
        now = time.monotonic()
        if self._opens_at > now:
            raise VenueThrottled(
                f"{self._venue} asks to slow down for {self._opens_at - now:.1f} s more: nothing was sent, wait for it"
            )

    async def passage(self) -> None:
        """Return once the gate is open. Raises VenueThrottled at once if that takes longer than our patience."""
        while (left := self._opens_at - time.monotonic()) > 0:
            self.within_patience(time.monotonic())
            await asyncio.sleep(left)

    def within_patience(self, since: float) -> None:
        """Raises VenueThrottled if the gate opens later than our patience after `since` (monotonic, s)."""
        if self._opens_at - since > self._patience_s:
            opens = datetime.fromtimestamp(time.time() + self._opens_at - time.monotonic(), UTC)
            raise VenueThrottled(
                f"{self._venue} asks to slow down until {opens:%Y-%m-%d %H:%M:%S} UTC: try again after that, "
                f"or wait for it with data.venues.{self._venue}.patience_s"
            )


class Budget:
    """ccxt's queue, which keeps within `budget_share` of the venue's limit. One event loop."""

    def __init__(self, throttler: Any) -> None:
        """`throttler` is that of the first client."""
        self._throttler = throttler
        self._ahead: set[asyncio.Future[None]] = set()

    async def turn(self, cost: float | None, *, ahead: bool) -> None:
        """Return when a request of this weight may go; those of an account go `ahead` of reads of the market, among
        themselves in the order in which they came."""
        future: asyncio.Future[None] = self._throttler(cost)
        if ahead:
            queue = self._throttler.queue
            queue.insert(sum(one in self._ahead for one, _ in queue), queue.pop())
            self._ahead.add(future)
            future.add_done_callback(self._ahead.discard)
        await future


def pause_s(headers: Mapping[str, str], body: str) -> float | None:
    """For how long an answer asks to stay away, s, as RFC 9110's Retry-After (seconds or a date) or in Binance's words;
    None if it does not say."""
    if banned := _BANNED_UNTIL.search(body):
        return max(int(banned[1]) / 1000 - time.time(), 0.0)
    told = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", told):
        return float(told)
    try:
        return max(parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
