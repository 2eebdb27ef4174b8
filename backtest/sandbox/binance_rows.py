"""Rows as Binance USD-M writes them: candles, settlements, levels of a book."""

import math

from backtest.sandbox.book import Level
from backtest.sandbox.candles import Candle
from backtest.sandbox.text import decimal
from data.types import HOUR_MS


def kline(candle: Candle) -> str:
    """A candle of the last price; half of its volume was bought by takers."""
    volume, quote = candle.volume, candle.quote_volume
    return (
        f"[{_prices(candle)},{_quoted(volume)},{candle.open_time + HOUR_MS - 1},{_quoted(quote)},{candle.trades},"
        f'{_quoted(volume / 2)},{_quoted(quote / 2)},"0"]'
    )


def price_kline(candle: Candle) -> str:
    """A candle of the mark or index price, which has no volume."""
    return f'[{_prices(candle)},"0",{candle.open_time + HOUR_MS - 1},"0",0,"0","0","0"]'


def settlement(symbol: str, stamp_ms: int, rate: float, mark_price: float) -> str:
    """A settled funding rate; a mark price of NaN is written as nothing, as the venue does for its oldest ones."""
    mark = "" if math.isnan(mark_price) else decimal(mark_price)
    rest = f'"fundingTime":{stamp_ms},"fundingRate":"{decimal(rate)}","markPrice":"{mark}"'
    return f'{{"symbol":"{symbol}",{rest}}}'


def levels(side: tuple[Level, ...]) -> list[tuple[str, str]]:
    """One side of a book as (price, quantity)."""
    return [(decimal(price), decimal(quantity)) for price, quantity in side]


def _prices(candle: Candle) -> str:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return f"{candle.open_time},{','.join(map(_quoted, prices))}"


def _quoted(value: float) -> str:
    return f'"{decimal(value)}"'
