"""Prices of one asset on several venues held against each other: multipliers, other coins, bad prints, disagreement.

A crash on every venue moves nothing here. Two venues that differ say that one is wrong; the one that jumped is.
"""

import numpy as np

from data.checks.aligned import Aligned, reference, without
from data.checks.arrays import Floats, Mask, in_windows, last_known, median, runs, scale, segments
from data.defects import Defect, Finding, found

WRONG_DECADES = 0.15
"""A price off by more (a factor of 1.41) is no basis: recorded, the worst hour is 9.6 % (SOL on OKX, 2022-11-10)."""
WHOLE_DECADES = 0.05
"""A level this near to a power of ten is one."""
OTHER_COIN_ROWS = 72
"""A level that is no power of ten convicts when it lasts; shorter, it may be a bad print."""
BAD_PRINT_LOG = 0.12
BAD_PRINT_ROWS = 3
"""A departure is taken for a bad print for this many hours; what still stands then has been traded at."""
DISAGREE_LOG = 0.01
DISAGREE_SD = 15.0
WICK_LOG = 0.12
BASIS_HOURS = 168
"""A basis is what is usual over a week."""


def check_prices(asset: Aligned) -> tuple[list[Finding], Aligned]:
    """What is wrong with prices, and the candles without what is quarantined."""
    findings = _levels(asset)
    asset = without(asset, findings)
    prints = _bad_prints(asset)
    asset = without(asset, prints)
    return findings + prints + _disagreements(asset) + _wicks(asset), asset


def _levels(asset: Aligned) -> list[Finding]:
    """Stretches at another level altogether."""
    price = np.log10(asset.close)
    off = price - reference(price)
    findings = []
    for column, key in enumerate(asset.keys):
        mine = off[:, column]
        known = np.flatnonzero(~np.isnan(mine))
        score = np.clip(np.abs(mine[known]), 0.0, 1.0) - WRONG_DECADES
        for first, end in segments(score, 0.1):
            decades = float(np.median(mine[known[first:end]]))
            whole = abs(decades - round(decades)) < WHOLE_DECADES and round(decades) != 0
            if not (whole or end - first >= OTHER_COIN_ROWS) or not _left(price, column, known, (first, end), decades):
                continue
            times = asset.time[known[first:end]]
            if whole:
                told = f"{len(times)} closes are 10^{round(decades)} times those of other venues"
                findings.append(found(Defect.MULTIPLIER, key, "bars", times, told))
            else:
                told = f"{len(times)} closes are {10.0**decades:.3g} times those of other venues: not the same coin"
                findings.append(found(Defect.OTHER_COIN, key, "bars", times, told))
    return findings


def _left(price: Floats, column: int, known: np.ndarray, stretch: tuple[int, int], decades: float) -> bool:
    """Whether this venue left the others rather than they it: it jumped at one end of the stretch, or nobody can be
    seen to have jumped, and then none of them is trusted."""
    first, end = known[stretch[0]], known[stretch[1] - 1]
    jumps = np.array([_jump(price[:, one], first, end) for one in range(price.shape[1])])
    mine, others = jumps[column], np.delete(jumps, column)
    three = np.sum(~np.isnan(price[first : end + 1]), axis=1).min() >= 3
    return bool(three or mine >= 0.5 * abs(decades) or not (others >= 0.5 * abs(decades)).any())


def _jump(price: Floats, first: int, end: int) -> float:
    """Decades by which a price changes as the rows first..end begin or end, the larger."""
    before = price[:first][~np.isnan(price[:first])][-1:]
    after = price[end + 1 :][~np.isnan(price[end + 1 :])][:1]
    inside = price[first : end + 1][~np.isnan(price[first : end + 1])]
    if not len(inside):
        return 0.0
    return float(np.abs(np.concatenate([before - inside[0], after - inside[-1], [0.0]])).max())


def _apart(asset: Aligned, name: str) -> Floats:
    """[T, V] log distance of a price from the other venues, less what was usual in the week before (in the first week,
    in it): what is there at an hour depends on nothing later."""
    price = np.log(getattr(asset, name))
    off = price - reference(price)
    week = median(in_windows(off, BASIS_HOURS), axis=1)
    before = np.concatenate([week[:1], week[:-1]])
    usual = np.where(np.isnan(before), week, before)
    return np.asarray(off - np.repeat(usual, BASIS_HOURS, axis=0)[: len(off)])


def _bad_prints(asset: Aligned) -> list[Finding]:
    """Opens and closes that left the other venues and their own past at once."""
    bad = np.zeros(asset.close.shape, dtype=np.bool_)
    worst = np.zeros(len(asset.keys))
    for name in ("open", "close"):
        apart = _apart(asset, name)
        for column in range(len(asset.keys)):
            own = np.log(getattr(asset, name)[:, column])
            before = last_known(np.log(asset.close[:, column]))
            for first, end in runs(np.abs(np.nan_to_num(apart[:, column])) >= BAD_PRINT_LOG):
                far = float(np.abs(apart[first:end, column]).max())
                if np.abs(own[first] - before[first]) >= 0.5 * abs(apart[first, column]):
                    bad[first : min(end, first + BAD_PRINT_ROWS), column] = True
                    worst[column] = max(worst[column], far)
    return [
        found(
            Defect.BAD_PRINT,
            key,
            "bars",
            asset.time[bad[:, column]],
            f"{int(bad[:, column].sum())} hours leave other venues and the hour before by {100 * worst[column]:.0f} %",
        )
        for column, key in enumerate(asset.keys)
        if bad[:, column].any()
    ]


def _disagreements(asset: Aligned) -> list[Finding]:
    apart = _apart(asset, "close")
    usual = scale(apart, axis=0)
    far = np.abs(np.nan_to_num(apart)) > np.maximum(DISAGREE_LOG, DISAGREE_SD * np.nan_to_num(usual))
    return [
        found(
            Defect.DISAGREEMENT,
            key,
            "bars",
            asset.time[first:end],
            f"closes up to {1e4 * float(np.abs(apart[first:end, column]).max()):.0f} bps from the other venues",
        )
        for column, key in enumerate(asset.keys)
        for first, end in runs(far[:, column])
    ]


def _wicks(asset: Aligned) -> list[Finding]:
    top, bottom = np.maximum(asset.open, asset.close), np.minimum(asset.open, asset.close)
    high, low = np.log(asset.high), np.log(asset.low)
    up: Mask = (high - np.log(top) >= WICK_LOG) & (high - reference(high) >= WICK_LOG)
    down: Mask = (np.log(bottom) - low >= WICK_LOG) & (reference(low) - low >= WICK_LOG)
    return [
        found(
            Defect.LONG_WICK,
            key,
            "bars",
            asset.time[wick],
            f"{int(wick.sum())} hours reach {100 * WICK_LOG:.0f} % or more beyond open, close and the other venues",
        )
        for column, key in enumerate(asset.keys)
        if (wick := up[:, column] | down[:, column]).any()
    ]
