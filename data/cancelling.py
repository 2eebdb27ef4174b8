"""Ends tasks for certain: one cancellation may be lost. Used by whoever has tasks beside it."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_S = 1.0
"""What closes its connections after the first cancellation is left in peace for so long."""


async def cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel them all and wait until they have ended, however they do: what they raise can be had of them.

    Before Python 3.13 a TaskGroup that ends as one of its tasks has failed drops a cancellation that reaches it in that
    instant, and `wait_for` may where the answer has just come: who cancels once and waits would wait for ever
    (github.com/python/cpython/issues/116720, 86296).
    """
    every = set(tasks)
    left = every
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*every, return_exceptions=True)  # else asyncio logs that nobody heard what they raised
