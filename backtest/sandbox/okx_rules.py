"""What OKX checks and announces: parameters and their error codes, names of contracts, how many coins a contract is.

Sizes of contracts are those of GET /api/v5/public/instruments in 2025-26; a coin that is not in the table gets one.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backtest.sandbox.text import decimal, plain
from data.types import HOUR_MS, Instrument

CONTRACT_EXPONENTS = {
    "BTC": -2, "BNB": -2, "BCH": -1, "ETH": -1, "INJ": -1, "AVAX": 0, "DOT": 0, "LTC": 0, "OP": 0, "RENDER": 0,
    "SOL": 0, "SUI": 0, "TON": 0, "ADA": 2, "XRP": 2, "DOGE": 3, "TRX": 3, "SHIB": 6, "PEPE": 7,
}  # fmt: skip
"""Base code -> decimal exponent of the coins in one contract."""
MOST_LEVERAGE = "50"
MOST_CONTRACTS = "100000000"
MOST_CONTRACTS_AT_MARKET = "1000000"
INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")

_DIGITS = re.compile(r"^\d{1,18}$", re.ASCII)


class RefusedError(Exception):
    """An answer that says no, in the venue's own code and words."""

    def __init__(self, code: str, message: str, status: int) -> None:
        """`code` is five digits, e.g. 51001; `status` is HTTP's, which is 200 for much that is refused."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def unknown_instrument() -> RefusedError:
    """What every endpoint says to an instrument or index that is not listed (any more)."""
    return RefusedError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", 200)


def wrong(name: str) -> RefusedError:
    """What every endpoint says to a parameter that it cannot use."""
    return RefusedError("51000", f"Parameter {name} error", 400)


def required(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there; raises RefusedError 50014."""
    if not (value := query.get(name, "")):
        raise RefusedError("50014", f"Parameter {name} can not be empty.", 400)
    return value


def instrument_type(query: Mapping[str, str]) -> str:
    """The required parameter instType; raises RefusedError 50014 or 51000."""
    if (value := required(query, "instType")) not in INSTRUMENT_TYPES:
        raise wrong("instType")
    return value


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a non-negative whole number, or None without it; raises RefusedError 51000."""
    if not (value := query.get(name, "")):
        return None
    if not _DIGITS.match(value):
        raise wrong(name)
    return int(value)


def page_size(query: Mapping[str, str], *, default: int, most: int) -> int:
    """The parameter limit: more than `most` is silently that (ccxt issue 25679); raises RefusedError 51000."""
    value = whole_number(query, "limit")
    if value == 0:
        raise wrong("limit")
    return default if value is None else min(value, most)


def index_id(instrument: Instrument) -> str:
    """The venue's name of the index behind a contract, also its family: BTC/USDT:USDT is on BTC-USDT."""
    return instrument.symbol.partition(":")[0].replace("/", "-")


def instrument_id(instrument: Instrument) -> str:
    """The venue's name of a contract: BTC/USDT:USDT is BTC-USDT-SWAP."""
    return f"{index_id(instrument)}-SWAP"


def contract_exponent(instrument: Instrument) -> int:
    """Decimal exponent of the coins in one contract; ten lots where the table has none."""
    base = instrument.symbol.partition("/")[0]
    return CONTRACT_EXPONENTS.get(base, _lot_exponent(instrument) + 1)


def contracts(quantity: float, exponent: int) -> str:
    """`quantity` coins as contracts of 10^exponent coins: the same digits with the point moved, so nothing is lost."""
    return plain(Decimal(repr(float(quantity))).scaleb(-exponent))


def instrument_row(instrument: Instrument, code: int, first_bar_ms: int) -> dict[str, Any]:
    """The entry of one contract in the list of instruments; `code` is its number there."""
    exponent = contract_exponent(instrument)
    lot = plain(Decimal(1).scaleb(_lot_exponent(instrument) - exponent))
    not_for_swaps = dict.fromkeys(
        ("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "expTime", "maxLmtAmt", "maxMktAmt", "openType",
         "optType", "preMktSwTime", "quoteCcy", "stk"), "",
    )  # fmt: skip
    largest = dict.fromkeys(("maxIcebergSz", "maxLmtSz", "maxTriggerSz", "maxTwapSz"), MOST_CONTRACTS)
    return not_for_swaps | largest | {
        "category": "1",
        "ctMult": "1",
        "ctType": "linear",
        "ctVal": plain(Decimal(1).scaleb(exponent)),
        "ctValCcy": instrument.symbol.partition("/")[0],
        "futureSettlement": False,
        "groupId": "2",
        "instCategory": "1",
        "instFamily": index_id(instrument),
        "instId": instrument_id(instrument),
        "instIdCode": code,
        "instType": "SWAP",
        "lever": MOST_LEVERAGE,
        "listTime": str(first_bar_ms + HOUR_MS),
        "lotSz": lot,
        "maxMktSz": MOST_CONTRACTS_AT_MARKET,
        "maxStopSz": MOST_CONTRACTS_AT_MARKET,
        "minSz": lot,
        "ruleType": "normal",
        "settleCcy": instrument.quote,
        "state": "live",
        "tickSz": decimal(instrument.tick_size),
        "tradeQuoteCcyList": [],
        "uly": index_id(instrument),
        "upcChg": [],
    }  # fmt: skip


def _lot_exponent(instrument: Instrument) -> int:
    return round(math.log10(instrument.lot_step))
