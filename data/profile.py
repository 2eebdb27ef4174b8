"""What is fixed about a venue and no API call tells: the shape of a profile. The profiles are in `data/venues.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PriceKind = Literal["last", "mark", "index"]
"""Which price a candle is of."""


@dataclass(frozen=True)
class FeeTier:
    """What an account pays for a fill, bps of its notional."""

    taker_bps: float
    maker_bps: float
    """Negative: a rebate."""


@dataclass(frozen=True)
class OpenInterestFacts:
    """Where a venue tells its open interest."""

    source: Literal["tickers", "all", "each"]
    """tickers: a raw field of the table of tickers; all: one answer of its own; each: one answer per contract."""
    raw_field: str = ""
    """Of the raw ticker."""
    in_contracts: bool = True
    """False where it is told in units of the asset whatever the contract's size."""
    share: float = 1.0
    """One half where both sides of every position are counted."""


@dataclass(frozen=True, kw_only=True)
class VenueProfile:
    """The facts of one venue. Paging is told in the venue's own parameter names; ccxt passes them through."""

    name: str
    exchange: str
    """Whose venue it is, as recorded files name it: spot and perpetuals of one exchange are two venues."""
    ccxt_id: str
    quote: str
    spot: bool = False
    """True where the coin itself is traded: no funding, no short side without borrowing."""
    default_interval_hours: int
    """Where the venue names no interval for a contract."""
    fixed_interval: bool
    """True where every contract always settles at the default interval."""
    fee_tiers: tuple[FeeTier, ...]
    """By tier, lowest first."""
    min_notional: float
    """Where the venue names none: a floor that we keep."""
    max_lot_decimals: int
    minimum_in_contracts: bool = True
    """False where ccxt tells the smallest order in units of the asset, although it counts orders in contracts."""

    funding_order: Literal["forward", "backward", "numbered", "whole"]
    """forward: a page begins at a time; backward: it ends at one; numbered: newest first; whole: one answer has all."""
    funding_page: int
    """Most settlements in one answer."""
    funding_cursor: str = ""
    """Names the time (or number) of the page."""
    funding_cursor_exclusive: bool = False
    """True where a backward page ends before the time that is named."""
    funding_start: str = ""
    """Names the earliest time, where a backward page must be told it too; `since` and `until` are ccxt's own words."""
    funding_limit: str = ""
    """Names the size of the page; empty where the venue takes none."""
    funding_reach_days: int | None = None
    """How far back the venue may be asked; it refuses earlier times altogether."""

    candle_page: int
    """Most last-price candles in one answer."""
    price_pages: Mapping[PriceKind, int] = field(default_factory=dict)
    """Most candles of the other prices; a price that is not here has no candles."""
    newest_only: frozenset[PriceKind] = frozenset()
    """Prices of which only the newest page can be had: neither begin nor end is heeded."""
    candle_end: bool = True
    """True where ccxt passes on until when candles are asked for; elsewhere it derives that from their number."""
    candle_limit: bool = True
    """False where a number of candles makes the venue ignore the time."""
    volume_in_contracts: bool = False
    """Whether candles tell their volume in contracts; in units of the asset otherwise."""
    volume_share: float = 1.0
    """One half where both sides of every trade are counted."""

    funding_rates: Literal["all", "each", "raw"] = "all"
    """all: one answer for all contracts; each: one request per contract; raw: one answer that ccxt has no call for."""
    funding_rates_path: str = ""
    """Of that answer, below the contract API that ccxt knows."""
    funding_rates_params: Mapping[str, object] = field(default_factory=dict)
    interval_table: bool = False
    """True where intervals are told apart from the rates."""
    market_interval: str = ""
    """Raw field of the list of markets that tells the interval in hours."""
    raw_interval: str = ""
    """Raw field of a rate that tells its interval in hours, where ccxt takes it from the list of markets: it ages."""

    quotes: Literal["bids_asks", "tickers", "books"] = "tickers"
    """books: one request per contract."""
    stream: Literal["bids_asks", "books"] | None = None
    """How ccxt.pro watches best prices: of many contracts at once, or the book of each; None: they are not streamed."""
    tickers_params: Mapping[str, object] = field(default_factory=dict)
    raw_turnover_asset: str = ""
    """Raw field of a ticker with the 24 h volume in units of the asset, where ccxt tells none in quote currency."""
    open_interest: OpenInterestFacts
    book_sizes: tuple[int, ...] = ()
    """Numbers of levels that may be asked for, ascending; empty: any."""
    has_clock: bool = True
    """False where the venue has no request for its time: this machine's clock stands in."""

    weights: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What requests cost, by path and in ccxt's terms, where ccxt thinks them cheaper than the venue does."""
    rows_per_weight: Mapping[str, int] = field(default_factory=dict)
    """Where long answers cost more: how many candles, or settlements, add one unit of weight."""
    ccxt_config: Mapping[str, object] = field(default_factory=dict)
    """Laid over the configuration of the ccxt class."""

    @property
    def symbol_suffix(self) -> str:
        """What follows the base in its ccxt symbols: /USDT on spot, /USDT:USDT on linear swaps."""
        return f"/{self.quote}" if self.spot else f"/{self.quote}:{self.quote}"

    def page_of(self, kind: PriceKind) -> int | None:
        """Most candles of that price in one answer; None where the venue has none."""
        return self.candle_page if kind == "last" else self.price_pages.get(kind)
