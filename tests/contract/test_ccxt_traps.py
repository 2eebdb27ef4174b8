"""What stock ccxt does with accounts that surprises: whoever trades through it, or updates it, sees it here first.

No answer is asked for over the network: raw rows in the venues' documented shape go through ccxt's own parsers.
"""

from typing import Any

import ccxt
import pytest

MARKET = {
    "id": "BTCUSDT", "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT", "baseId": "BTC",
    "quoteId": "USDT", "settleId": "USDT", "type": "swap", "spot": False, "margin": False, "swap": True,
    "future": False, "option": False, "active": True, "contract": True, "linear": True, "inverse": False,
    "contractSize": 1.0, "precision": {"amount": 0.001, "price": 0.1},
    "limits": {"amount": {"min": 0.001, "max": None}, "cost": {"min": 100.0, "max": None}},
}  # fmt: skip


def client(kind: str, **options: Any) -> Any:
    exchange = getattr(ccxt, kind)(options)
    exchange.set_markets([MARKET])
    return exchange


def test_bybit_tells_funding_that_was_paid_as_positive_and_binance_as_negative() -> None:
    paid_on_bybit = {"symbol": "BTCUSDT", "execType": "Funding", "execTime": "1710950400000", "execFee": "0.25"}
    paid_on_binance = {
        "symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.25", "asset": "USDT", "time": 1710950400000,
        "tranId": "1", "tradeId": "",
    }  # fmt: skip

    assert 0.25 == client("bybit").parse_income(paid_on_bybit)["amount"]
    assert -0.25 == client("binanceusdm").parse_income(paid_on_binance)["amount"]


@pytest.mark.parametrize(("asked", "sent"), [(0.0019, "0.001"), (1.99999, "1.999")])
def test_quantities_are_cut_and_not_rounded(asked: float, sent: str) -> None:
    assert sent == client("binanceusdm").amount_to_precision("BTC/USDT:USDT", asked)


def test_a_quantity_below_one_step_raises_but_one_below_the_smallest_order_does_not() -> None:
    binance = client("binanceusdm")
    with pytest.raises(ccxt.InvalidOrder):
        binance.amount_to_precision("BTC/USDT:USDT", 0.0009)
    smallest = binance.market("BTC/USDT:USDT")["limits"]["cost"]["min"]
    assert 0.001 * 50_000 < smallest and "0.001" == binance.amount_to_precision("BTC/USDT:USDT", 0.001)


def test_numbers_can_be_kept_as_the_text_that_the_venue_sent() -> None:
    row = {"symbol": "BTCUSDT", "execType": "Funding", "execTime": "1710950400000", "execFee": "0.10232512000000001"}
    assert "0.10232512000000001" == client("bybit", number=str).parse_income(row)["amount"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("bybit", {"orderId": "a11e5fe2", "orderLinkId": "fb-1"}),
        ("okx", {"ordId": "312269865356374016", "clOrdId": "fb1", "tag": "", "sCode": "0", "sMsg": ""}),
    ],
)
def test_a_created_order_comes_back_with_ids_and_neither_fill_nor_fee(kind: str, answer: dict[str, str]) -> None:
    order = client(kind).parse_order(answer)

    assert order["id"] in answer.values() and order["clientOrderId"] in answer.values()
    assert (None, None, None) == (order["filled"], order["average"], order["status"])
    assert not order["fee"] and not order["fees"]


def test_a_binance_order_whose_answer_was_cut_has_no_id_and_raises_nothing() -> None:
    assert client("binanceusdm").parse_order({}, MARKET)["id"] is None
