"""What Hyperliquid's sentences, statuses and prices mean. Used by `hyperliquid`; source: hyperliquid.gitbook.io."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.execution.live.steps import exact
from bot.venue_orders import OrderState

DIGITS, DECIMALS = 5, 6
"""A price has at most so many significant digits, and so many decimals less those of the quantity; whole is always
allowed."""
NO_SUCH = ("unknownOid", "Order was never placed, already canceled, or filled")
TOO_LITTLE_TRADED = "Cannot set scheduled cancel time until enough volume traded"


def price_step(lot_step: float, limit: float) -> Decimal:
    """The smallest change of a price near `limit`."""
    decimals = DECIMALS + exact(lot_step).adjusted()
    digits = Decimal(1).scaleb(exact(limit).adjusted() - DIGITS + 1)
    return max(min(digits, Decimal(1)), Decimal(1).scaleb(-decimals))


def code(answer: object) -> str:
    """What an answer that refuses says; sentences that we know are cut to what is always the same in them."""
    if not isinstance(answer, Mapping):
        return ""
    words = str(sentence(answer) or answer.get("status", ""))
    return next((known for known in (*NO_SUCH, TOO_LITTLE_TRADED) if known in words), words)


def state_of(status: str) -> OrderState:
    """Statuses other than the first end with Rejected, Canceled or Cancel; the venue adds some now and then."""
    if status in ("open", "triggered"):
        return OrderState.OPEN
    if status == "filled":
        return OrderState.FILLED
    if status.endswith("ejected"):
        return OrderState.REJECTED
    if status.endswith(("anceled", "Cancel")):
        return OrderState.ENDED
    raise ValueError(f"an order that is {status!r}")


def sentence(answer: Mapping[str, Any]) -> object:
    """The sentence in an answer that refuses."""
    said = answer.get("response")
    if not isinstance(said, Mapping):
        return said
    data = said.get("data")
    statuses = data.get("statuses", []) if isinstance(data, Mapping) else []
    return next((one["error"] for one in statuses if isinstance(one, Mapping) and "error" in one), None)
