"""What Binance USD-M checks and announces: parameters and their error codes, symbol names, the rules of a contract."""

import re
from collections.abc import Mapping
from typing import Any

from backtest.sandbox.text import decimal, decimals, multiple
from data.types import HOUR_MS, Instrument

PERPETUAL_DELIVERY_MS = 4_133_404_800_000
"""The delivery date that the venue gives a contract without one: 2100-12-25."""
MOST_LOTS = 10_000_000
MOST_MARKET_LOTS = 1_000_000
MOST_TICKS = 10_000_000

_DIGITS = re.compile(r"^-?\d{1,18}$", re.ASCII)


class RefusedError(Exception):
    """An answer that says no, in the venue's own code and words."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is negative, e.g. -1121."""
        super().__init__(message)
        self.code = code
        self.message = message


def required(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there; raises RefusedError -1102."""
    if not (value := query.get(name, "")):
        raise _malformed(name)
    return value


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a non-negative whole number, or None without it; raises RefusedError -1102 or -1130."""
    if name not in query:
        return None
    if not _DIGITS.match(query[name]):
        raise _malformed(name)
    if (value := int(query[name])) < 0:
        raise _invalid(name)
    return value


def integer(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """A count from 1 to `most`; raises RefusedError -1102 or -1130."""
    value = whole_number(query, name)
    if value is None:
        return default
    if not 1 <= value <= most:
        raise _invalid(name)
    return value


def symbol_id(instrument: Instrument) -> str:
    """The venue's name of a contract: BTC/USDT:USDT is BTCUSDT."""
    return instrument.symbol.partition(":")[0].replace("/", "")


def exchange_symbol(instrument: Instrument, first_bar_ms: int) -> dict[str, Any]:
    """The entry of one contract in exchangeInfo."""
    base = instrument.symbol.partition("/")[0]
    return {
        "symbol": symbol_id(instrument),
        "pair": symbol_id(instrument),
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": first_bar_ms + HOUR_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": decimals(instrument.tick_size),
        "quantityPrecision": decimals(instrument.lot_step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(instrument),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(instrument: Instrument) -> list[dict[str, Any]]:
    tick, lot = decimal(instrument.tick_size), decimal(instrument.lot_step)
    most_price = decimal(multiple(MOST_TICKS, instrument.tick_size))
    most, most_at_market = (decimal(multiple(lots, instrument.lot_step)) for lots in (MOST_LOTS, MOST_MARKET_LOTS))
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": most_price, "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": most_at_market, "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": decimal(instrument.min_notional)},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
    ]


def _malformed(name: str) -> RefusedError:
    return RefusedError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _invalid(name: str) -> RefusedError:
    return RefusedError(-1130, f"Data sent for parameter '{name}' is not valid.")
