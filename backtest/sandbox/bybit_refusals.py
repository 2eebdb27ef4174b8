"""What Bybit v5 says where an account refuses: codes and words. Used by `bybit_account`.

Sources: bybit-exchange.github.io/docs/v5/error; the words that ccxt 4.5.90 quotes in its table of errors, and those of
110017 and 110094 as clients report them. Without a source for its words: 10001 for steps and sides.
"""

from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.bybit_rules import PARAMETER_ERROR, RefusedError

_SAID: dict[Refusal, tuple[int, str]] = {
    Refusal.MAY_NOT_TRADE: (10005, "Permission denied, please check your API key permissions."),
    Refusal.UNKNOWN_SYMBOL: (PARAMETER_ERROR, "params error: symbol invalid"),
    Refusal.QUANTITY_ZERO: (PARAMETER_ERROR, "Qty invalid"),
    Refusal.QUANTITY_STEP: (PARAMETER_ERROR, "Qty invalid"),
    Refusal.QUANTITY_SMALL: (PARAMETER_ERROR, "The number of contracts exceeds minimum limit allowed"),
    Refusal.PRICE_ZERO: (PARAMETER_ERROR, "Price invalid"),
    Refusal.PRICE_STEP: (PARAMETER_ERROR, "Price invalid"),
    Refusal.NOTIONAL_SMALL: (110094, "Order does not meet minimum order value {detail}USDT"),
    Refusal.DUPLICATE_ID: (110072, "OrderLinkedID is duplicate"),
    Refusal.MARGIN_SHORT: (110007, "ab not enough for new order"),
    Refusal.WOULD_NOT_REDUCE: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Refusal.WRONG_SIDE: (PARAMETER_ERROR, "position idx not match position mode"),
    Refusal.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    Refusal.NO_LEVERAGE: (PARAMETER_ERROR, "leverage invalid"),
    Refusal.MODE_SAME: (110025, "Position mode is not modified"),
    Refusal.HOLDS_POSITION: (110024, "You have an existing position, so the position mode cannot be switched."),
    Refusal.HOLDS_ORDER: (110028, "You have existing open orders, so the position mode cannot be switched."),
}


def said(refused: OrderRefused) -> RefusedError:
    """The venue's answer to what the account refused."""
    if refused.reason is Refusal.TOLD:
        return RefusedError(refused.detail, int(refused.code))
    code, words = _SAID[refused.reason]
    return RefusedError(words.format(detail=refused.detail.removesuffix(".0")), code)
