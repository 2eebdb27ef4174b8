"""What became of an order whose outcome is not known: asked for, never sent again. Used by `desk`."""

import asyncio
import time
from collections.abc import Callable

from bot.execution.account import VenueAccount
from bot.ledger.journal import Sent
from bot.execution_settings import ExecutionSettings
from bot.venue_orders import OrderReport, OrderState, Style
from data.errors import VenueError

FINAL = frozenset({OrderState.FILLED, OrderState.ENDED, OrderState.REJECTED, OrderState.ABSENT})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
SKEW_MS = 60_000
"""A venue may stamp a trade this much earlier than the clock that the order was sent by."""


async def ask(
    account: VenueAccount, sent: Sent, expected: Callable[[], float], settings: ExecutionSettings, until: float
) -> OrderReport:
    """The newest report of an order; one of FINAL unless the time `until` (monotonic, s) came first.

    `expected` is the signed position in the contract without what the order is not known to have filled. An order
    counts as ABSENT once the venue's orders, fills and position agree on that for some seconds.
    """
    asked_at, pause = time.monotonic(), FIRST_PAUSE_S
    report = sent.report
    while report.state not in FINAL:
        found = await _found(account, sent.told(report))
        if found.state is OrderState.ABSENT:
            settled = time.monotonic() - asked_at >= settings.absent_after_s
            if settled and await _never_was(account, sent, expected()):
                return found
        elif found.state is not OrderState.UNKNOWN:
            report = _newer(report, found)
        if report.state in FINAL or time.monotonic() + pause > until:
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    return report


async def _found(account: VenueAccount, sent: Sent) -> OrderReport:
    """What the venue says; one that takes at once and rests all the same is cancelled."""
    try:
        found = await account.find(sent.order)
        if found.state is OrderState.OPEN and sent.order.style is Style.TAKE:
            return _newer(found, await account.cancel(sent.order))
        return found
    except VenueError as error:
        return OrderReport(OrderState.UNKNOWN, reason=str(error))


async def _never_was(account: VenueAccount, sent: Sent, expected: float) -> bool:
    """Whether the venue's fills and its position prove that nothing of the order was traded."""
    instrument = sent.order.instrument
    try:
        fills = await account.fills([instrument], sent.sent_ms - SKEW_MS)
        held = (await account.positions()).get(instrument.symbol)
    except VenueError:
        return False
    if any(fill.client_id == sent.order.client_id for fill in fills):
        return False
    return abs((held.quantity if held else 0.0) - expected) < instrument.lot_step / 2


def _newer(known: OrderReport, found: OrderReport) -> OrderReport:
    """What a venue has shown filled stays so, whatever a later answer says."""
    if found.state is OrderState.UNKNOWN or abs(found.filled) < abs(known.filled):
        return known
    return found
