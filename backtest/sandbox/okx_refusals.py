"""What OKX v5 says where an account refuses: codes and words. Used by `okx_account` and `okx_orders`.

Source: okx.com/docs-v5, error codes ("API Class", "Trade Class", "Account Class"), all of them with status 200.
"""

from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.okx_rules import RefusedError

_SAID: dict[Refusal, tuple[str, str]] = {
    Refusal.MAY_NOT_TRADE: ("50120", "This API key doesn't have permission to use this function"),
    Refusal.UNKNOWN_SYMBOL: ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    Refusal.QUANTITY_ZERO: ("51000", "Parameter sz error"),
    Refusal.QUANTITY_STEP: ("51121", "Order quantity must be a multiple of the lot size."),
    Refusal.QUANTITY_SMALL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.PRICE_ZERO: ("51000", "Parameter px error"),
    Refusal.PRICE_STEP: ("51150", "The precision of the order amount or price exceeds the limit."),
    Refusal.NOTIONAL_SMALL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.DUPLICATE_ID: ("51016", "Client order ID already exists."),
    Refusal.MARGIN_SHORT: ("51008", "Order failed. Insufficient USDT margin in account"),
    Refusal.WOULD_NOT_REDUCE: (
        "51169",
        "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
    ),
    Refusal.WRONG_SIDE: ("51000", "Parameter posSide error"),
    Refusal.UNKNOWN_ORDER: ("51603", "Order does not exist."),
    Refusal.NO_LEVERAGE: ("59102", "Leverage exceeds the maximum limit. Please lower the leverage."),
    Refusal.HOLDS_POSITION: (
        "59000",
        "Settings failed. Close any open positions or orders before modifying settings.",
    ),
    Refusal.HOLDS_ORDER: ("59000", "Settings failed. Close any open positions or orders before modifying settings."),
}


def said(refused: OrderRefused) -> RefusedError:
    """The venue's answer to what the account refused."""
    if refused.reason is Refusal.TOLD:
        return RefusedError(refused.code, refused.detail, 200)
    code, words = _SAID[refused.reason]
    return RefusedError(code, words, 200)
