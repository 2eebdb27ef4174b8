"""A venue that shows order books as it is told, for the paper executor."""

from dataclasses import dataclass, field

from data.exchange import OrderBook


def around(price: float, units: float) -> OrderBook:
    """One level of `units` a hundredth of a percent away from `price` on each side; none of nothing."""
    if units == 0.0:
        return OrderBook((), ())
    return OrderBook(bids=((price * 0.9999, units),), asks=((price * 1.0001, units),))


@dataclass
class ShownBooks:
    """Shows `books` by symbol, and counts how often it was asked."""

    books: dict[str, OrderBook] = field(default_factory=dict)
    asked: int = 0

    def slowed_down(self, seconds: float) -> int:
        """Never."""
        return 0

    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        """The order book of `symbol`, as it is told now."""
        self.asked += 1
        return self.books[symbol]
