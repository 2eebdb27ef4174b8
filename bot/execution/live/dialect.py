"""What the venues' dialects have in common: an order in a venue's own words, and what each dialect must know to say.

`account` speaks through one of these; `binance`, `hyperliquid`, `bybit` and `okx` are them.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, TypeVar

from bot.execution.live.steps import exact
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, VenueFill, VenueFunding, VenueOrder
from data.connection import Connection
from data.errors import VenueRefused
from data.types import Instrument

Result = TypeVar("Result")
Json = Any
"""Parsed JSON; ccxt leaves its numbers as the venue's text."""
_OURS = re.compile(r"[A-Za-z0-9]{1,32}")
VALID_MS = 5000
"""An order that arrives later than this after it was signed is refused by its venue: what counts as never received
cannot fill after its pair was unwound."""


@dataclass(frozen=True)
class Ticket:
    """An order as its venue knows it."""

    order: VenueOrder
    market: Mapping[str, Any]
    """As ccxt lists it."""
    client_id: str
    contracts: str
    price: str

    @property
    def buys(self) -> bool:
        """False: it sells."""
        return self.order.quantity > 0

    def report(
        self, state: OrderState, contracts: str | Decimal, average: str | None, venue_id: str, reason: str = ""
    ) -> OrderReport:
        """What the venue said, in units of the asset; raises ValueError for numbers that are none."""
        filled = exact(str(contracts)) * exact(str(self.market["contractSize"]))
        price = float(exact(average or "0")) if filled else 0.0
        return OrderReport(state, float(filled if self.buys else -filled), price, venue_id, reason)

    def compare(self, told: str | None) -> None:
        """Raises ValueError where the venue speaks of another order."""
        if told != self.client_id:
            raise ValueError(f"asked for the order {self.client_id}, told of {told!r}")


class Dialect(ABC):
    """One venue's words for what `VenueAccount` promises. Reads are repeated; sends are not."""

    proves_nothing: ClassVar[frozenset[str]] = frozenset()
    """Codes of refusals after which the order may be there all the same: failures inside, and duplicate ids."""
    says_no: ClassVar[frozenset[str]] = frozenset()
    """Codes of refusals that are certain, although ccxt has no class for them."""
    absent: ClassVar[frozenset[str]] = frozenset()
    """Codes of "no such order"."""
    already_so: ClassVar[frozenset[str]] = frozenset()
    """Codes of "this is set already"."""
    tells_ids_only = False
    """True where a new order's answer does not say what it filled."""
    options: ClassVar[Mapping[str, object]] = {}
    """Of the ccxt class."""

    def __init__(self, connection: Connection, quote: str) -> None:
        """Nothing is sent yet. `quote` is the currency that positions settle in."""
        self.connection = connection
        self.client = connection.client
        self.client.options.update(self.options)
        self.quote = quote

    @abstractmethod
    def code(self, answer: object) -> str:
        """The venue's code in an answer that refuses; empty if there is none."""

    def client_id(self, ours: str) -> str:
        """How the venue writes a client id of ours."""
        return ours

    def ours(self, told: str | None) -> str:
        """A client id as we write it; empty where it cannot be one of ours."""
        return told if told and _OURS.fullmatch(told) else ""

    def price_step(self, instrument: Instrument, limit: float) -> Decimal:
        """The smallest change of a price near `limit`."""
        return exact(instrument.tick_size)

    @abstractmethod
    async def create(self, ticket: Ticket) -> Json:
        """Send it, once; raises as `Connection.send`."""

    @abstractmethod
    def created(self, ticket: Ticket, answer: Json) -> OrderReport:
        """What the answer to `create` says; raises as reading nonsense does."""

    @abstractmethod
    async def find(self, ticket: Ticket) -> OrderReport:
        """What the venue knows of it by its client id; ABSENT where it knows none."""

    @abstractmethod
    async def cancel(self, ticket: Ticket) -> None:
        """Cancel what rests of it; raises as `Connection.send`."""

    @abstractmethod
    async def cancel_all(self, markets: Sequence[Mapping[str, Any]]) -> None:
        """Cancel what rests in these markets; raises as `Connection.send`."""

    @abstractmethod
    async def open_orders(self) -> list[tuple[str, str]]:
        """(symbol, client id) of all that rests."""

    @abstractmethod
    async def positions(self) -> list[Held]:
        """All that is held."""

    @abstractmethod
    async def balance(self) -> Balance:
        """Money in the quote currency."""

    @abstractmethod
    async def fills(self, markets: Sequence[Mapping[str, Any]], since_ms: int) -> list[VenueFill]:
        """All trades of these markets from then on, and perhaps of others, oldest first within each."""

    @abstractmethod
    async def funding(self, since_ms: int) -> list[VenueFunding]:
        """All payments from then on, oldest first."""

    @abstractmethod
    async def standing(self, market: Mapping[str, Any]) -> Standing:
        """How the account is set up, with the fees of one market."""

    @abstractmethod
    async def prepare(self, markets: Sequence[Mapping[str, Any]], leverage: int) -> None:
        """One-way, cross, leverage; raises as `Connection.send`."""

    @abstractmethod
    async def dead_man(self, markets: Sequence[Mapping[str, Any]], seconds: float) -> bool:
        """See `VenueAccount.dead_man`."""

    async def ask(self, call: Callable[..., Awaitable[Any]], params: Json, read: Callable[[Any], Result]) -> Result:
        """A read, repeated."""
        return await self.connection.ask(partial(call, params), read)

    async def send(self, call: Callable[..., Awaitable[Any]], params: Json) -> Json:
        """A change, sent once."""
        return await self.connection.send(partial(call, params), self.proves)

    def proves(self, answer: object) -> bool | None:
        """Whether a refusal proves that nothing was done; None where its class says."""
        code = self.code(answer)
        return True if code in self.says_no else False if code in self.proves_nothing else None

    async def send_unless(self, call: Callable[..., Awaitable[Any]], params: Json, harmless: frozenset[str]) -> None:
        """A change, sent once, of which some refusals mean that it is so already."""
        try:
            await self.send(call, params)
        except VenueRefused as refusal:
            if self.code(refusal.answer) not in harmless:
                raise

    async def find_by(
        self, call: Callable[..., Awaitable[Any]], params: Json, read: Callable[[Any], Result]
    ) -> Result | None:
        """What a read of one order gives; None where the venue has no such order."""
        try:
            return await self.ask(call, params, read)
        except VenueRefused as refusal:
            if self.code(refusal.answer) not in self.absent:
                raise
            return None

    def symbol(self, market_id: str) -> str:
        """ccxt's symbol of a contract; the venue's own name where ccxt does not list it."""
        listed = self.client.markets_by_id.get(market_id, ())
        return next((market["symbol"] for market in listed if market["swap"]), market_id)

    def units(self, symbol: str, contracts: str) -> float:
        """Contracts in units of the asset."""
        size = self.client.markets[symbol]["contractSize"] if symbol in self.client.markets else 1
        return float(exact(contracts) * exact(str(size)))

    def paid(self, fee: str, currency: str) -> float:
        """A fee in quote currency; raises VenueRefused for another currency, which the books do not have."""
        if exact(fee) and currency != self.quote:
            raise VenueRefused(
                f"{self.connection.name} took a fee in {currency}: have it take fees in {self.quote}, and tell the "
                "ledger of this one by hand"
            )
        return float(exact(fee))


def json_list(answer: Json) -> list[Json]:
    """An answer that must be a list; raises TypeError for what ccxt makes of other answers."""
    if not isinstance(answer, list):
        raise TypeError(f"a list was asked for, not {type(answer).__name__}")
    return answer
