"""Which dialect each venue speaks that orders can be sent to. Used by `account`."""

from collections.abc import Mapping

from bot.execution.live.binance import Binance
from bot.execution.live.bybit import Bybit
from bot.execution.live.dialect import Dialect
from bot.execution.live.hyperliquid import Hyperliquid
from bot.execution.live.okx import Okx

DIALECTS: Mapping[str, type[Dialect]] = {
    "binance": Binance,
    "bybit": Bybit,
    "hyperliquid": Hyperliquid,
    "okx": Okx,
}
