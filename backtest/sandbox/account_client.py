"""The control of a sandbox's accounts and distortions from outside, for tests and rehearsals.

Each function takes the sandbox's URL. All raise ConfigurationError with the sandbox's own sentence where it refuses, or
for a URL that is not on this machine, and VenueUnreachable where it does not answer.
"""

from collections.abc import Mapping
from typing import Any

from backtest.sandbox.fault_client import ask


async def true_accounts(url: str) -> dict[str, Any]:
    """{venue: {"cash", "equity", "positions", "orders", "fills", "payments", ...}}, decimals as strings."""
    return await ask(url, "GET", "accounts")


async def happen(url: str, venue: str, kind: str, **event: Any) -> dict[str, Any]:
    """Make an event happen to the account at `venue` (`accounts.events`). Gives that account."""
    return await ask(url, "POST", f"accounts/{venue}", {"kind": kind} | event)


async def distort(url: str, *distortions: Mapping[str, Any]) -> dict[str, Any]:
    """Distort by these and by nothing else (`distortions.Distortion`). Gives {"distortions": [...]}."""
    return await ask(url, "POST", "distortions", {"replace": [dict(distortion) for distortion in distortions]})
