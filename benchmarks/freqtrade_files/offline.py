"""Starts freqtrade with markets from a file instead of the exchange's: `offline.py MARKETS_JSON ARGUMENTS...`.

freqtrade asks the exchange for its markets even where all candles lie on the disk, and has leverage tiers for contracts
that exist only. Here it is told both, which makes it faster; all else is as released. Runs in its virtual environment.
"""

import json
import sys
from pathlib import Path
from typing import Any

import ccxt.async_support
from freqtrade.exchange import Binance
from freqtrade.main import main

MARKETS = json.loads(Path(sys.argv[1]).read_text())
TIER = {
    "minNotional": 0.0,
    "maxNotional": 1e9,
    "maintenanceMarginRate": 0.01,
    "maxLeverage": 20.0,
    "info": {"cum": "0"},
}


async def load_markets(
    exchange: ccxt.async_support.Exchange, reload: bool = False, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    """In place of the method that asks the exchange."""
    return exchange.set_markets(list(MARKETS.values()))


def load_leverage_tiers(exchange: Binance) -> dict[str, list[dict[str, Any]]]:
    """In place of those of the contracts that exist."""
    return {symbol: [TIER] for symbol in MARKETS}


ccxt.async_support.binance.load_markets = load_markets
Binance.load_leverage_tiers = load_leverage_tiers
sys.exit(main(sys.argv[2:]))
