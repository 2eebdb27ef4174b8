"""What each asset and each venue of the synthetic market is like: recorded figures, and how contracts are listed. Used
by `synthetic`.

"Recorded" in the comments: Binance and Hyperliquid, hourly, 2024-01 to 2025-04, medians over symbols.
"""

from dataclasses import dataclass, replace

from data.market import lot_step, tick_size
from data.types import Asset, Instrument
from data.venues import VenueProfile

# Lateness of settlement stamps; recorded: Binance late on half of them, Hyperliquid up to 440 ms at p99.
BINANCE_JITTER_MS = 20
HYPERLIQUID_JITTER_MS = 440


@dataclass(frozen=True)
class AssetShape:
    """How one asset moves: recorded yearly volatility, correlation with BTC and hourly volume; price of 2025-01."""

    price: float
    vol_annual: float
    btc_correlation: float
    volume_quote_per_hour: float
    bounce: float = 1.0
    """Bounce of its closes relative to the median asset: recorded, BTC hardly bounces and DOT much."""
    interval_hours: int = 8
    """On venues that set one per contract."""


ASSETS = {
    "BTC": AssetShape(94_000.0, 0.53, 1.0, 450e6, 0.35),
    "ETH": AssetShape(3_350.0, 0.69, 0.80, 230e6, 0.5),
    "SOL": AssetShape(190.0, 0.96, 0.74, 75e6, 0.7),
    "XRP": AssetShape(2.1, 0.96, 0.60, 76e6, 0.9),
    "DOGE": AssetShape(0.32, 1.09, 0.72, 59e6, 0.9),
    "BNB": AssetShape(700.0, 0.61, 0.69, 16e6),
    "ADA": AssetShape(0.86, 1.05, 0.69, 21e6, 1.1),
    "AVAX": AssetShape(36.0, 1.02, 0.72, 9e6),
    "LTC": AssetShape(103.0, 0.86, 0.64, 7e6, 1.1),
    "DOT": AssetShape(6.7, 0.94, 0.69, 6e6, 1.4),
    # Recorded, 440 of 711 Binance contracts settle every 4 h, but none of the majors; these two do here, so that a
    # default market shows both.
    "TRX": AssetShape(0.25, 0.56, 0.42, 5e6, 1.2, interval_hours=4),
    "1000PEPE": AssetShape(0.0175, 1.59, 0.63, 34e6, interval_hours=4),
    "INJ": AssetShape(20.0, 1.21, 0.75, 3e6, 1.3),
    "ALGO": AssetShape(0.34, 1.11, 0.65, 4e6, 1.2),
    "BCH": AssetShape(440.0, 0.93, 0.66, 4e6, 1.2),
    "ENA": AssetShape(0.93, 1.45, 0.64, 10e6, interval_hours=4),
    "OP": AssetShape(1.75, 1.10, 0.71, 3e6, 1.2),
    "RENDER": AssetShape(6.9, 1.29, 0.78, 3e6, 1.3, interval_hours=4),
    "SUI": AssetShape(4.2, 1.32, 0.61, 30e6),
    "TON": AssetShape(5.5, 0.92, 0.56, 2e6, 1.5, interval_hours=4),
}


@dataclass(frozen=True)
class VenueShape:
    """How one venue departs from the others."""

    slow_basis_sd_bps: float
    bounce_sd_bps: float
    basis_mean_bps: float
    premium_mean_bps: float
    heat_bps: float
    """Premium per unit of market heat: longs crowd into the smaller venue more."""
    own_sd_bps: float
    brief_sd_bps: float
    rate_decimals: int
    jitter_ms: int
    jitter_share: float
    """Share of settlements stamped late, by up to `jitter_ms`."""
    volume_share: float
    """Volume relative to Binance's."""
    dead_band_bps: float | None = None
    """Where given, the clamp holds the common premium only and the venue's own comes on top, beyond this band."""
    lists_coins: bool = False
    """Whether it lists a contract on 1000 coins as one on a coin."""


VENUES = {
    "binance": VenueShape(
        slow_basis_sd_bps=1.0,
        bounce_sd_bps=0.7,
        basis_mean_bps=0.0,
        premium_mean_bps=-2.1,
        heat_bps=3.8,
        own_sd_bps=0.25,
        brief_sd_bps=2.0,
        rate_decimals=8,
        jitter_ms=BINANCE_JITTER_MS,
        jitter_share=0.5,
        volume_share=1.0,
    ),
    # Recorded spread to Binance per 8 h: mean |.| .45 bps, autocorrelation .43 after 8 h, .27 after a day and .08 after
    # 7 days, 95th percentile of the 7-day mean 11 % a year. Basis: mean 0, sd 2.05 bps, autocorrelation .69 after 1 h.
    "bybit": VenueShape(
        slow_basis_sd_bps=1.4,
        bounce_sd_bps=0.9,
        basis_mean_bps=0.0,
        premium_mean_bps=-2.2,
        heat_bps=4.0,
        own_sd_bps=0.55,
        brief_sd_bps=0.3,
        rate_decimals=8,
        jitter_ms=0,
        jitter_share=0.0,
        volume_share=0.4,
    ),
    "hyperliquid": VenueShape(
        slow_basis_sd_bps=4.0,
        bounce_sd_bps=5.2,
        basis_mean_bps=2.0,
        premium_mean_bps=-1.85,
        heat_bps=5.0,
        own_sd_bps=1.05,
        brief_sd_bps=2.2,
        rate_decimals=10,
        jitter_ms=HYPERLIQUID_JITTER_MS,
        jitter_share=1.0,
        volume_share=0.05,
    ),
    # Recorded Binance-OKX: spread per 8 h mean |.| 0.65 bps, sd 0.84, autocorrelation .36 after 8 h and .06 after 7
    # days; basis sd 4.6 bps, autocorrelation .86 after 1 h, OKX 2 bps above; 9 % default rates; stamps exact.
    "okx": VenueShape(
        slow_basis_sd_bps=4.3,
        bounce_sd_bps=1.6,
        basis_mean_bps=2.0,
        premium_mean_bps=-2.1,
        heat_bps=3.8,
        own_sd_bps=0.35,
        brief_sd_bps=0.6,
        rate_decimals=10,
        jitter_ms=0,
        jitter_share=0.0,
        volume_share=0.4,
        dead_band_bps=0.11,
        lists_coins=True,
    ),
}
OTHER_VENUE = replace(VENUES["binance"], slow_basis_sd_bps=1.7, bounce_sd_bps=1.0, volume_share=0.5)
SPOT_VENUE = replace(VENUES["binance"], slow_basis_sd_bps=0.0, bounce_sd_bps=0.0, volume_share=0.3)


def contract(profile: VenueProfile, name: str, price: float) -> Instrument:
    """The venue's contract on an asset that costs `price` at the market's beginning."""
    return Instrument(
        venue=profile.name,
        symbol=symbol_of(profile, name),
        asset=listed_as(profile, name),
        quote=profile.quote,
        lot_step=lot_step(price, profile.max_lot_decimals),
        tick_size=tick_size(price),
        min_notional=profile.min_notional,
        interval_hours=period_hours(profile, name),
        spot=profile.spot,
    )


def period_hours(profile: VenueProfile, name: str) -> int:
    """Hours between settlements of the contract, while nothing unusual happens."""
    return profile.default_interval_hours if profile.fixed_interval else asset_shape(name).interval_hours


def symbol_of(profile: VenueProfile, name: str) -> str:
    """The ccxt unified symbol; Hyperliquid writes a 1000-fold contract with a K."""
    listed = listed_as(profile, name)
    kilo = f"K{listed.base}"
    code = kilo if profile.name == "hyperliquid" and Asset.parse(kilo) == listed else listed
    return f"{code}{profile.symbol_suffix}"


def listed_as(profile: VenueProfile, name: str) -> Asset:
    """What the venue's contract on an asset is on: 1000PEPE is PEPE where coins are listed."""
    asset = Asset.parse(name)
    return Asset(asset.base) if venue_shape(profile).lists_coins else asset


def asset_shape(name: str) -> AssetShape:
    """The asset's figures; an asset that is not in the table is an altcoin at 1 unit of quote."""
    return ASSETS.get(name, AssetShape(1.0, 1.1, 0.65, 3e6))


def venue_shape(profile: VenueProfile) -> VenueShape:
    """The venue's figures; one that is not in the table resembles Binance."""
    return SPOT_VENUE if profile.spot else VENUES.get(profile.name, OTHER_VENUE)
