"""What Binance USD-M says when an account refuses: codes and words. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, error codes.
"""

from collections.abc import Mapping

from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.binance_rules import RefusedError

_SAID: Mapping[Refusal, tuple[int, str]] = {
    Refusal.MAY_NOT_TRADE: (-2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.QUANTITY_ZERO: (-4003, "Quantity less than or equal to zero."),
    Refusal.QUANTITY_STEP: (-1111, "Precision is over the maximum defined for this asset."),
    Refusal.QUANTITY_SMALL: (-4004, "Quantity less than min quantity."),
    Refusal.PRICE_ZERO: (-4001, "Price less than 0."),
    Refusal.PRICE_STEP: (-1111, "Precision is over the maximum defined for this asset."),
    Refusal.NOTIONAL_SMALL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    Refusal.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.MARGIN_SHORT: (-2019, "Margin is insufficient."),
    Refusal.WOULD_NOT_REDUCE: (-2022, "ReduceOnly Order is rejected."),
    Refusal.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be "
        "recorded in the order history",
    ),
    Refusal.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Refusal.WRONG_SIDE: (-4061, "Order's position side does not match user's setting."),
    Refusal.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Refusal.NO_LEVERAGE: (-4028, "Leverage {} is not valid"),
    Refusal.MARGIN_MODE_SAME: (-4046, "No need to change margin type."),
    Refusal.MODE_SAME: (-4059, "No need to change position side."),
    Refusal.HOLDS_POSITION: (-4068, "Position side cannot be changed if there exists position."),
    Refusal.HOLDS_ORDER: (-4067, "Position side cannot be changed if there exists open orders."),
}
UNKNOWN_TO_CANCEL = RefusedError(-2011, "Unknown order sent.")


def said(refusal: OrderRefused) -> RefusedError:
    """The venue's code and words."""
    if refusal.reason is Refusal.TOLD:
        return RefusedError(int(refusal.code), refusal.detail)
    code, words = _SAID[refusal.reason]
    return RefusedError(code, words.format(refusal.detail))
