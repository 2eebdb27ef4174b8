"""The control of a sandbox's faults from outside, for tests and rehearsals: script them, read what was met and asked.

Each function takes the sandbox's URL. All raise ConfigurationError with the sandbox's own sentence where it refuses, or
for a URL that is not on this machine, and VenueUnreachable where it does not answer.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp

from backtest.sandbox.client import ANSWER_TIMEOUT_S, loopback_only
from backtest.sandbox.faults import Fault
from data.errors import ConfigurationError, VenueUnreachable


async def script_faults(url: str, *faults: Fault | Mapping[str, Any], add: bool = False) -> dict[str, Any]:
    """Script `faults` instead of those that are there, or behind them. Gives what `faults_met` gives."""
    told = [dict(fault) if isinstance(fault, Mapping) else fault.model_dump(mode="json") for fault in faults]
    return await ask(url, "POST", "faults", {"add" if add else "replace": told})


async def clear_faults(url: str) -> dict[str, Any]:
    """Script none; the counts stay. Gives what `faults_met` gives."""
    return await ask(url, "DELETE", "faults")


async def faults_met(url: str) -> dict[str, Any]:
    """{"script": [each fault with `matched` and `struck`], "injected": {venue: {kind: requests}}}."""
    return await ask(url, "GET", "faults")


async def requests_asked(url: str) -> dict[str, Any]:
    """{venue: {"requests", "endpoints": {name: requests}, "refused": {status: requests}, "most_used": {limit: {"used",
    "limit", "seconds"}}}}, since the sandbox started."""
    return await ask(url, "GET", "requests")


async def ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the sandbox's control answers at `/sandbox/PATH`."""
    loopback_only(url)
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, f"{url.rstrip('/')}/sandbox/{path}", json=body) as answer,
        ):
            content: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise ConfigurationError(f"the sandbox refuses: {content['error']}")
            return content
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VenueUnreachable(f"the sandbox at {url} does not answer ({error!r}): start it again") from error
