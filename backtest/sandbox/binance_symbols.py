"""Binance USD-M's names of contracts and the unified ones, both ways. Used by the signed endpoints."""

from collections.abc import Iterable, Mapping

from backtest.sandbox.binance_rules import RefusedError, required, symbol_id
from data.types import Instrument


class Symbols:
    """Of all that is ever listed; whether it trades now is the account's to say."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        """Of these contracts."""
        self.by_id = {symbol_id(instrument): instrument.symbol for instrument in instruments}
        self.ids = {symbol: name for name, symbol in self.by_id.items()} | {"": ""}

    def named(self, query: Mapping[str, str]) -> str:
        """The contract that a query names; raises RefusedError -1102 or -1121."""
        symbol = self.by_id.get(required(query, "symbol"))
        if symbol is None:
            raise RefusedError(-1121, "Invalid symbol.")
        return symbol

    def maybe(self, query: Mapping[str, str]) -> str | None:
        """The same; None where a query names none."""
        return self.named(query) if query.get("symbol") else None
