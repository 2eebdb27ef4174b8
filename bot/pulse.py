"""What a process of the service is at, told every second to the supervisor that keeps it.

It goes through a pipe that nobody waits for: a supervisor that hangs or a disk that is full stops no trader.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass

BEAT_S = 1.0


@dataclass
class Pulse:
    """Written by who does the work; a process that nobody watches has one too, and nobody reads it."""

    up: bool = False
    """Whether it has come through its beginning, which ends with the first hour that it did: what it loads and compiles
    until then may keep it from giving signs of life."""
    tick: int | None = None
    """The last hour that is complete, market time, ms."""
    run: int | None = None
    """Number of the account in the ledger."""
    training: int | None = None
    """When the cycle that is in progress was due, market time, ms."""
    text: str = ""
    """How it stands, for people."""
    pipe: int | None = None
    """Where it is told; None: nowhere."""

    def tell(self) -> None:
        """At once, without waiting for anybody."""
        if self.pipe is not None:
            with suppress(BlockingIOError, BrokenPipeError):  # nobody listens now
                os.write(self.pipe, json.dumps(asdict(self)).encode() + b"\n")


@asynccontextmanager
async def beating(pulse: Pulse, pipe: int) -> AsyncIterator[None]:
    """Tell the pulse for as long as the block runs and its event loop turns."""
    os.set_blocking(pipe, False)
    pulse.pipe = pipe
    task = asyncio.create_task(_beat(pulse))
    try:
        yield
    finally:
        task.cancel()
        pulse.tell()


async def _beat(pulse: Pulse) -> None:
    while True:
        pulse.tell()
        await asyncio.sleep(BEAT_S)
