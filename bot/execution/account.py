"""The account port: one account at one venue, as live execution, reconciliation, the kill switch and the doctor see it.

What it does is proven against the sandbox servers over HTTP; `execution.live` holds the only implementation.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from bot.venue_orders import Balance, Held, OrderReport, Standing, VenueFill, VenueFunding, VenueOrder
from data.types import Instrument


class VenueAccount(Protocol):
    """One event loop. Reads are repeated a few times and raise VenueError in the end: a failed read is never read as
    "nothing". What changes the account is sent once and never repeated by itself, but where the venue did not let it in
    because of our clock; that is mended, and the same request sent once more."""

    name: str

    def slowed_down(self, seconds: float) -> int:
        """How often the venue asked to slow down within the last so many real seconds."""

    async def place(self, order: VenueOrder) -> OrderReport:
        """Send the order, once. REJECTED only where the venue says so for certain; UNKNOWN for a lost or senseless
        answer, a timeout or a server error, never an exception for these. Raises ValueError, before anything is sent,
        for a quantity or price that does not fit the instrument's steps. What only reduces waits for a short pause that
        the venue asks for, and stands in no queue; what enters is refused at once."""

    async def find(self, order: VenueOrder) -> OrderReport:
        """What the venue knows of the order by its client id; ABSENT where it says that it knows none (which proves
        nothing in the first seconds after sending). Raises VenueError."""

    async def cancel(self, order: VenueOrder) -> OrderReport:
        """Cancel what rests of it, and say what it had filled; UNKNOWN where that is not certain."""

    async def cancel_all(self, instruments: Sequence[Instrument]) -> None:
        """Cancel every order that rests in these contracts; raises VenueError where that is not certain."""

    async def open_orders(self, instruments: Sequence[Instrument]) -> Sequence[tuple[str, str]]:
        """(symbol, client id) of every order that rests there; the id is empty for orders that are not ours."""

    async def positions(self) -> Mapping[str, Held]:
        """Every open position, by symbol."""

    async def balance(self) -> Balance:
        """Money in the venue's quote currency."""

    async def fills(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFill]:
        """Every trade stamped from `since_ms` on, oldest first, all pages of it."""

    async def funding(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFunding]:
        """Every funding payment stamped from `since_ms` on, oldest first, all pages of it."""

    async def standing(self) -> Standing:
        """How the account is set up."""

    async def prepare(self, instruments: Sequence[Instrument], leverage: float) -> None:
        """Set one-way mode, cross margin and the leverage; nothing where it is so already. Raises VenueError."""

    async def dead_man(self, seconds: float) -> bool:
        """Have the venue cancel every resting order (at Binance: in the contracts that were prepared) unless told again
        within `seconds`, or the nearest that it can (0: never); False where the venue does not."""

    def recognise(self, client_ids: Iterable[str]) -> None:
        """Tell which client ids are ours, such as those in the ledger at start. Hyperliquid's are hashes: without this,
        `fills` and `open_orders` tell those of earlier processes as the venue writes them, 0x and 32 digits."""
