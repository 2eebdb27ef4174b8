"""Rows as OKX writes them: candles, settlements, books, parts of a ticker. All is text, and sizes are in contracts."""

import math
from collections.abc import Callable

from backtest.sandbox.book import Book, Level
from backtest.sandbox.candles import Candle, Day
from backtest.sandbox.okx_rules import contracts
from backtest.sandbox.text import decimal


def candle_of(exponent: int) -> Callable[[Candle], str]:
    """Renders candles of the last price, for contracts of 10^exponent coins: volume in contracts, coins and quote."""

    def render(candle: Candle) -> str:
        volumes = (contracts(candle.volume, exponent), decimal(candle.volume), decimal(candle.quote_volume))
        return f'[{_prices(candle)},{_quoted(*volumes)},"{candle.closed:d}"]'

    return render


def price_candle(candle: Candle) -> str:
    """A candle of the mark or index price, which has no volume."""
    return f'[{_prices(candle)},"{candle.closed:d}"]'


def settlement_of(instrument: str) -> Callable[[int, float], str]:
    """Renders settled funding of a contract; predicted and realised rate have been one since the venue settles the
    current period's."""

    def render(stamp_ms: int, rate: float) -> str:
        return (
            f'{{"formulaType":"withRate","fundingRate":"{decimal(rate)}","fundingTime":"{stamp_ms}",'
            f'"instId":"{instrument}","instType":"SWAP","method":"current_period","realizedRate":"{decimal(rate)}"}}'
        )

    return render


def levels(side: tuple[Level, ...], exponent: int) -> list[tuple[str, str, str, str]]:
    """One side of a book as (price, contracts, always 0, orders)."""
    return [(decimal(price), contracts(quantity, exponent), "0", "1") for price, quantity in side]


def running_rate(instrument: str, rate: float, due_ms: int, next_due_ms: int) -> dict[str, str]:
    """The funding rate of the running period, that it settles at `due_ms`, and when the next one will."""
    return {
        "formulaType": "withRate",
        "fundingRate": decimal(rate),
        "fundingTime": str(due_ms),
        "impactValue": "20000",
        "instId": instrument,
        "instType": "SWAP",
        "interestRate": "0.0001",
        "maxFundingRate": "0.015",
        "method": "current_period",
        "minFundingRate": "-0.015",
        "nextFundingRate": "",
        "nextFundingTime": str(next_due_ms),
        "premium": "0",
        "settFundingRate": decimal(rate),
        "settState": "settled",
    }


def last_day(day: Day, exponent: int) -> dict[str, str]:
    """The part of a ticker that is about the last 24 hours."""
    return {
        "last": decimal(day.last),
        "open24h": decimal(day.open),
        "high24h": decimal(day.high),
        "low24h": decimal(day.low),
        "volCcy24h": decimal(day.volume),
        "vol24h": contracts(day.volume, exponent),
    }


def touch(book: Book, exponent: int) -> dict[str, str]:
    """The part of a ticker that is the best bid and ask; nothing while the book is empty."""
    (ask, ask_size), (bid, bid_size) = (
        (decimal(side[0][0]), contracts(side[0][1], exponent)) if side else ("", "") for side in (book.asks, book.bids)
    )
    return {"askPx": ask, "askSz": ask_size, "bidPx": bid, "bidSz": bid_size}


def price_text(price: float) -> str:
    """A price, or nothing for NaN."""
    return "" if math.isnan(price) else decimal(price)


def _prices(candle: Candle) -> str:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return _quoted(str(candle.open_time), *map(decimal, prices))


def _quoted(*texts: str) -> str:
    return ",".join(f'"{text}"' for text in texts)
