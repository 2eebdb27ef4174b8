"""What a client asks of a venue, as faults and request limits see it: a path below the venue's, its type if it has one.

Used by `network`, `fault_script` and `limits`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

TYPED = frozenset({"hyperliquid"})
"""Venues that answer at one path for all, by the `type` in the body."""
BATCHES = ("orders", "cancels", "modifies")
"""What an action lists."""


@dataclass(frozen=True)
class Asked:
    """One request to a venue."""

    venue: str
    method: str
    endpoint: str
    """The path below the venue's own, e.g. fapi/v1/klines; with the type where that decides, e.g. info/l2Book."""
    query: Mapping[str, str]
    batch: int = 0
    """Orders, cancels or changes in one request, where they are in the body of a typed one."""
    opens_stream: bool = False
    """Whether it asks for a websocket."""

    def fits(self, pattern: str) -> bool:
        """Whether the endpoint, or its last parts, match a pattern of shell wildcards: `klines` is fapi/v1/klines and
        not fapi/v1/markPriceKlines, which `*Klines` is."""
        return fnmatchcase(self.endpoint, pattern) or fnmatchcase(self.endpoint, f"*/{pattern}")


async def asked_of(request: web.Request) -> Asked:
    """What `request`, whose path begins with the venue's name, asks. Reads the body only where the type is in it."""
    venue, _, endpoint = request.path.lstrip("/").partition("/")
    if venue not in TYPED or request.method != "POST":
        opens_stream = request.headers.get("Upgrade", "").lower() == "websocket"
        return Asked(venue, request.method, endpoint, request.query, opens_stream=opens_stream)
    told = _told(await request.read())
    kind = told.get("type")
    batch = max((len(told[name]) for name in BATCHES if isinstance(told.get(name), list)), default=0)
    endpoint = f"{endpoint}/{kind if isinstance(kind, str) else 'unknown'}"
    return Asked(venue, request.method, endpoint, request.query, batch)


def _told(body: bytes) -> Mapping[str, Any]:
    """The request, or the action in it; empty if it is neither."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    if isinstance(content, dict) and isinstance(action := content.get("action"), dict):
        return action
    return content if isinstance(content, dict) else {}
