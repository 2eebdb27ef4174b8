"""The kinds of bad market data and what was found of them; made by `data.checks`, told by the collector.

Rows are never mended: those that cannot be trusted are moved to the lake's quarantine by `bot data check --set-aside`,
every other finding is only told.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.types import InstrumentKey

Table = Literal["bars", "marks", "indices", "settlements"]
Times = NDArray[np.int64]


class Defect(StrEnum):
    """Every kind of defect that the checks tell apart; the table in docs/data_quality.md is generated from it."""

    quarantined: bool
    """Whether its rows cannot be trusted and belong into quarantine."""
    meaning: str

    def __new__(cls, value: str, quarantined: bool, meaning: str) -> "Defect":
        """A member: what is written beside a row, whether that row is quarantined, and what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.quarantined = quarantined
        member.meaning = meaning
        return member

    # One row, or one series by itself
    IMPOSSIBLE = "impossible", True, "a row that cannot be true by itself (`data/quality.py`)"
    REPEATED = "repeated", False, "the same row twice: the same key with the same values"
    CONFLICT = "conflict", True, "two rows of one key with different values, and nothing says which is right"
    UNFINISHED = "unfinished", True, "a candle stored before its hour was over: a later download reaches further"
    GAP = "gap", False, "rows are missing within a series, against the interval in force"
    ENDED = "ended", False, "a series ends while others go on: delisted, or no longer collected"
    HISTORY_CUT = "history_cut", False, "settlements reach back about three months only, candles further"

    # Settlements
    STRAY = "stray", True, "a settlement at an hour at which the contract does not settle"
    SHIFTED = "shifted", True, "a run of stamps in local time: off the venue's clock, or off the other venues' prices"
    LATE_STAMP = "late_stamp", False, "a stamp more than a minute from its hour; the settlement keeps hour and offset"
    INTERVAL_CHANGE = "interval_change", False, "the venue changed the hours between two settlements"
    DEFAULT_RATE = "default_rate", False, "share of a series that is exactly the venue's default rate: normal"
    CLIPPED_RATE = "clipped_rate", False, "rates that repeat the largest of the series exactly: clipped at a cap"
    BEYOND_CAP = "beyond_cap", True, "a rate larger than the venue allows"
    RATE_UNIT = "rate_unit", True, "rates in another unit (percent, per hour or per 8 h, annualised)"
    RATE_LEVEL = "rate_level", False, "rates far from those of the other venues, and no unit explains it: stress"

    # Candles
    FROZEN = "frozen", True, "a price that stands still without volume while it moves elsewhere: the venue was down"
    ZERO_VOLUME = "zero_volume", False, "hours in which nothing traded: the price is that of an earlier hour"
    BAD_PRINT = "bad_print", True, "an open or close that leaves the other venues and the hour before by 12 % or more"
    OUTLIER = (
        "outlier",
        False,
        "a price move out of all proportion to the series itself: a crash, or nothing to compare",
    )
    DISAGREEMENT = (
        "disagreement",
        False,
        "a price far from those of the other venues, but within what crashes have done",
    )
    LONG_WICK = "long_wick", False, "a high or low far beyond open and close that no other venue saw"
    VOLUME_UNIT = (
        "volume_unit",
        True,
        "volume in contracts: it jumps 30-fold or more against other venues, or is whole",
    )
    VOLUME_LEVEL = "volume_level", False, "volume that jumps tenfold against other venues, as markets do at times"
    MULTIPLIER = "multiplier", True, "a price off by a power of ten: 1000PEPE taken for PEPE"
    OTHER_COIN = "other_coin", True, "prices that do not belong together: two coins with one name"


@dataclass(frozen=True)
class Finding:
    """One defect in one series."""

    defect: Defect
    venue: str
    symbol: str
    table: Table
    first_ms: int
    """The first time that it concerns: a row's, or that of the first missing one."""
    last_ms: int
    rows: int
    """How many rows have it; of a gap, how many are missing."""
    detail: str
    """What was seen, with figures, for people."""
    times: Times = field(compare=False, repr=False)
    """[n] times of the rows that have it, ascending; of a gap, none."""

    @property
    def key(self) -> InstrumentKey:
        """Whose rows they are."""
        return self.venue, self.symbol

    def __str__(self) -> str:
        return f"{self.venue} {self.symbol} {self.table}: {self.detail}"


def found(defect: Defect, key: InstrumentKey, table: Table, times: Times, detail: str) -> Finding:
    """The finding that the rows of `times` (at least one, ascending) have `defect`."""
    return Finding(defect, *key, table, int(times[0]), int(times[-1]), len(times), detail, times)


def absent(defect: Defect, key: InstrumentKey, table: Table, span: tuple[int, int], rows: int, detail: str) -> Finding:
    """The finding that `rows` rows are not there in `span`, both ends included."""
    return Finding(defect, *key, table, *span, rows, detail, np.empty(0, dtype=np.int64))


def defect_table() -> str:
    """The table of docs/data_quality.md."""
    rows = "".join(
        f"| `{one.value}` | {'quarantined' if one.quarantined else 'reported'} | {one.meaning} |\n" for one in Defect
    )
    return f"| defect | its rows are | what it is |\n|---|---|---|\n{rows}"
