"""A market in decimals: candles, settlements and order books by hour, as the second account looks them up."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import cached_property

from data.market import Market
from data.settings import DataSettings, VenueSettings
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey

LOWEST_TIER_BPS = {"binance": Decimal("5"), "hyperliquid": Decimal("4.5")}
"""What a taker pays where the settings do not say."""
DUST = Decimal("0.000001")
"""Of a tick: what dividing doubles may be off by where a price lies on a tick."""
MINUTE_MS = 60_000
PRICES = ("open", "high", "low", "close")

Level = tuple[Decimal, Decimal]
"""(price, units)."""


def exact(number: float) -> Decimal:
    """The decimal that a double stands for, as it is written."""
    return Decimal(repr(float(number)))


def in_steps(amount: Decimal, step: Decimal) -> Decimal:
    """Rounded down to whole steps; a billionth of a step short still counts as whole."""
    return (amount / step + Decimal("1e-9")).to_integral_value(ROUND_FLOOR) * step


@dataclass(frozen=True)
class OrderBook:
    """What rests around a price: `levels` on each side, half a spread (a tick at least) apart."""

    bid: Decimal
    ask: Decimal
    tick: Decimal
    lot: Decimal
    half_spread: Decimal
    level_quote: Decimal
    levels: int

    @cached_property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    def side(self, units: Decimal) -> Iterator[Level]:
        """The levels that an order of signed `units` takes from, best first."""
        apart = max((self.mid * self.half_spread / self.tick).to_integral_value(ROUND_HALF_EVEN), Decimal(1))
        best, way = (self.ask, 1) if units > 0 else (self.bid, -1)
        for level in range(self.levels):
            price = max(best + way * level * apart * self.tick, self.tick)
            yield price, max(in_steps(self.level_quote / price, self.lot), self.lot)

    def holds(self, units: Decimal) -> Decimal:
        """How many of signed `units` can be traded at all, without sign."""
        resting = Decimal(0)
        for _, size in self.side(units):
            resting += size
            if resting >= abs(units):
                return abs(units)
        return resting

    def price(self, units: Decimal) -> Decimal:
        """Average price of signed `units`; what no level holds is traded at the last one."""
        left, value, price = abs(units), Decimal(0), Decimal(0)
        for price, size in self.side(units):
            taken = min(left, size)
            value, left = value + taken * price, left - taken
            if not left:
                break
        return (value + left * price) / abs(units)


class MarketInDecimals:
    """Looks up one market; numbers become decimals when they are asked for."""

    def __init__(self, market: Market, data: DataSettings, delisted_after_hours: int, second_leg_delay_s: int) -> None:
        self.rules: dict[InstrumentKey, Instrument] = {one.key: one for one in market.instruments}
        self.venues: dict[str, VenueSettings] = data.venues
        self._candles = {key: candles(bars) for key, bars in market.bars.items()}
        self._rates = {key: rates_by_tick(market, key, data.decision_delay_s) for key in market.settlements}
        self._delisted_after = delisted_after_hours
        self._second_leg_ms = (data.decision_delay_s + second_leg_delay_s) * 1000 if second_leg_delay_s else 0

    def close(self, key: InstrumentKey, tick: int) -> Decimal | None:
        """Close of the candle that ended at the tick."""
        candle = self._candles[key].get(tick - HOUR_MS)
        return None if candle is None else exact(candle[3])

    def rate(self, key: InstrumentKey, tick: int) -> Decimal:
        """Funding that settled since the tick before."""
        return sum(map(exact, self._rates[key].get(tick, [])), Decimal(0))

    def is_gone(self, key: InstrumentKey, tick: int) -> bool:
        """Whether nothing has traded for so long that the market has been given up."""
        return not any(tick - (hours + 1) * HOUR_MS in self._candles[key] for hours in range(self._delisted_after))

    def first_book(self, key: InstrumentKey, tick: int) -> OrderBook | None:
        """What a decision at the tick meets: around the open of the hour. None in a gap."""
        return self._book(key, tick, 0)

    def second_book(self, key: InstrumentKey, tick: int) -> OrderBook | None:
        """What its second leg meets."""
        return self._book(key, tick, self._second_leg_ms)

    def _book(self, key: InstrumentKey, tick: int, after_ms: int) -> OrderBook | None:
        candle = self._candles[key].get(tick)
        if candle is None:
            return None
        rule, shown = self.rules[key], self.venues[key[0]]
        half, step, price = exact(shown.half_spread_bps) / 10_000, exact(rule.tick_size), within(candle, after_ms)
        return OrderBook(
            bid=((price - price * half) / step + DUST).to_integral_value(ROUND_FLOOR) * step,
            ask=((price + price * half) / step - DUST).to_integral_value(ROUND_CEILING) * step,
            tick=step,
            lot=exact(rule.lot_step),
            half_spread=half,
            level_quote=exact(shown.level_quote),
            levels=shown.levels,
        )

    def taker_fee(self, venue: str) -> Decimal:
        fee_bps = self.venues[venue].taker_fee_bps
        return (LOWEST_TIER_BPS[venue] if fee_bps is None else exact(fee_bps)) / 10_000

    def maintenance(self, venue: str) -> Decimal:
        return exact(self.venues[venue].maintenance_margin)

    def leverage(self, venue: str) -> Decimal | None:
        """Of isolated margin; None: cross margin."""
        told = self.venues[venue]
        return exact(told.leverage) if told.margin_mode == "isolated" else None


def candles(bars: Bars) -> dict[int, tuple[float, ...]]:
    """(open, high, low, close) by the hour at which they begin."""
    prices = zip(*(getattr(bars, name).tolist() for name in PRICES), strict=True)
    return dict(zip(bars.open_time.tolist(), prices, strict=True))


def within(candle: tuple[float, ...], after_ms: int) -> Decimal:
    """The price so long into an hour: five minutes at the open, then the nearer extreme at 20 minutes, the further one
    at 40, the close at 60, and straight lines between them."""
    first, high, low, last = map(exact, candle)
    near, far = (low, high) if first - low <= high - first else (high, low)
    corners = [(0, first), (5, first), (20, near), (40, far), (60, last)]
    for (begin, before), (end, after) in zip(corners, corners[1:], strict=False):
        if after_ms <= end * MINUTE_MS:
            return before + (after - before) * (after_ms - begin * MINUTE_MS) / ((end - begin) * MINUTE_MS)
    raise ValueError(f"{after_ms} ms are more than an hour")


def rates_by_tick(market: Market, key: InstrumentKey, delay_s: int) -> dict[int, list[float]]:
    """Rates by the first hour whose decision comes after the venue's stamp."""
    settlements, rates = market.settlements[key], dict[int, list[float]]()
    for time, offset, rate in zip(
        settlements.time.tolist(), settlements.offset_ms.tolist(), settlements.rate.tolist(), strict=True
    ):
        late = max(time + offset - (time + delay_s * 1000), 0)
        rates.setdefault(time + -(-late // HOUR_MS) * HOUR_MS, []).append(rate)
    return rates
