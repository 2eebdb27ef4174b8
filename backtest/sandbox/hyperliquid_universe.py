"""The contracts of the sandbox's Hyperliquid: their names and their places, by which orders name them.

Used by the public and by the signed side.
"""

from backtest.sandbox.world import World
from data.types import HOUR_MS, Instrument

NAME = "hyperliquid"
MAX_LEVERAGE = 20


class Universe:
    """What is listed or was, the eldest first: a contract keeps its place for good."""

    def __init__(self, world: World) -> None:
        """Of what `world` has of this venue."""
        market = world.market
        ours = [i for i in market.instruments if i.venue == NAME and len(market.bars[i.key])]
        self._listed_at = {i.key: int(market.bars[i.key].open_time[0]) + HOUR_MS for i in ours}
        self.contracts = tuple(sorted(ours, key=lambda i: self._listed_at[i.key]))
        """All that are ever listed."""
        self.coins = {i.symbol: coin_of(i) for i in ours}
        """The venue's name of each symbol."""
        self._by_coin = {coin_of(i): i for i in ours}

    def known(self, now_ms: int) -> list[Instrument]:
        """What was listed by now, by its place."""
        return [instrument for instrument in self.contracts if self._listed_at[instrument.key] <= now_ms]

    def named(self, coin: str, now_ms: int) -> Instrument | None:
        """The contract of this name; None where it is not known by now."""
        instrument = self._by_coin.get(coin)
        return instrument if instrument is not None and self._listed_at[instrument.key] <= now_ms else None

    def at(self, place: int, now_ms: int) -> Instrument | None:
        """The contract at a place; None where none is known by now."""
        known = self.known(now_ms)
        return known[place] if place < len(known) else None


def coin_of(instrument: Instrument) -> str:
    """The venue's name of a contract: BTC/USDC:USDC is BTC, KPEPE/USDC:USDC is kPEPE."""
    return f"k{instrument.asset.base}" if instrument.asset.multiplier == 1000 else instrument.symbol.partition("/")[0]
