"""Distortions of what a venue shows: prices and marks off by a factor, books crossed or empty, timestamps frozen.

Part of the sandbox's settings, and changed over HTTP by `/sandbox/distortions`. A distorted price is traded at: books,
last and mark prices, resting orders and liquidations follow it; candles and settlements do not.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from backtest.sandbox.book import Book, Level
from backtest.sandbox.text import multiple
from data.errors import ConfigurationError
from data.settings import Frozen, utc_ms
from data.types import Instrument

CROSSED_BY = 0.002
"""How far the bids of a crossed book lie above its asks."""


class Distortion(Frozen):
    """What is off, where and when; windows are of market time."""

    kind: Literal["price", "mark", "crossed", "empty", "frozen"] = Field(
        description="price: all prices times `factor`; mark: mark and index alone; crossed: bids above asks; empty: no "
        "book; frozen: timestamps of books and tickers stand still."
    )
    venue: str | None = Field(None, description="Which venue; empty: every one.")
    symbol: str | None = Field(None, description="Which contract, e.g. BTC/USDT:USDT; empty: every one.")
    factor: float = Field(1.0, gt=0, le=1000, description="Of `price` and `mark`.")
    begin: datetime | None = Field(None, description="From then, market time, UTC.")
    end: datetime | None = Field(None, description="Until then, market time, UTC.")

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if (self.kind in ("price", "mark")) != (self.factor != 1.0):
            raise ValueError("`price` and `mark` need a `factor` other than 1, and nothing else has one")
        if self.begin is not None and self.end is not None and utc_ms(self.end) <= utc_ms(self.begin):
            raise ValueError("`end` must be later than `begin`")
        return self

    def concerns(self, instrument: Instrument, now_ms: int) -> bool:
        """Whether the contract is distorted at `now_ms`."""
        return (
            self.venue in (None, instrument.venue)
            and self.symbol in (None, instrument.symbol)
            and (self.begin is None or utc_ms(self.begin) <= now_ms)
            and (self.end is None or now_ms < utc_ms(self.end))
        )


class Distortions:
    """Those that hold now."""

    def __init__(self, venues: Sequence[str]) -> None:
        """None; `venues` may be named."""
        self._venues = tuple(venues)
        self._told: tuple[tuple[Distortion, int], ...] = ()

    def replace(self, told: Iterable[Distortion], now_ms: int) -> None:
        """Distort by `told` and by nothing else, as told at `now_ms`; raises ConfigurationError for an unknown venue,
        and changes nothing."""
        listed = tuple((distortion, now_ms) for distortion in told)
        if unknown := sorted({d.venue for d, _ in listed if d.venue is not None} - set(self._venues)):
            raise ConfigurationError(
                f"a distortion names {', '.join(unknown)}, which the sandbox does not serve: choose from "
                f"{', '.join(self._venues)}"
            )
        self._told = listed

    def shown(self) -> list[dict[str, object]]:
        """Each as it was told."""
        return [distortion.model_dump(mode="json", exclude_defaults=True) for distortion, _ in self._told]

    def factor(self, instrument: Instrument, now_ms: int, *, mark: bool = False) -> float:
        """What the contract's prices are multiplied by, or its mark."""
        factor = 1.0
        for distortion, _ in self._told:
            if (distortion.kind == "price" or (mark and distortion.kind == "mark")) and distortion.concerns(
                instrument, now_ms
            ):
                factor *= distortion.factor
        return factor

    def book(self, book: Book, instrument: Instrument, now_ms: int) -> Book:
        """`book` as it is shown; its prices have their factor already."""
        kinds = {distortion.kind for distortion, _ in self._told if distortion.concerns(instrument, now_ms)}
        if "empty" in kinds:
            return Book((), ())
        if "crossed" in kinds and book.bids and book.asks:
            return Book(_moved(book.bids, 1 + CROSSED_BY, instrument), _moved(book.asks, 1 - CROSSED_BY, instrument))
        return book

    def stamp(self, instrument: Instrument, now_ms: int) -> int:
        """The time that books and tickers bear: now, or when they froze."""
        since = [
            told_ms if distortion.begin is None else utc_ms(distortion.begin)
            for distortion, told_ms in self._told
            if distortion.kind == "frozen" and distortion.concerns(instrument, now_ms)
        ]
        return min(since, default=now_ms)

    def edges(self) -> Iterator[int]:
        """Instants at which prices jump, and the last before each."""
        for distortion, _ in self._told:
            for edge in (distortion.begin, distortion.end):
                if edge is not None:
                    yield from (utc_ms(edge) - 1, utc_ms(edge))


def _moved(side: tuple[Level, ...], by: float, instrument: Instrument) -> tuple[Level, ...]:
    ticks = ((round(price * by / instrument.tick_size), size) for price, size in side)
    return tuple((multiple(count, instrument.tick_size), size) for count, size in ticks)
