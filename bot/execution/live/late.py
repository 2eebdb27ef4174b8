"""An account at a venue that did not answer when the bot started: every call tries to open it first.

Until the venue answers, each read fails like one of a venue that is down, and nothing is sent there: so whoever trades
goes on with the other venues, and takes nothing here for flat. Used by `bot.live`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from bot.alerts import LOG
from bot.execution.live.account import LiveAccount
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, VenueFill, VenueFunding, VenueOrder
from data.errors import VenueError
from data.types import Instrument


class LateAccount:
    """See `execution.account.VenueAccount`. One event loop."""

    def __init__(self, account: LiveAccount) -> None:
        """`account` is not open yet; whoever gives it closes it."""
        self.name = account.name
        self._account = account
        self._wanted: tuple[Sequence[Instrument], float] | None = None
        self._is_open = False
        self._opening = asyncio.Lock()

    async def _opened(self) -> LiveAccount:
        """The account, with its markets, set up as it was wanted. Raises VenueError."""
        async with self._opening:
            if not self._is_open:
                await self._account.load()
                if self._wanted is not None:
                    await self._account.prepare(*self._wanted)
                self._is_open = True
                LOG.warning("%s answers again", self.name)
        return self._account

    def slowed_down(self, seconds: float) -> int:
        """See `VenueAccount.slowed_down`."""
        return self._account.slowed_down(seconds)

    async def place(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.place`; REJECTED, with nothing sent, while the venue does not answer."""
        try:
            account = await self._opened()
        except VenueError as error:
            return OrderReport(OrderState.REJECTED, reason=f"nothing was sent: {error}")
        return await account.place(order)

    async def find(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.find`."""
        return await (await self._opened()).find(order)

    async def cancel(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.cancel`."""
        try:
            account = await self._opened()
        except VenueError as error:
            return OrderReport(OrderState.UNKNOWN, reason=str(error))
        return await account.cancel(order)

    async def cancel_all(self, instruments: Sequence[Instrument]) -> None:
        """See `VenueAccount.cancel_all`."""
        await (await self._opened()).cancel_all(instruments)

    async def open_orders(self, instruments: Sequence[Instrument]) -> Sequence[tuple[str, str]]:
        """See `VenueAccount.open_orders`."""
        return await (await self._opened()).open_orders(instruments)

    async def positions(self) -> Mapping[str, Held]:
        """See `VenueAccount.positions`."""
        return await (await self._opened()).positions()

    async def balance(self) -> Balance:
        """See `VenueAccount.balance`."""
        return await (await self._opened()).balance()

    async def fills(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFill]:
        """See `VenueAccount.fills`."""
        return await (await self._opened()).fills(instruments, since_ms)

    async def funding(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFunding]:
        """See `VenueAccount.funding`."""
        return await (await self._opened()).funding(instruments, since_ms)

    async def standing(self) -> Standing:
        """See `VenueAccount.standing`."""
        return await (await self._opened()).standing()

    async def prepare(self, instruments: Sequence[Instrument], leverage: float) -> None:
        """See `VenueAccount.prepare`; done before anything else once the venue answers."""
        self._wanted = instruments, leverage
        if self._is_open:
            await self._account.prepare(instruments, leverage)

    async def dead_man(self, seconds: float) -> bool:
        """See `VenueAccount.dead_man`."""
        return await (await self._opened()).dead_man(seconds)

    def recognise(self, client_ids: Iterable[str]) -> None:
        """See `VenueAccount.recognise`."""
        self._account.recognise(client_ids)
