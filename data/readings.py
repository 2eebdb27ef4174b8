"""ccxt's unified answers read into this product's types, in units of the asset; used by the gateway.

A reader raises TypeError, ValueError or LookupError for an answer that is not what it should be; then it is asked for
again.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from data.profile import VenueProfile
from data.quotes import FundingNow, OrderBook, Quote
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

Answer = Mapping[str, Any]


def markets(answer: Mapping[str, Answer]) -> Mapping[str, Answer]:
    """All markets of a venue, of which there must be some."""
    if not answer:
        raise ValueError("no market at all")
    return answer


def tradable(market: Answer, profile: VenueProfile) -> bool:
    """Whether it is a linear perpetual in the venue's quote that trades now and names its steps."""
    steps = market["contractSize"], market["precision"]["amount"], market["precision"]["price"]
    kind = market["swap"] and market["linear"] and market["active"]
    return bool(kind and market["quote"] == market["settle"] == profile.quote and all(steps))


def instrument(market: Answer, profile: VenueProfile, interval_hours: int) -> Instrument:
    """A market with its steps and minima in units of the asset."""
    size, step = _decimal(market["contractSize"]), _decimal(market["precision"]["amount"])
    least = _decimal(market["limits"]["amount"]["min"] or 0) * (size if profile.minimum_in_contracts else 1)
    return Instrument(
        venue=profile.name,
        symbol=market["symbol"],
        asset=Asset.parse(market["base"]),
        quote=market["quote"],
        lot_step=float(step * size),
        tick_size=float(market["precision"]["price"]),
        min_notional=float(market["limits"]["cost"]["min"] or profile.min_notional),
        interval_hours=interval_hours,
        contract_size=float(size),
        min_quantity=float(least) if least > step * size else 0.0,
    )


def intervals(listed: Mapping[str, Answer], profile: VenueProfile) -> dict[str, int]:
    """Hours between settlements by symbol, where the answer names them."""
    told = {symbol: interval(row, profile) for symbol, row in listed.items()}
    return {symbol: hours for symbol, hours in told.items() if hours is not None}


def interval(row: Answer, profile: VenueProfile) -> int | None:
    """ccxt writes 8h, or the milliseconds where it has no word for them."""
    if profile.raw_interval and (raw := row["info"].get(profile.raw_interval)):
        return int(float(raw))
    told = row["interval"]
    if not told:
        return None
    return int(told[:-1]) if told.endswith("h") else round(float(told) / HOUR_MS)


def funding_now(row: Answer, interval_hours: int, next_ms: int | None) -> FundingNow | None:
    """What a contract is about to settle; None where the venue names no rate or time, as for one that expires."""
    settles = row["fundingTimestamp"] if next_ms is None else next_ms
    if row["fundingRate"] is None or not settles:
        return None
    return FundingNow(float(row["fundingRate"]), int(settles), interval_hours)


def settlement_rows(answer: Sequence[Answer]) -> list[tuple[int, float]]:
    """(stamp ms, rate) of each settlement."""
    return [(int(row["timestamp"]), float(row["fundingRate"])) for row in answer]


def settlements(rows: Sequence[tuple[int, float]]) -> Settlements:
    """Rows in order of time, each filed under the hour that its stamp is nearest to."""
    stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
    time = (stamps + HOUR_MS // 2) // HOUR_MS * HOUR_MS
    return Settlements(time, stamps - time, np.array([rate for _, rate in rows], dtype=np.float64))


def candle_rows(answer: Sequence[Sequence[Any]]) -> list[tuple[float, ...]]:
    """(open time ms, open, high, low, close, volume) of each candle."""
    # A price that is missing is kept as NaN: the lake leaves out that row alone, and says so.
    return [(int(row[0]), *(math.nan if number is None else float(number) for number in row[1:6])) for row in answer]


def bars(rows: Sequence[tuple[float, ...]], unit: float) -> Bars:
    """Candles in order of time, whose volume is told in `unit`s of the asset; 0: they have none."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    volume = table[:, 5] * unit if unit else np.zeros(len(table))
    first, highest, lowest, last = table[:, 1:5].T.copy()
    return Bars(table[:, 0].astype(np.int64), first, highest, lowest, last, volume)


def order_book(answer: Answer, contract_size: float) -> OrderBook:
    """A book whose sizes are told in contracts; raises ValueError for prices that are none."""
    bids, asks = (
        tuple((float(price), float(size) * contract_size) for price, size, *_ in answer[side])
        for side in ("bids", "asks")
    )
    if not all(0 < price < math.inf and 0 <= size < math.inf for price, size in (*bids, *asks)):
        raise ValueError("a book with a price or a size that is not a number above zero")
    told = answer.get("timestamp")
    return OrderBook(bids, asks, None if told is None else int(told))


def quote(row: Answer, now_ms: int) -> Quote | None:
    """The best prices of a ticker, of `now_ms` where it has no time; None where a side is empty."""
    bid, ask = float(row["bid"] or 0), float(row["ask"] or 0)
    return Quote(bid, ask, int(row["timestamp"] or now_ms)) if bid > 0 and ask > 0 else None


def turnover(row: Answer, profile: VenueProfile) -> float:
    """What was traded in 24 hours, in the quote currency; 0 where nothing was."""
    if profile.raw_turnover_asset:
        return float(row["info"][profile.raw_turnover_asset] or 0) * float(row["last"] or 0)
    return float(row["quoteVolume"] or 0) * profile.volume_share


def open_interest(row: Answer, profile: VenueProfile, contract_size: float) -> float:
    """Open interest in units of the asset."""
    facts = profile.open_interest
    amount = float(row["info"][facts.raw_field] if facts.raw_field else row["openInterestAmount"])
    return amount * facts.share * (contract_size if facts.in_contracts else 1.0)


def _decimal(number: Any) -> Decimal:
    return Decimal(str(number))
