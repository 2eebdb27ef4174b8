"""Which dialect each venue speaks that orders can be sent to. Used by `account`."""

from collections.abc import Mapping

from bot.execution.live.binance import Binance
from bot.execution.live.dialect import Dialect
from bot.execution.live.hyperliquid import Hyperliquid

DIALECTS: Mapping[str, type[Dialect]] = {"binance": Binance, "hyperliquid": Hyperliquid}
