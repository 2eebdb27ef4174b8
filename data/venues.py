"""What is fixed about each venue: its ccxt class, its pages, its fees for a new account, and how it settles.

Sources: ccxt 4.5.90 (fee tables, page limits), the venues' API documentation; fees are the taker rates of the lowest
tier (Binance USD-M 0.05 %, Hyperliquid 0.045 %) and can be overridden per account in the settings.
"""

from dataclasses import dataclass

from data.errors import ConfigurationError


@dataclass(frozen=True)
class VenueProfile:
    """The facts of one venue that no API call tells."""

    name: str
    ccxt_id: str
    quote: str
    default_interval_hours: int
    """Where the venue names no interval for a contract."""
    fixed_interval: bool
    """True where every contract always settles at the default interval."""
    taker_fee_bps: float
    min_notional: float
    max_lot_decimals: int
    funding_page: int
    """Most settlements in one answer."""
    candle_page: int
    """Most candles in one answer."""
    ccxt_config: dict[str, object]
    """Laid over the configuration of the ccxt class."""


VENUES = {
    profile.name: profile
    for profile in (
        VenueProfile(
            name="binance",
            ccxt_id="binanceusdm",
            quote="USDT",
            default_interval_hours=8,
            fixed_interval=False,
            taker_fee_bps=5.0,
            min_notional=5.0,
            max_lot_decimals=3,
            funding_page=1000,
            candle_page=1000,
            ccxt_config={},
        ),
        VenueProfile(
            name="hyperliquid",
            ccxt_id="hyperliquid",
            quote="USDC",
            default_interval_hours=1,
            fixed_interval=True,
            taker_fee_bps=4.5,
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
    )
}


def venue_profile(name: str) -> VenueProfile:
    """The profile of a venue by its short name; raises ConfigurationError with the names that exist."""
    try:
        return VENUES[name]
    except KeyError:
        raise ConfigurationError(f"unknown venue '{name}': choose from {', '.join(sorted(VENUES))}") from None
