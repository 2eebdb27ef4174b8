"""What Bybit v5 checks and announces: parameters and their refusals, symbol names, the rules of a contract."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from backtest.sandbox.text import decimal, decimals, json_text, multiple
from data.types import HOUR_MS, Instrument

LINEAR = "linear"
CATEGORIES = (LINEAR, "inverse", "spot", "option")
PARAMETER_ERROR = 10001
FUNDING_CAP = "0.02"
MOST_LOTS = 1_000_000
MOST_MARKET_LOTS = 500_000
MOST_TICKS = 10_000_000

_DIGITS = re.compile(r"^\d{1,18}$", re.ASCII)


class RefusedError(Exception):
    """An answer that says no, with status 200, in the venue's own code and words."""

    def __init__(self, message: str, code: int = PARAMETER_ERROR) -> None:
        """`code` is the retCode, `message` the retMsg."""
        super().__init__(message)
        self.code = code
        self.message = message


def envelope(now: int, code: int, message: str, result: str) -> str:
    """The JSON around every answer; `result` is JSON itself."""
    head = f'"retCode":{code},"retMsg":{json_text(message)}'
    return f'{{{head},"result":{result},"retExtInfo":{{}},"time":{now}}}'


def category(query: Mapping[str, str], default: str = "") -> str:
    """The product type that is asked for; raises RefusedError where there is none or an unknown one."""
    if (asked := query.get("category", default)) not in CATEGORIES:
        raise RefusedError("Illegal category")
    return asked


def invalid(name: str) -> RefusedError:
    """What the venue says of a parameter that is missing or wrong."""
    return RefusedError(f"params error: {name} invalid")


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number, or None without it; raises RefusedError."""
    if not (text := query.get(name, "")):
        return None
    if not _DIGITS.match(text):
        raise invalid(name)
    return int(text)


def page_size(query: Mapping[str, str], *, default: int, most: int) -> int:
    """Rows in one answer. More than `most` are cut to that without a word; raises RefusedError below one."""
    limit = whole_number(query, "limit")
    if limit == 0:
        raise invalid("limit")
    return min(default if limit is None else limit, most)


def time_range(query: Mapping[str, str], first: str, last: str) -> tuple[int | None, int | None]:
    """Both ends of the time that is asked for, ms; raises RefusedError where they are the wrong way round."""
    since, until = whole_number(query, first), whole_number(query, last)
    if since is not None and until is not None and since > until:
        raise RefusedError("Time is invalid")
    return since, until


def symbol_id(instrument: Instrument) -> str:
    """The venue's name of a contract: BTC/USDT:USDT is BTCUSDT."""
    return instrument.symbol.partition(":")[0].replace("/", "")


def page_cursor(first_symbol: str, last_symbol: str) -> str:
    """What a page of contracts names for the next one: percent-encoded already, as clients must send it back."""
    return quote(f"first={first_symbol}&last={last_symbol}", safe="")


def shown_before(query: Mapping[str, str]) -> str:
    """The last symbol of the page before, from the cursor; empty for the first page. Raises RefusedError."""
    if not (cursor := query.get("cursor", "")):
        return ""
    # It comes with its percent signs where a client has encoded them once more.
    if not (last := parse_qs(unquote(cursor)).get("last")):
        raise invalid("cursor")
    return last[0]


def contract(instrument: Instrument, first_bar_ms: int, interval_hours: int) -> dict[str, Any]:
    """The entry of one contract in instruments-info."""
    return {
        "symbol": symbol_id(instrument),
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.symbol.partition("/")[0],
        "quoteCoin": instrument.quote,
        "launchTime": str(first_bar_ms + HOUR_MS),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(decimals(instrument.tick_size)),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        **_filters(instrument),
        "unifiedMarginTrade": True,
        "fundingInterval": interval_hours * 60,
        "settleCoin": instrument.quote,
        "copyTrading": "both",
        "upperFundingRate": FUNDING_CAP,
        "lowerFundingRate": f"-{FUNDING_CAP}",
        "displayName": symbol_id(instrument),
        "forbidUplWithdrawal": False,
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }


def _filters(instrument: Instrument) -> dict[str, dict[str, str]]:
    tick, lot = decimal(instrument.tick_size), decimal(instrument.lot_step)
    most, most_at_market = (decimal(multiple(lots, instrument.lot_step)) for lots in (MOST_LOTS, MOST_MARKET_LOTS))
    return {
        "priceFilter": {
            "minPrice": tick,
            "maxPrice": decimal(multiple(MOST_TICKS, instrument.tick_size)),
            "tickSize": tick,
        },
        "lotSizeFilter": {
            "maxOrderQty": most,
            "minOrderQty": lot,
            "qtyStep": lot,
            "postOnlyMaxOrderQty": most,
            "maxMktOrderQty": most_at_market,
            "minNotionalValue": decimal(instrument.min_notional),
        },
    }
