"""Starts freqtrade with markets from a file instead of the exchange's: `offline.py MARKETS_JSON ARGUMENTS...`.

freqtrade asks the exchange for its markets even where all candles lie on the disk. Here it is spared that, which makes
it faster; all else is as released. Runs in freqtrade's virtual environment.
"""

import json
import sys
from pathlib import Path
from typing import Any

import ccxt.async_support
from freqtrade.main import main

MARKETS = Path(sys.argv[1])


async def load_markets(
    exchange: ccxt.async_support.Exchange, reload: bool = False, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    """In place of the method that asks the exchange."""
    return exchange.set_markets(list(json.loads(MARKETS.read_text()).values()))


ccxt.async_support.binance.load_markets = load_markets
sys.exit(main(sys.argv[2:]))
