"""Counts what clients ask of the venues, as the venues' own request limits count it, and refuses what is too much.

Used by `network`. The counts are the evidence that a client is gentle; refusing is switched on by `sandbox.limits`.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from backtest.sandbox.asked import Asked
from backtest.sandbox.refusals import refusal
from backtest.sandbox.venue_limits import LIMITS, Bucket, VenueLimits


class RequestMeter:
    """Requests to every venue since the start. One event loop; not thread-safe."""

    def __init__(self, venues: Sequence[str], real_s: Callable[[], float], *, refuses: bool) -> None:
        """`real_s` gives seconds since 1970, by which limits are measured; without `refuses` it only counts."""
        self._venues = {venue: _VenueMeter(venue, LIMITS.get(venue), real_s, refuses) for venue in venues}

    def charge(self, asked: Asked) -> web.Response | None:
        """Count a request that came in; gives the venue's refusal if it is one too many. Refused ones weigh nothing."""
        return self._venues[asked.venue].charge(asked)

    def answered(self, asked: Asked, answer: web.StreamResponse) -> None:
        """Count what the venue answers: the weight of its rows; tell the weight used in the answer's headers."""
        self._venues[asked.venue].answered(asked, answer)

    def shown(self) -> dict[str, Any]:
        """For each venue: requests, by endpoint too, refusals by status, and for each of its limits the most that was
        used at a time."""
        return {venue: meter.shown() for venue, meter in self._venues.items()}


class _VenueMeter:
    """One venue's."""

    def __init__(self, venue: str, limits: VenueLimits | None, real_s: Callable[[], float], refuses: bool) -> None:
        self._venue = venue
        self._limits = limits
        self._real_s = real_s
        self._refuses = refuses
        self._endpoints: Counter[str] = Counter()
        self._refused: Counter[int] = Counter()
        self._used: dict[Bucket, _Used] = {}
        self._most: dict[str, _Most] = {}
        self._ignored = 0
        self._ban = _Ban(0.0, 0.0)

    def charge(self, asked: Asked) -> web.Response | None:
        self._endpoints[asked.endpoint] += 1
        if (limits := self._limits) is None:
            return None
        now_s = self._real_s()
        if limits.ban_status is not None and now_s < self._ban.until_s:
            return self._refusal(limits, limits.ban_status, self._ban.until_s - now_s)
        bucket, weight = limits.charge(asked)
        used = self._used.setdefault(bucket, _Used(bucket))
        if not self._refuses or used.has_room(now_s, weight):
            self._ignored = 0
            self._weigh(bucket, now_s, weight)
            return None
        if limits.ban_status is not None and self._ignored >= limits.ignored_before_ban:
            length_s = min(max(2 * self._ban.length_s, limits.first_ban_s), limits.longest_ban_s)
            self._ignored, self._ban = 0, _Ban(now_s + length_s, length_s)
            return self._refusal(limits, limits.ban_status, length_s)
        self._ignored += 1
        wait_s = bucket.seconds - now_s % bucket.seconds if bucket.by_the_clock else bucket.seconds
        return self._refusal(limits, limits.status, wait_s)

    def answered(self, asked: Asked, answer: web.StreamResponse) -> None:
        if (limits := self._limits) is None:
            return
        bucket, now_s = limits.charge(asked)[0], self._real_s()
        rows_per_weight = limits.rows_per_weight.get(asked.endpoint)
        if rows_per_weight is not None and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            rows = answer.body.count(b"{")  # each row is a flat object
            self._weigh(bucket, now_s, math.ceil(rows / rows_per_weight))
        if limits.used_header is not None and bucket in self._used:
            answer.headers[limits.used_header] = str(self._used[bucket].now(now_s))

    def shown(self) -> dict[str, Any]:
        return {
            "requests": self._endpoints.total(),
            "endpoints": dict(self._endpoints),
            "refused": {str(status): count for status, count in self._refused.items()},
            "most_used": {name: vars(most) for name, most in self._most.items()},
        }

    def _weigh(self, bucket: Bucket, now_s: float, weight: int) -> None:
        used = self._used[bucket].add(now_s, weight)
        most = self._most.setdefault(bucket.name, _Most(0, bucket.limit, bucket.seconds))
        most.used = max(most.used, used)

    def _refusal(self, limits: VenueLimits, status: int, wait_s: float) -> web.Response:
        self._refused[status] += 1
        answer = refusal(self._venue, status, until_ms=round((self._real_s() + wait_s) * 1000))
        if limits.tells_retry_after:
            answer.headers["Retry-After"] = str(math.ceil(wait_s))
        return answer


class _Used:
    """Weight used in the stretch of time that a bucket counts."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def now(self, now_s: float) -> int:
        seconds = self._bucket.seconds
        begin_s = now_s - (now_s % seconds if self._bucket.by_the_clock else seconds)
        while self._entries and self._entries[0][0] < begin_s:
            self._sum -= self._entries.popleft()[1]
        return self._sum

    def has_room(self, now_s: float, weight: int) -> bool:
        return self.now(now_s) + weight <= self._bucket.limit

    def add(self, now_s: float, weight: int) -> int:
        self._entries.append((now_s, weight))
        self._sum += weight
        return self.now(now_s)


@dataclass
class _Most:
    """The most weight that was used at a time."""

    used: int
    limit: int
    seconds: int


@dataclass(frozen=True)
class _Ban:
    """An IP that is refused everything until then; `length_s` was its length."""

    until_s: float
    length_s: float
