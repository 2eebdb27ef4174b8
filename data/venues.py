"""The profiles of the venues that the product knows, and the one way to get one by its short name.

Sources: ccxt 4.5.90 (how requests are built and answers read, page limits, costs), the venues' API documentation.
Settled funding is asked for in the venue's own parameters: ccxt drops rows of an answer that it thinks were not asked
for, and a page that repeats itself would look like the end.
"""

from data.errors import ConfigurationError
from data.fee_schedules import FEE_SCHEDULES
from data.profile import FeeTier, OpenInterestFacts, PriceKind, VenueProfile

__all__ = ["VENUES", "FeeTier", "PriceKind", "VenueProfile", "venue_profile"]

BINANCE = VenueProfile(
    name="binance",
    exchange="binance",
    ccxt_id="binanceusdm",
    quote="USDT",
    default_interval_hours=8,  # fundingInfo lists only contracts with another interval
    fixed_interval=False,
    interval_table=True,
    fee_tiers=FEE_SCHEDULES["binance"],
    min_notional=5.0,
    max_lot_decimals=3,
    funding_order="forward",
    funding_page=1000,
    funding_cursor="startTime",
    funding_limit="limit",
    candle_page=1000,
    price_pages={"mark": 1000, "index": 1000},
    quotes="bids_asks",
    stream="bids_asks",
    open_interest=OpenInterestFacts("each"),
    book_sizes=(5, 10, 20, 50, 100, 500, 1000),
    # fundingRate and fundingInfo share 500 requests in 5 minutes, 600 ms each; ccxt's unit is 50 ms.
    weights={"fundingRate": {"cost": 12}, "fundingInfo": {"cost": 12}, "premiumIndex": {"cost": 1, "noSymbol": 10}},
)

BINANCE_SPOT = VenueProfile(
    name="binance_spot",
    exchange="binance",
    ccxt_id="binance",
    quote="USDT",
    spot=True,
    default_interval_hours=8,
    fixed_interval=True,
    fee_tiers=FEE_SCHEDULES["binance_spot"],
    min_notional=5.0,
    max_lot_decimals=5,
    funding_order="whole",
    funding_page=1000,
    candle_page=1000,
    open_interest=OpenInterestFacts("each"),
    ccxt_config={"options": {"fetchMarkets": {"types": ["spot"]}}},
)

BYBIT = VenueProfile(
    name="bybit",
    exchange="bybit",
    ccxt_id="bybit",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    raw_interval="fundingIntervalHour",
    fee_tiers=FEE_SCHEDULES["bybit"],
    min_notional=5.0,
    max_lot_decimals=3,
    funding_order="backward",
    funding_page=200,
    funding_cursor="endTime",
    funding_limit="limit",
    candle_page=1000,
    price_pages={"mark": 1000, "index": 1000},
    stream="bids_asks",
    open_interest=OpenInterestFacts("tickers", "openInterest", in_contracts=False),
    ccxt_config={
        "options": {"defaultType": "swap", "defaultSubType": "linear", "fetchMarkets": {"types": ["linear"]}},
    },
)

OKX = VenueProfile(
    name="okx",
    exchange="okx",
    ccxt_id="okx",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    fee_tiers=FEE_SCHEDULES["okx"],
    min_notional=0.0,  # the smallest order is one lot
    max_lot_decimals=4,
    funding_order="backward",
    funding_page=400,  # of about three months, and no further back; ccxt reads realizedRate
    funding_cursor="after",
    funding_cursor_exclusive=True,
    funding_limit="limit",
    candle_page=300,
    price_pages={"mark": 100, "index": 100},
    raw_turnover_asset="volCcy24h",
    open_interest=OpenInterestFacts("all"),
    ccxt_config={"options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}}},
)

GATE = VenueProfile(
    name="gate",
    exchange="gate",
    ccxt_id="gate",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    fee_tiers=FEE_SCHEDULES["gate"],
    min_notional=1.0,
    max_lot_decimals=4,
    funding_order="backward",
    funding_page=1000,
    funding_cursor="until",  # ccxt's word: it becomes `to`, in seconds
    funding_start="since",  # and this `from`; with neither, the venue gives some 30 days whatever the limit
    funding_limit="limit",
    funding_reach_days=179,  # an earlier `from` is an error: "exceeds 180-day limit"
    candle_page=1999,
    price_pages={"mark": 1999, "index": 1999},
    volume_in_contracts=True,  # `v` of a candle is its number of contracts
    open_interest=OpenInterestFacts("tickers", "total_size", share=0.5),  # twice position_size of its contracts
    ccxt_config={
        "options": {
            "defaultType": "swap",
            "fetchMarkets": {"types": ["swap"]},
            "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt"]}},
        },
    },
)

KUCOIN = VenueProfile(
    name="kucoin",
    exchange="kucoin",
    ccxt_id="kucoinfutures",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    fee_tiers=FEE_SCHEDULES["kucoin"],
    min_notional=1.0,
    max_lot_decimals=3,
    funding_order="backward",
    funding_page=100,  # and no page before it: the newest 100 are all that the venue gives
    funding_cursor="until",
    funding_start="from",
    candle_page=200,
    price_pages={"mark": 1500, "index": 1500},
    candle_end=False,
    volume_in_contracts=True,  # the sixth field of a candle counts lots
    quotes="bids_asks",
    open_interest=OpenInterestFacts("tickers", "openInterest"),
    book_sizes=(20, 100),
)

BITGET = VenueProfile(
    name="bitget",
    exchange="bitget",
    ccxt_id="bitget",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    fee_tiers=FEE_SCHEDULES["bitget"],
    min_notional=5.0,
    max_lot_decimals=3,
    funding_order="numbered",
    funding_page=100,
    funding_cursor="pageNo",
    funding_limit="pageSize",
    candle_page=200,
    price_pages={"mark": 200, "index": 200},
    # Tickers tell the rate alone, this table also when it settles and how often.
    funding_rates_params={"method": "publicMixGetV2MixMarketCurrentFundRate"},
    open_interest=OpenInterestFacts("tickers", "holdingAmount", in_contracts=False),
    book_sizes=(1, 5, 15, 50),
    ccxt_config={
        "options": {"defaultType": "swap", "defaultSubType": "linear", "fetchMarkets": {"types": ["swap"]}},
    },
)

HYPERLIQUID = VenueProfile(
    name="hyperliquid",
    exchange="hyperliquid",
    ccxt_id="hyperliquid",
    quote="USDC",
    default_interval_hours=1,
    fixed_interval=True,
    fee_tiers=FEE_SCHEDULES["hyperliquid"],
    min_notional=10.0,
    max_lot_decimals=5,
    funding_order="forward",
    funding_page=500,
    funding_cursor="startTime",
    candle_page=5000,
    quotes="books",  # its tickers tell impact prices, of orders of a certain size
    stream="books",
    tickers_params={"type": "swap"},
    open_interest=OpenInterestFacts("tickers", "openInterest", in_contracts=False),
    # The venue's published weights: 2 or 20, and long answers add to it.
    weights={"info": {"cost": 20, "byType": {"l2Book": 2, "allMids": 2, "exchangeStatus": 2}}},
    rows_per_weight={"candles": 60, "settlements": 20},
    ccxt_config={"options": {"fetchMarkets": {"types": ["swap"]}}},
)

KRAKEN = VenueProfile(
    name="kraken",
    exchange="kraken",
    ccxt_id="krakenfutures",
    quote="USD",
    default_interval_hours=1,
    fixed_interval=True,
    fee_tiers=FEE_SCHEDULES["kraken"],
    min_notional=1.0,
    max_lot_decimals=4,
    funding_order="whole",
    funding_page=100_000,
    candle_page=2000,
    price_pages={"mark": 2000, "index": 2000},
    candle_end=False,
    raw_turnover_asset="vol24h",
    open_interest=OpenInterestFacts("tickers", "openInterest", in_contracts=False),
    has_clock=False,
)

HTX = VenueProfile(
    name="htx",
    exchange="htx",
    ccxt_id="htx",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    market_interval="settlement_period",
    fee_tiers=FEE_SCHEDULES["htx"],
    min_notional=1.0,
    max_lot_decimals=3,
    minimum_in_contracts=False,
    funding_order="backward",
    funding_page=100,
    funding_cursor="end_time",
    funding_start="start_time",
    funding_limit="limit",
    candle_page=2000,
    price_pages={"mark": 2000},
    newest_only=frozenset({"mark"}),
    candle_limit=False,
    volume_share=0.5,  # its volumes and open interest add up both sides
    funding_rates="each",
    open_interest=OpenInterestFacts("each", share=0.5),
    ccxt_config={
        "options": {
            "defaultType": "swap",
            "defaultSubType": "linear",
            "fetchMarkets": {"types": {"spot": False, "linear": True, "inverse": False}},
        },
    },
)

MEXC = VenueProfile(
    name="mexc",
    exchange="mexc",
    ccxt_id="mexc",
    quote="USDT",
    default_interval_hours=8,
    fixed_interval=False,
    fee_tiers=FEE_SCHEDULES["mexc"],
    min_notional=1.0,
    max_lot_decimals=4,
    funding_order="numbered",
    funding_page=100,
    funding_cursor="page_num",
    funding_limit="page_size",
    candle_page=2000,
    price_pages={"mark": 2000, "index": 2000},
    volume_in_contracts=True,  # `vol` of a candle
    funding_rates="raw",  # of more than 1000 contracts, 10 requests a second
    funding_rates_path="funding_rate",
    open_interest=OpenInterestFacts("tickers", "holdVol"),
    ccxt_config={
        "options": {
            "defaultType": "swap",
            "fetchMarkets": {"types": {"spot": False, "swap": {"linear": True, "inverse": False}}},
        },
    },
)

VENUES = {
    profile.name: profile
    for profile in (BINANCE, BINANCE_SPOT, BYBIT, OKX, GATE, KUCOIN, BITGET, HYPERLIQUID, KRAKEN, HTX, MEXC)
}


def venue_profile(name: str) -> VenueProfile:
    """The profile of a venue by its short name; raises ConfigurationError with the names that exist."""
    try:
        return VENUES[name]
    except KeyError:
        raise ConfigurationError(f"unknown venue '{name}': choose from {', '.join(sorted(VENUES))}") from None
