"""Orders at Binance USD-M: placing, asking and cancelling them, and what they filled. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, trade endpoints.
"""

from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Order, Status
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.binance_account_rows import acknowledged, algo_row, order_row
from backtest.sandbox.binance_histories import past_orders, trades
from backtest.sandbox.binance_refusals import UNKNOWN_TO_CANCEL
from backtest.sandbox.binance_rules import RefusedError, whole_number
from backtest.sandbox.binance_symbols import Symbols
from backtest.sandbox.binance_tickets import Query, stop_ticket, ticket

ALL_DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}


class BinanceOrders:
    """The endpoints. Each public method takes (parameters, account) and gives what is answered."""

    def __init__(self, symbols: Symbols) -> None:
        """Over contracts of these names."""
        self._symbols = symbols

    def place(self, query: Query, account: Account) -> Any:
        """A LIMIT or MARKET order: as it stands after it met the book if newOrderRespType asks for that."""
        order = place(account, ticket(query, self._symbols.named(query), account))
        row = self._order(order)
        return row if query.get("newOrderRespType") == "RESULT" else acknowledged(row)

    def order(self, query: Query, account: Account) -> Any:
        """One order, live or not, by its number or the client's id."""
        return self._order(self._found(query, account))

    def open_order(self, query: Query, account: Account) -> Any:
        """One live order."""
        order = self._found(query, account)
        if not order.live:
            raise OrderRefused(Refusal.UNKNOWN_ORDER)
        return self._order(order)

    def open_orders(self, query: Query, account: Account) -> Any:
        """Live orders of a contract, or of all."""
        return [self._order(o) for o in account.open_orders(self._symbols.maybe(query)) if o.ticket.trigger is None]

    def all_orders(self, query: Query, account: Account) -> Any:
        """Orders of a contract, live or not, in pages."""
        symbol = self._symbols.named(query)
        return [self._order(order) for order in past_orders(query, account, symbol)]

    def cancel(self, query: Query, account: Account) -> Any:
        """Cancel one order."""
        try:
            return self._order(account.cancel(self._found(query, account)))
        except OrderRefused:
            raise UNKNOWN_TO_CANCEL from None

    def cancel_all(self, query: Query, account: Account) -> Any:
        """Cancel every order of a contract, but for stops."""
        symbol = self._symbols.named(query)
        for order in account.live_orders():
            if order.ticket.symbol == symbol and order.ticket.trigger is None:
                account.end(order, Status.CANCELLED)
        return ALL_DONE

    def countdown(self, query: Query, account: Account) -> Any:
        """Cancel every order of a contract once so much market time has passed without this being asked again."""
        symbol, wait = self._symbols.named(query), whole_number(query, "countdownTime")
        account.dead_man(wait or 0, symbol)
        return {"symbol": query["symbol"], "countdownTime": str(wait or 0)}

    def place_stop(self, query: Query, account: Account) -> Any:
        """A stop, or a take-profit, at market."""
        return self._algo(place(account, stop_ticket(query, self._symbols.named(query), account)))

    def stop(self, query: Query, account: Account) -> Any:
        """One of them, live or not."""
        return self._algo(self._found_stop(query, account))

    def cancel_stop(self, query: Query, account: Account) -> Any:
        """Cancel one of them."""
        try:
            order = account.cancel(self._found_stop(query, account))
        except OrderRefused:
            raise UNKNOWN_TO_CANCEL from None
        return {"algoId": order.number, "clientAlgoId": order.ticket.client_id, "code": "200", "msg": "success"}

    def open_stops(self, query: Query, account: Account) -> Any:
        """Those that wait."""
        symbol = self._symbols.maybe(query)
        return [self._algo(o) for o in account.open_orders(symbol) if o.ticket.trigger is not None]

    def user_trades(self, query: Query, account: Account) -> Any:
        """The account's trades in a contract, in pages."""
        return trades(query, account, self._symbols.named(query), query["symbol"])

    def _found(self, query: Query, account: Account) -> Order:
        symbol, number, name = (
            self._symbols.named(query),
            whole_number(query, "orderId"),
            query.get("origClientOrderId"),
        )
        if number is None and not name:
            raise RefusedError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return account.find(symbol=symbol, number=number, client_id=name or None)

    def _found_stop(self, query: Query, account: Account) -> Order:
        number, name = whole_number(query, "algoId"), query.get("clientAlgoId")
        if number is None and not name:
            raise RefusedError(-1102, "Param 'clientAlgoId' or 'algoId' must be sent, but both were empty/null!")
        return account.find(number=number, client_id=name or None)

    def _order(self, order: Order) -> dict[str, Any]:
        return order_row(order, self._symbols.ids[order.ticket.symbol])

    def _algo(self, order: Order) -> dict[str, Any]:
        return algo_row(order, self._symbols.ids[order.ticket.symbol])
