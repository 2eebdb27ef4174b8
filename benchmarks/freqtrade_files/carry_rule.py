"""The carry rule as a strategy of freqtrade, which loads this file by its folder; never imported by us.

What differs from our rule, as freqtrade trades one exchange: docs in `benchmarks/freqtrade.py`.
"""

import pandas as pd
from carry_signals import carry_signals
from freqtrade.strategy import IStrategy


class CarryRule(IStrategy):
    """Long where funding is lower than on the other venue, short where it is higher, when 72 h of it pay the costs."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    can_short = True
    startup_candle_count = 72
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads it so
    stoploss = -0.99
    process_only_new_candles = True

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """Both venues' funding, from freqtrade's own store."""
        base, _, quotes = metadata["pair"].partition("/")
        partner = base.removesuffix("H") if base.endswith("H") else f"{base}H"
        own, other = (
            self.dp.get_pair_dataframe(pair, "1h", candle_type="funding_rate")
            for pair in (metadata["pair"], f"{partner}/{quotes}")
        )
        signals = carry_signals(dataframe["date"] + pd.Timedelta(hours=1), own, other)
        return dataframe.join(signals)

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """On the next candle's open."""
        dataframe["enter_long"] = dataframe["long"].astype(int)
        dataframe["enter_short"] = dataframe["short"].astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """When the spread has turned."""
        dataframe["exit_long"] = dataframe["leave_long"].astype(int)
        dataframe["exit_short"] = dataframe["leave_short"].astype(int)
        return dataframe
