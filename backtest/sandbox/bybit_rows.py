"""Rows as Bybit v5 writes them, every number as text: candles, settlements, tickers, levels of a book."""

from backtest.sandbox.book import Book, Level
from backtest.sandbox.candles import Candle, Day
from backtest.sandbox.text import decimal


def kline(candle: Candle) -> str:
    """A candle of the last price, with volume in coins and turnover in quote currency."""
    return f"[{_prices(candle)},{_quoted(candle.volume)},{_quoted(candle.quote_volume)}]"


def price_kline(candle: Candle) -> str:
    """A candle of the mark or index price, which has no volume."""
    return f"[{_prices(candle)}]"


def settlement(symbol: str, stamp_ms: int, rate: float) -> str:
    """A settled funding rate."""
    return f'{{"symbol":"{symbol}","fundingRate":{_quoted(rate)},"fundingRateTimestamp":"{stamp_ms}"}}'


def levels(side: tuple[Level, ...]) -> list[tuple[str, str]]:
    """One side of a book as (price, quantity)."""
    return [(decimal(price), decimal(quantity)) for price, quantity in side]


def touch_fields(book: Book) -> dict[str, str]:
    """Best bid and ask of a ticker; empty text while nothing trades."""
    bid, ask = (levels(side[:1])[0] if side else ("", "") for side in (book.bids, book.asks))
    return {"ask1Size": ask[1], "bid1Price": bid[0], "ask1Price": ask[0], "bid1Size": bid[1]}


def day_fields(day: Day) -> dict[str, str]:
    """The last 24 hours of a ticker; open interest, which the market does not have, is their volume."""
    return {
        "prevPrice24h": decimal(day.open),
        "price24hPcnt": decimal(round(day.last / day.open - 1, 6)),
        "highPrice24h": decimal(day.high),
        "lowPrice24h": decimal(day.low),
        "openInterest": decimal(day.volume),
        "openInterestValue": decimal(day.volume * day.last),
        "turnover24h": decimal(day.quote_volume),
        "volume24h": decimal(day.volume),
    }


def _prices(candle: Candle) -> str:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return f'"{candle.open_time}",{",".join(map(_quoted, prices))}'


def _quoted(value: float) -> str:
    return f'"{decimal(value)}"'
