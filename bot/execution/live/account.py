"""An account at a venue over HTTP, by stock ccxt: the implementation of `execution.account.VenueAccount`.

Used by live execution, reconciliation, the kill switch and the doctor, each with one of its own.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from backtest.sandbox.client import loopback_only
from bot.execution.live.dialect import Dialect, Ticket
from bot.execution.live.dialects import DIALECTS
from bot.execution.live.steps import exact, inward, plain, whole
from bot.venue_orders import (
    Balance,
    Held,
    OrderReport,
    OrderState,
    Standing,
    Style,
    VenueFill,
    VenueFunding,
    VenueOrder,
)
from data.connection import NONSENSE, Connection
from data.credentials import Credentials
from data.errors import ConfigurationError, OutcomeUnknown, VenueError, VenueRefused, VenueThrottled
from data.readings import tradable
from data.settings import VenueSettings
from data.throttle import Budget
from data.types import Instrument
from data.venues import venue_profile

BACKOFF_S = 0.2
"""The first wait before a read is repeated."""
EXIT_WAITS_S = 5.0
"""The longest pause of a venue's that an order waits for which only reduces."""
SETTLING_S = (0.02, 0.1, 0.3)
"""Waits for a venue that took an order, or a cancel, and does not show what became of it yet."""


class LiveAccount:
    """See `VenueAccount`. One event loop; `async with` loads the venue's markets and closes the connections."""

    def __init__(
        self,
        name: str,
        settings: VenueSettings,
        credentials: Credentials,
        *,
        timeout_s: float,
        concurrency: int = 8,
        backoff_s: float = BACKOFF_S,
        loopback: bool = False,
        budget: Budget | None = None,
    ) -> None:
        """Nothing is sent yet. `budget` is that of the venue's public data, if this process reads it too.

        Raises ConfigurationError for a venue without a dialect and, with `loopback`, for any address that is not on
        this machine.
        """
        if name not in DIALECTS:
            raise ConfigurationError(f"no orders can be sent to {name} yet: choose from {', '.join(sorted(DIALECTS))}")
        self.name = name
        self._profile = venue_profile(name)
        self._connection = Connection(
            self._profile,
            settings,
            timeout_s=timeout_s,
            concurrency=concurrency,
            backoff_s=backoff_s,
            credentials=credentials,
            budget=budget,
        )
        self._client = self._connection.client
        if loopback:
            for address in _addresses(self._client.urls["api"]):
                loopback_only(address)
        self._dialect: Dialect = DIALECTS[name](self._connection, self._profile.quote)
        self._prepared: tuple[Instrument, ...] = ()

    async def __aenter__(self) -> Self:
        """Raises VenueError."""
        try:
            await self.load()
        except BaseException:
            await self._connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def load(self) -> None:
        """Read what the venue lists. Raises VenueError."""
        await self._connection.ask(self._client.load_markets, _some)

    def slowed_down(self, seconds: float) -> int:
        """See `VenueAccount.slowed_down`."""
        return self._connection.gate.told_within(seconds)

    async def place(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.place`. The limit is rounded inward to the tick."""
        if not order.reduce_only:
            return await self._place(order)
        await self._connection.gate.short_pause(EXIT_WAITS_S)
        with self._connection.first():
            return await self._place(order)

    async def _place(self, order: VenueOrder) -> OrderReport:
        try:
            ticket = self._ticket(order)
        except VenueRefused as unlisted:
            return OrderReport(OrderState.REJECTED, reason=str(unlisted))
        try:
            report = self._dialect.created(ticket, await self._dialect.create(ticket))
        except (VenueRefused, VenueThrottled) as refusal:
            return OrderReport(OrderState.REJECTED, reason=str(refusal))
        except OutcomeUnknown as lost:
            return OrderReport(OrderState.UNKNOWN, reason=str(lost))
        except NONSENSE as nonsense:
            return OrderReport(OrderState.UNKNOWN, reason=f"{self.name} answered without sense ({nonsense!r:.150})")
        return await self._settled(ticket, report) if self._dialect.tells_ids_only else report

    async def find(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.find`."""
        return await self._dialect.find(self._ticket(order))

    async def cancel(self, order: VenueOrder) -> OrderReport:
        """See `VenueAccount.cancel`."""
        ticket, taken, words = self._ticket(order), True, ""
        try:
            await self._dialect.cancel(ticket)
        except (VenueRefused, VenueThrottled, OutcomeUnknown) as refusal:
            taken, words = False, str(refusal)
        try:
            found = await self._dialect.find(ticket)
            for wait_s in SETTLING_S if taken else ():
                if found.state is not OrderState.OPEN:
                    break
                await asyncio.sleep(wait_s)
                found = await self._dialect.find(ticket)
        except VenueError as error:
            return OrderReport(OrderState.UNKNOWN, reason=words or str(error))
        if found.state is OrderState.OPEN or (taken and found.state is OrderState.ABSENT):
            return OrderReport(
                OrderState.UNKNOWN,
                found.filled,
                found.average,
                found.venue_id,
                words or f"{self.name} took the cancel and says that the order is {found.state}",
            )
        return found

    async def cancel_all(self, instruments: Sequence[Instrument]) -> None:
        """See `VenueAccount.cancel_all`."""
        await self._dialect.cancel_all(self._markets(instruments))
        left: Sequence[tuple[str, str]] = await self.open_orders(instruments)
        for wait_s in SETTLING_S:
            if not left:
                return
            await asyncio.sleep(wait_s)
            left = await self.open_orders(instruments)
        if left:
            raise OutcomeUnknown(
                f"{self.name} still shows {len(left)} resting orders after it took their cancel: cancel them again"
            )

    async def open_orders(self, instruments: Sequence[Instrument]) -> Sequence[tuple[str, str]]:
        """See `VenueAccount.open_orders`."""
        wanted = _symbols(instruments)
        return [(symbol, client_id) for symbol, client_id in await self._dialect.open_orders() if symbol in wanted]

    async def positions(self) -> Mapping[str, Held]:
        """See `VenueAccount.positions`. Both sides of a contract in hedge mode are added up."""
        held: dict[str, Held] = {}
        for one in await self._dialect.positions():
            held[one.symbol] = _net(held[one.symbol], one) if one.symbol in held else one
        return held

    async def balance(self) -> Balance:
        """See `VenueAccount.balance`."""
        return await self._dialect.balance()

    async def fills(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFill]:
        """See `VenueAccount.fills`."""
        wanted = _symbols(instruments)
        told = await self._dialect.fills(self._markets(instruments), since_ms)
        return sorted((fill for fill in told if fill.symbol in wanted), key=lambda fill: fill.time_ms)

    async def funding(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFunding]:
        """See `VenueAccount.funding`."""
        wanted = _symbols(instruments)
        return [payment for payment in await self._dialect.funding(since_ms) if payment.symbol in wanted]

    async def standing(self) -> Standing:
        """See `VenueAccount.standing`; the fees are those of the first contract that was prepared, or is listed."""
        listed = [market for market in self._client.markets.values() if tradable(market, self._profile)]
        return await self._dialect.standing((self._markets(self._prepared) + listed)[0])

    async def prepare(self, instruments: Sequence[Instrument], leverage: float) -> None:
        """See `VenueAccount.prepare`. Leverage is cut to a whole number, at least 1."""
        await self._dialect.prepare(self._markets(instruments), max(int(leverage), 1))
        self._prepared = tuple(instruments)

    async def dead_man(self, seconds: float) -> bool:
        """See `VenueAccount.dead_man`. Where the venue wants it per contract, for those that were prepared."""
        return await self._dialect.dead_man(self._markets(self._prepared), seconds)

    def recognise(self, client_ids: Iterable[str]) -> None:
        """See `VenueAccount.recognise`."""
        for client_id in client_ids:
            self._dialect.client_id(client_id)

    async def _settled(self, ticket: Ticket, report: OrderReport) -> OrderReport:
        """What became of an order that the venue has taken, and has said no more of."""
        for wait_s in (0.0, *SETTLING_S):
            if wait_s:
                await asyncio.sleep(wait_s)
            try:
                found = await self._dialect.find(ticket)
            except VenueError as error:
                return OrderReport(OrderState.UNKNOWN, venue_id=report.venue_id, reason=str(error))
            rests = found.state is OrderState.OPEN and ticket.order.style is Style.TAKE
            if found.state is not OrderState.ABSENT and not rests:
                return found
        return report if found.state is OrderState.ABSENT else found

    def _ticket(self, order: VenueOrder) -> Ticket:
        instrument, market = order.instrument, self._market(order.instrument)
        size, lot = exact(str(market["contractSize"])), exact(str(market["precision"]["amount"]))
        if (size, size * lot) != (exact(instrument.contract_size), exact(instrument.lot_step)):
            raise ValueError(
                f"{self.name} counts {instrument.symbol} in contracts of {size} and steps of {size * lot}, not "
                f"{instrument.contract_size} and {instrument.lot_step}: read the instruments anew"
            )
        units = whole(order.quantity, instrument.lot_step)
        step = self._dialect.price_step(instrument, order.limit)
        return Ticket(
            order=order,
            market=market,
            client_id=self._dialect.client_id(order.client_id),
            contracts=plain(abs(units) / exact(instrument.contract_size)),
            price=plain(inward(order.limit, step, buys=order.quantity > 0)),
        )

    def _market(self, instrument: Instrument) -> Mapping[str, Any]:
        market: Mapping[str, Any] | None = (self._client.markets or {}).get(instrument.symbol)
        if market is None:
            raise VenueRefused(f"{self.name} lists no {instrument.symbol}: read the instruments anew")
        return market

    def _markets(self, instruments: Iterable[Instrument]) -> list[Mapping[str, Any]]:
        """Without contracts that the venue lists no more: a delisted one must not keep the others from being seen."""
        listed: Mapping[str, Any] = self._client.markets or {}
        return [listed[one.symbol] for one in instruments if one.symbol in listed]


def _symbols(instruments: Iterable[Instrument]) -> set[str]:
    return {instrument.symbol for instrument in instruments}


def _net(one: Held, other: Held) -> Held:
    return Held(one.symbol, one.quantity + other.quantity, one.entry_price, one.mark, one.liquidation_price)


def _addresses(api: Any) -> list[str]:
    return [api] if isinstance(api, str) else [url for entry in api.values() for url in _addresses(entry)]


def _some(answer: Mapping[str, Any]) -> None:
    if not answer:
        raise ValueError("no market at all")
