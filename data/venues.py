"""What is fixed about each venue: its ccxt class, its pages, its fee schedule, what it trades and how it settles.

Sources: ccxt 4.5.90 (page limits), the venues' API documentation. Fee schedules are of November 2026, without discounts
(BNB, HYPE, referrals): Binance USD-M of binance.com/en/fee/futureFee, as in ccxt's own table; Hyperliquid perpetuals of
hyperliquid.gitbook.io/hyperliquid-docs/trading/fees and Bybit perpetuals of its help centre's "Bybit Trading Fee
Structure", as in published copies of those pages; Binance spot of
binance.com/en/fee/schedule, whose tiers 0 to 2 all copies agree on while the higher ones differ by up to 2 bps, so an
account up there should set `taker_fee_bps` and `maker_fee_bps` to what its own page says. OKX perpetuals of
okx.com/fees, regular users only, as in ccxt's own table: what VIPs pay differs by group of contracts, so they set it.
"""

from dataclasses import dataclass

from data.errors import ConfigurationError


@dataclass(frozen=True)
class FeeTier:
    """What an account pays for a fill, bps of its notional."""

    taker_bps: float
    maker_bps: float
    """Negative: a rebate."""


@dataclass(frozen=True)
class VenueProfile:
    """The facts of one venue that no API call tells."""

    name: str
    exchange: str
    """Whose venue it is, as recorded files name it: spot and perpetuals of one exchange are two venues."""
    ccxt_id: str
    quote: str
    spot: bool
    """True where the coin itself is traded: no funding, no short side without borrowing."""
    default_interval_hours: int
    """Where the venue names no interval for a contract."""
    fixed_interval: bool
    """True where every contract always settles at the default interval."""
    fee_tiers: tuple[FeeTier, ...]
    """By tier, lowest first."""
    min_notional: float
    max_lot_decimals: int
    funding_page: int
    """Most settlements in one answer."""
    candle_page: int
    """Most candles in one answer."""
    ccxt_config: dict[str, object]
    """Laid over the configuration of the ccxt class."""

    @property
    def symbol_suffix(self) -> str:
        """What follows the base in its ccxt symbols: /USDT on spot, /USDT:USDT on linear swaps."""
        return f"/{self.quote}" if self.spot else f"/{self.quote}:{self.quote}"


def _tiers(taker: tuple[float, ...], maker: tuple[float, ...]) -> tuple[FeeTier, ...]:
    """Fee tiers from both columns of a schedule, bps."""
    return tuple(FeeTier(*bps) for bps in zip(taker, maker, strict=True))


VENUES = {
    profile.name: profile
    for profile in (
        VenueProfile(
            name="binance",
            exchange="binance",
            ccxt_id="binanceusdm",
            quote="USDT",
            spot=False,
            default_interval_hours=8,
            fixed_interval=False,
            # VIP 0 to 9.
            fee_tiers=_tiers(
                taker=(5.0, 4.0, 3.5, 3.2, 3.0, 2.7, 2.5, 2.2, 2.0, 1.7),
                maker=(2.0, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0),
            ),
            min_notional=5.0,
            max_lot_decimals=3,
            funding_page=1000,
            candle_page=1000,
            ccxt_config={},
        ),
        VenueProfile(
            name="binance_spot",
            exchange="binance",
            ccxt_id="binance",
            quote="USDT",
            spot=True,
            default_interval_hours=8,
            fixed_interval=True,
            # VIP 0 to 9.
            fee_tiers=_tiers(
                taker=(10.0, 10.0, 10.0, 6.0, 5.2, 3.1, 2.9, 2.8, 2.5, 2.3),
                maker=(10.0, 9.0, 8.0, 4.0, 4.0, 2.5, 2.0, 1.9, 1.6, 1.1),
            ),
            min_notional=5.0,
            max_lot_decimals=5,
            funding_page=1000,
            candle_page=1000,
            ccxt_config={"options": {"fetchMarkets": {"types": ["spot"]}}},
        ),
        VenueProfile(
            name="bybit",
            exchange="bybit",
            ccxt_id="bybit",
            quote="USDT",
            spot=False,
            default_interval_hours=8,
            fixed_interval=False,
            # VIP 0 to 5, then Supreme VIP.
            fee_tiers=_tiers(
                taker=(5.5, 4.0, 3.75, 3.5, 3.2, 3.2, 3.0),
                maker=(2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.0),
            ),
            min_notional=5.0,
            max_lot_decimals=3,
            funding_page=200,
            candle_page=1000,
            ccxt_config={"options": {"fetchMarkets": {"types": ["linear"]}}},
        ),
        VenueProfile(
            name="hyperliquid",
            exchange="hyperliquid",
            ccxt_id="hyperliquid",
            quote="USDC",
            spot=False,
            default_interval_hours=1,
            fixed_interval=True,
            # By 14-day volume: tier 0, then above 5 M, 25 M, 100 M, 500 M, 2 G and 7 G USD.
            fee_tiers=_tiers(
                taker=(4.5, 4.0, 3.5, 3.0, 2.8, 2.6, 2.4),
                maker=(1.5, 1.2, 0.8, 0.4, 0.0, 0.0, 0.0),
            ),
            min_notional=10.0,
            max_lot_decimals=5,
            funding_page=500,
            candle_page=5000,
            ccxt_config={
                "options": {"fetchMarkets": {"types": ["swap"]}},
                # The venue's published weights: 20, and 1 more for every 20 settlements or 60 candles.
                "api": {"public": {"post": {"info": {"byType": {"candleSnapshot": 21, "fundingHistory": 21}}}}},
            },
        ),
        VenueProfile(
            name="okx",
            exchange="okx",
            ccxt_id="okx",
            quote="USDT",
            spot=False,
            default_interval_hours=8,
            fixed_interval=False,
            fee_tiers=_tiers(taker=(5.0,), maker=(2.0,)),
            # The venue names none: its smallest order is one lot.
            min_notional=0.0,
            max_lot_decimals=4,
            funding_page=400,
            candle_page=300,
            ccxt_config={"options": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"}},
        ),
    )
}


def venue_profile(name: str) -> VenueProfile:
    """The profile of a venue by its short name; raises ConfigurationError with the names that exist."""
    try:
        return VENUES[name]
    except KeyError:
        raise ConfigurationError(f"unknown venue '{name}': choose from {', '.join(sorted(VENUES))}") from None
