"""What the sandbox's Hyperliquid remembers beside the account itself: orders that it refused, fees that were approved.

Used by `hyperliquid_account` and `hyperliquid_exchange`. It is gone when the process ends: a refused order is then
unknown, as one that never came.
"""

from decimal import Decimal

from backtest.sandbox.hyperliquid_rows import Row

TENTHS_OF_BPS = 1000
"""Of a percent."""


class Memory:
    """Of one account. One event loop; not thread-safe."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.refused: list[Row] = []
        """Orders that the book refused, as status rows, oldest first: they have numbers, and are found by them."""
        self._approved: dict[str, int] = {}

    def refused_as(self, name: int | str) -> list[Row]:
        """Those of this number or client id."""
        return [row for row in self.refused if name in (row["order"]["oid"], row["order"]["cloid"])]

    def approve(self, builder: str, percent: Decimal) -> None:
        """A builder may take up to so much of an order's notional."""
        self._approved[builder] = int(percent * TENTHS_OF_BPS)

    def approved(self, builder: str) -> int:
        """Tenths of a basis point; 0 where nothing was approved."""
        return self._approved.get(builder, 0)
