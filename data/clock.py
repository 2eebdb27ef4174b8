"""Market time, passed in: the trader and the collector never ask the operating system what time it is."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What time the market has. Used from one event loop; not thread-safe."""

    async def now_ms(self) -> int:
        """Market time, milliseconds since 1970 UTC."""

    async def sleep_until(self, target_ms: int) -> None:
        """Return once market time is at or past `target_ms`; at once if it already is."""


class WallClock:
    """Market time is real time."""

    async def now_ms(self) -> int:
        """The operating system's time."""
        return time.time_ns() // 1_000_000

    async def sleep_until(self, target_ms: int) -> None:
        """Wait in real time."""
        # Short naps, so that a clock that jumps or a laptop that slept is noticed.
        while (left := target_ms - await self.now_ms()) > 0:
            await asyncio.sleep(min(left / 1000, 5.0))
