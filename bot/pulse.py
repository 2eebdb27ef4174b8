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
    """Whether it has come through its beginning: the market is open, the account assembled."""
    tick: int | None = None
    """The last hour that is complete, market time, ms."""
    run: int | None = None
    """Number of the account in the ledger."""
    training: int | None = None
    """When the cycle that is in progress was due, market time, ms."""
    text: str = ""
    """How it stands, for people."""


@asynccontextmanager
async def beating(pulse: Pulse, pipe: int) -> AsyncIterator[None]:
    """Tell the pulse for as long as the block runs and its event loop turns."""
    os.set_blocking(pipe, False)
    task = asyncio.create_task(_beat(pulse, pipe))
    try:
        yield
    finally:
        task.cancel()
        _tell(pulse, pipe)


async def _beat(pulse: Pulse, pipe: int) -> None:
    while True:
        _tell(pulse, pipe)
        await asyncio.sleep(BEAT_S)


def _tell(pulse: Pulse, pipe: int) -> None:
    with suppress(BlockingIOError, BrokenPipeError):  # nobody listens now
        os.write(pipe, json.dumps(asdict(pulse)).encode() + b"\n")
