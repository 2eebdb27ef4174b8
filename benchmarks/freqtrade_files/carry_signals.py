"""When the carry rule would enter and leave, from the funding of two venues; used by the freqtrade strategy and held to
our own features by a test. Needs pandas alone, as it runs in freqtrade's virtual environment too."""

import pandas as pd

TRAILING_HOURS = 72
HORIZON_HOURS = 72
ROUND_TRIP_COST_BPS = 20.0
"""Four taker fees and four half spreads at the default settings of Binance and Hyperliquid."""


def carry_signals(closes: pd.Series, own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """`spread` (fraction per hour, long this venue and short the other), `long`, `short`, `leave_long` and
    `leave_short` by the time at which a candle closes. `own` and `other`: `date` and `funding_rate`,
    a row for each settlement.

    Funding that settles as a candle closes is known by then.
    """
    spread = trailing_rate(closes, other) - trailing_rate(closes, own)
    pays = spread.abs() * HORIZON_HOURS * 1e4 > ROUND_TRIP_COST_BPS
    signals = {
        "spread": spread,
        "long": pays & (spread > 0),
        "short": pays & (spread < 0),
        "leave_long": spread < 0,
        "leave_short": spread > 0,
    }
    return pd.DataFrame(signals)


def trailing_rate(closes: pd.Series, funding: pd.DataFrame) -> pd.Series:
    """Mean rate per hour of what settled in the last 72 h, by row of `closes`, which are consecutive hours."""
    settled = funding.set_index("date")["funding_rate"].reindex(closes).fillna(0.0)
    return (settled.rolling(TRAILING_HOURS).sum() / TRAILING_HOURS).set_axis(closes.index)
