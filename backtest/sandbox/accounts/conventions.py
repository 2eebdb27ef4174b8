"""How the venues' accounts differ where a dialect alone cannot say it: ids, leverage, names of the venue's own orders.

Sources: Binance USD-M (developers.binance.com, usds-margined-futures: -4116 counts open orders only; changelog:
"autoclose-" and "adl_autoclose"), Bybit v5 (orderLinkId: 110072), OKX v5 (clOrdId: 51016), Hyperliquid (cloid).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backtest.sandbox.accounts.records import Origin


@dataclass(frozen=True)
class Conventions:
    """Of one venue."""

    ids_for_ever: bool
    """Whether a client id may never come back; else only not while an order of that name is live."""
    leverage: int
    """Before any is set; less where the maintenance margin does not allow it."""
    reduce_only_below_minimum: bool = True
    """Whether a reduce-only order may be smaller than the least notional."""
    names: Mapping[Origin, str] = field(default_factory=dict)
    """How the client ids of orders begin that no client sent; those without a beginning are empty."""


CONVENTIONS: Mapping[str, Conventions] = {
    "binance": Conventions(
        ids_for_ever=False,
        leverage=20,
        names={
            Origin.HAND: "web_",
            Origin.LIQUIDATION: "autoclose-",
            Origin.DELEVERAGING: "adl_autoclose",
            Origin.DELISTING: "settlement_autoclose-",
        },
    ),
    "bybit": Conventions(ids_for_ever=True, leverage=10),
    "hyperliquid": Conventions(ids_for_ever=False, leverage=20),
    "okx": Conventions(ids_for_ever=True, leverage=3),
}
"""By venue."""
