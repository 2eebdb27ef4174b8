"""What became of an order whose outcome is not known: asked for, never sent again. Used by `desk`."""

import asyncio
import time
from collections.abc import Callable

from bot.execution.account import VenueAccount
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Sent
from bot.order_state import FINAL, advance, filled_by
from bot.venue_orders import OrderReport, OrderState
from data.errors import VenueError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
LOOK_S, MORE_PATIENCE = 2.0, 1.5
"""A question without an answer for so long is asked anew, and then given more time: a leg may stand alone meanwhile."""
SKEW_MS = 60_000
"""A venue may stamp a trade this much earlier than the clock that the order was sent by."""


async def ask(
    account: VenueAccount,
    sent: Sent,
    expected: Callable[[], float],
    settings: ExecutionSettings,
    until: float,
    *,
    has_left: bool = True,
    may_rest: bool = False,
) -> OrderReport:
    """The newest report of an order; one of FINAL unless the time `until` (monotonic, s) came first. With `may_rest`
    it may be OPEN too; otherwise an order that is found resting is cancelled, and asked for again.

    `expected` is the signed position in the contract without what the order is not known to have filled. An order
    counts as ABSENT once the venue's orders, fills and position agree on that for some seconds, if it `has_left` before
    this was called.
    """
    asked_at, pause, patience_s = time.monotonic(), FIRST_PAUSE_S, LOOK_S
    report = sent.report
    settled = FINAL | {OrderState.OPEN} if may_rest else FINAL
    while report.state not in settled:
        found = await _found(account, sent, patience_s, may_rest=may_rest)
        if found.state is OrderState.UNKNOWN:
            patience_s *= MORE_PATIENCE
        if found.state is not OrderState.ABSENT:
            report = advance(report, found)
        elif has_left and time.monotonic() - asked_at >= settings.absent_after_s:
            report = advance(report, await _by_its_trades(account, sent, expected()))
        if report.state in settled or time.monotonic() + pause > until:
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    return report


async def seen(account: VenueAccount, sent: Sent) -> OrderReport:
    """What the venue shows of an order that rests there, by one question; UNKNOWN where it shows none."""
    found = await _found(account, sent, LOOK_S, may_rest=True)
    return OrderReport(OrderState.UNKNOWN) if found.state is OrderState.ABSENT else found


async def _found(account: VenueAccount, sent: Sent, patience_s: float, *, may_rest: bool) -> OrderReport:
    """What the venue says; one that must not rest, or must not rest any more, and does is cancelled."""
    try:
        found = await asyncio.wait_for(account.find(sent.order), patience_s)
        if found.state is OrderState.OPEN and not may_rest:
            return advance(found, await account.cancel(sent.order))
        return found
    except VenueError as error:
        return OrderReport(OrderState.UNKNOWN, reason=str(error))
    except TimeoutError:
        return OrderReport(OrderState.UNKNOWN, reason=f"{account.name} did not say within {patience_s:.2g} s")


async def _by_its_trades(account: VenueAccount, sent: Sent, expected: float) -> OrderReport:
    """Of an order that the venue does not know: ABSENT where its fills and its position agree, else what its fills
    prove."""
    instrument = sent.order.instrument
    try:
        traded = filled_by(sent.order, await account.fills([instrument], sent.sent_ms - SKEW_MS))
        held = (await account.positions()).get(instrument.symbol)
    except VenueError as error:
        return OrderReport(OrderState.UNKNOWN, reason=str(error))
    if traded.filled:
        return traded
    as_before = abs((held.quantity if held else 0.0) - expected) < instrument.lot_step / 2
    return OrderReport(OrderState.ABSENT) if as_before else traded
