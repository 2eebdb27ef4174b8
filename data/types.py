"""The nouns of the market that every later stage speaks in: assets, instruments, bars, settlements.

Time is an integer of milliseconds since 1970 UTC everywhere; a *tick* is a whole hour in that unit.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOUR_MS = 3_600_000

InstrumentKey = tuple[str, str]
"""(venue, ccxt unified symbol)."""

_THOUSANDS = re.compile(r"^(10{3,})([A-Z].*)$")
_IN_THE_END = re.compile(r"^([A-Z]+)(10{3,})$")
_MILLION = re.compile(r"^1M([A-Z].*)$")
_KILO = {"KPEPE", "KSHIB", "KBONK", "KFLOKI", "KLUNC", "KDOGS", "KNEIRO"}
"""Hyperliquid's 1000-fold contracts (kPEPE, ...), upper-cased by ccxt; a list, so that KAS and KAITO stay coins."""


@dataclass(frozen=True, order=True)
class Asset:
    """What a contract is on, apart from what it is quoted in: one unit of it is `multiplier` coins of `base`.

    Two contracts can be the legs of one pair only if their assets are equal: 1000PEPE and kPEPE are, 1000SHIB and
    SHIB are not, and 1INCH is a coin called 1INCH.
    """

    base: str
    multiplier: int = 1

    @classmethod
    def parse(cls, code: str) -> "Asset":
        """The asset of a ccxt base code: 1000PEPE, KPEPE and SHIB1000 (Bybit's way) are 1000-fold, 1MBABYDOGE is
        10^6-fold; 1INCH is a coin."""
        if match := _THOUSANDS.match(code):
            return cls(match[2], int(match[1]))
        if match := _IN_THE_END.match(code):
            return cls(match[1], int(match[2]))
        if match := _MILLION.match(code):
            return cls(match[1], 1_000_000)
        if code in _KILO:
            return cls(code[1:], 1000)
        return cls(code)

    def __str__(self) -> str:
        return self.base if self.multiplier == 1 else f"{self.multiplier}{self.base}"


@dataclass(frozen=True)
class Instrument:
    """One linear perpetual or one spot market on one venue, in units of the asset, with the rules that orders obey."""

    venue: str
    symbol: str
    """ccxt unified symbol, e.g. BTC/USDT:USDT, or BTC/USDT on spot."""
    asset: Asset
    quote: str
    lot_step: float
    """Smallest change of quantity, in units of the asset; a power of ten."""
    tick_size: float
    """Smallest change of price, in the quote currency."""
    min_notional: float
    """Smallest order, in the quote currency."""
    interval_hours: int
    """Hours between funding settlements, as announced now; history may differ."""
    spot: bool = False
    """True where the coin itself is traded, which settles no funding."""
    contract_size: float = 1.0
    """Units of the asset per contract of the venue; only what speaks to the venue counts in contracts."""
    min_quantity: float = 0.0
    """Smallest order in units of the asset, where that is more than one lot; 0 elsewhere."""

    @property
    def key(self) -> InstrumentKey:
        """What its rows are filed under."""
        return self.venue, self.symbol


@dataclass(frozen=True)
class Bars:
    """Hourly candles of one instrument, oldest first, each one hour from `open_time`; gaps are absent."""

    open_time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    """In units of the asset; zeros for candles of mark and index prices."""

    @classmethod
    def none(cls) -> "Bars":
        """No candles at all."""
        return cls(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(5)))

    def __len__(self) -> int:
        return len(self.open_time)


@dataclass(frozen=True)
class Settlements:
    """Settled funding of one instrument, oldest first: longs paid shorts `rate`, fraction of notional per interval."""

    time: NDArray[np.int64]
    """The hour that it settled for."""
    offset_ms: NDArray[np.int64]
    """What the venue stamped, minus `time`: 0..500 ms as a rule, minutes on a bad day."""
    rate: NDArray[np.float64]

    @classmethod
    def none(cls) -> "Settlements":
        """No settlements at all, as of a spot market."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def stamp(self) -> NDArray[np.int64]:
        """When the venue says that it settled."""
        return self.time + self.offset_ms
