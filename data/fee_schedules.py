"""What venues charge for a fill, by tier, lowest first, without discounts (BNB, HYPE, referrals), of November 2026.

Sources: Binance USD-M of binance.com/en/fee/futureFee, as in ccxt's own table; Hyperliquid perpetuals of
hyperliquid.gitbook.io/hyperliquid-docs/trading/fees and Bybit perpetuals of its help centre's "Bybit Trading Fee
Structure", as in published copies of those pages; Binance spot of binance.com/en/fee/schedule, whose tiers 0 to 2 all
copies agree on while the higher ones differ by up to 2 bps; Kraken futures as in ccxt's table. Of the others only what
a regular account pays is here, as in ccxt or the venue's list of contracts: an account of a higher tier sets
`taker_fee_bps` and `maker_fee_bps` to what its own page says.
"""

from data.profile import FeeTier


def _tiers(taker: tuple[float, ...], maker: tuple[float, ...]) -> tuple[FeeTier, ...]:
    """Fee tiers from both columns of a schedule, bps."""
    return tuple(FeeTier(*bps) for bps in zip(taker, maker, strict=True))


FEE_SCHEDULES: dict[str, tuple[FeeTier, ...]] = {
    # VIP 0 to 9.
    "binance": _tiers(
        taker=(5.0, 4.0, 3.5, 3.2, 3.0, 2.7, 2.5, 2.2, 2.0, 1.7),
        maker=(2.0, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0),
    ),
    # VIP 0 to 9.
    "binance_spot": _tiers(
        taker=(10.0, 10.0, 10.0, 6.0, 5.2, 3.1, 2.9, 2.8, 2.5, 2.3),
        maker=(10.0, 9.0, 8.0, 4.0, 4.0, 2.5, 2.0, 1.9, 1.6, 1.1),
    ),
    # By 14-day volume: tier 0, then above 5 M, 25 M, 100 M, 500 M, 2 G and 7 G USD.
    "hyperliquid": _tiers(
        taker=(4.5, 4.0, 3.5, 3.0, 2.8, 2.6, 2.4),
        maker=(1.5, 1.2, 0.8, 0.4, 0.0, 0.0, 0.0),
    ),
    # By 30-day volume: tier 0, then above 0.1 M, 1 M, 5 M, 10 M, 20 M, 50 M and 100 M USD.
    "kraken": _tiers(
        taker=(5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.25, 1.0),
        maker=(2.0, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0),
    ),
    # VIP 0 to 5, then Supreme VIP.
    "bybit": _tiers(
        taker=(5.5, 4.0, 3.75, 3.5, 3.2, 3.2, 3.0),
        maker=(2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.0),
    ),
    "okx": _tiers((5.0,), (2.0,)),
    "gate": _tiers((5.0,), (2.0,)),
    "kucoin": _tiers((6.0,), (2.0,)),
    "bitget": _tiers((6.0,), (2.0,)),
    "htx": _tiers((5.0,), (2.0,)),
    "mexc": _tiers((4.0,), (1.0,)),
}
