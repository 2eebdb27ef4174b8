"""The signed side of Binance USD-M futures: a translation of `accounts` into the venue's JSON, and back.

Source: developers.binance.com, usds-margined-futures, trade and account endpoints. Left out: batches, changes of
resting orders, user streams, and conditional orders other than stops at market. One endpoint is of the wallet's API:
what the key may do.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Order, Status
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.setup import set_hedge, set_isolated, set_leverage
from backtest.sandbox.answers import json_response
from backtest.sandbox.binance_account_rows import (
    account_row,
    acknowledged,
    algo_row,
    money_row,
    older_risk_row,
    order_row,
    risk_row,
    text,
)
from backtest.sandbox.binance_histories import incomes, past_orders, trades
from backtest.sandbox.binance_refusals import UNKNOWN_TO_CANCEL, said
from backtest.sandbox.binance_rules import RefusedError, required, symbol_id, whole_number
from backtest.sandbox.binance_signature import verified
from backtest.sandbox.binance_tickets import Query, stop_ticket, ticket
from backtest.sandbox.text import json_text

NAME = "binance"
DONE = {"code": 200, "msg": "success"}
ALL_DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}

Answer = Callable[[Query, Account], Any]
"""(parameters, account moved to now) -> what is answered as JSON; refuses by RefusedError or OrderRefused."""


def routes(accounts: Accounts) -> list[web.RouteDef]:
    """Every endpoint; what the venue would refuse is answered with status 400, or 401 for the key, and its code."""
    venue = BinanceAccount(accounts)
    futures: dict[tuple[str, str], Answer] = {
        ("POST", "v1/order"): venue.place,
        ("GET", "v1/order"): venue.order,
        ("DELETE", "v1/order"): venue.cancel,
        ("GET", "v1/openOrder"): venue.open_order,
        ("GET", "v1/openOrders"): venue.open_orders,
        ("GET", "v1/allOrders"): venue.all_orders,
        ("DELETE", "v1/allOpenOrders"): venue.cancel_all,
        ("POST", "v1/countdownCancelAll"): venue.countdown,
        ("POST", "v1/algoOrder"): venue.place_stop,
        ("GET", "v1/algoOrder"): venue.stop,
        ("DELETE", "v1/algoOrder"): venue.cancel_stop,
        ("GET", "v1/openAlgoOrders"): venue.open_stops,
        ("GET", "v1/userTrades"): venue.user_trades,
        ("GET", "v1/income"): venue.income,
        ("GET", "v2/balance"): venue.balance,
        ("GET", "v3/balance"): venue.balance,
        ("GET", "v2/account"): venue.account,
        ("GET", "v3/account"): venue.account,
        ("GET", "v2/positionRisk"): venue.older_positions,
        ("GET", "v3/positionRisk"): venue.positions,
        ("GET", "v1/leverageBracket"): venue.brackets,
        ("POST", "v1/leverage"): venue.leverage,
        ("POST", "v1/marginType"): venue.margin_type,
        ("GET", "v1/positionSide/dual"): venue.position_mode,
        ("POST", "v1/positionSide/dual"): venue.set_position_mode,
        ("GET", "v1/symbolConfig"): venue.symbol_config,
        ("GET", "v1/accountConfig"): venue.account_config,
        ("GET", "v1/commissionRate"): venue.commission,
        ("GET", "v1/apiTradingStatus"): lambda query, account: {"indicators": {}, "updateTime": account.now_ms},
    }
    wallet: dict[tuple[str, str], Answer] = {
        ("GET", "v1/account/apiRestrictions"): venue.restrictions,
        ("GET", "v1/capital/config/getall"): lambda query, account: [],
        ("GET", "v1/margin/allPairs"): lambda query, account: [],
    }
    paths = {f"/{NAME}/{api}/": told for api, told in (("fapi", futures), ("sapi", wallet))}
    return [
        web.route(method, prefix + path, _handler(accounts, answer))
        for prefix, told in paths.items()
        for (method, path), answer in told.items()
    ]


def _handler(accounts: Accounts, answer: Answer) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        query, body = request.raw_path.partition("?")[2], (await request.read()).decode("utf-8", "replace")
        try:
            wall_ms = int(accounts.wall_s() * 1000)
            told = verified(request.headers.get("X-MBX-APIKEY"), query, body, accounts.settings, wall_ms)
            with accounts.at(NAME) as account:
                return json_response(json_text(answer(told, account)))
        except OrderRefused as refusal:
            return _refused(said(refusal))
        except RefusedError as refusal:
            return _refused(refusal)

    return handle


def _refused(refusal: RefusedError) -> web.Response:
    status = 401 if refusal.code in (-2014, -2015) else 400
    return json_response(json_text({"code": refusal.code, "msg": refusal.message}), status=status)


class BinanceAccount:
    """The endpoints. Each public method takes (parameters, account) and gives what is answered."""

    def __init__(self, accounts: Accounts) -> None:
        """Over the account at this venue."""
        listed = (i for i in accounts.world.market.instruments if i.venue == NAME)
        self._symbols = {symbol_id(instrument): instrument.symbol for instrument in listed}
        self._ids = {symbol: name for name, symbol in self._symbols.items()} | {"": ""}

    def place(self, query: Query, account: Account) -> Any:
        """A LIMIT or MARKET order: as it stands after it met the book if newOrderRespType asks for that."""
        order = place(account, ticket(query, self._symbol(query, account), account))
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
        return [self._order(o) for o in account.open_orders(self._maybe(query, account)) if o.ticket.trigger is None]

    def all_orders(self, query: Query, account: Account) -> Any:
        """Orders of a contract, live or not, in pages."""
        symbol = self._symbol(query, account)
        return [self._order(order) for order in past_orders(query, account, symbol)]

    def cancel(self, query: Query, account: Account) -> Any:
        """Cancel one order."""
        try:
            return self._order(account.cancel(self._found(query, account)))
        except OrderRefused:
            raise UNKNOWN_TO_CANCEL from None

    def cancel_all(self, query: Query, account: Account) -> Any:
        """Cancel every order of a contract, but for stops."""
        symbol = self._symbol(query, account)
        for order in account.live_orders():
            if order.ticket.symbol == symbol and order.ticket.trigger is None:
                account.end(order, Status.CANCELLED)
        return ALL_DONE

    def countdown(self, query: Query, account: Account) -> Any:
        """Cancel every order of a contract once so much market time has passed without this being asked again."""
        symbol, wait = self._symbol(query, account), whole_number(query, "countdownTime")
        account.dead_man(wait or 0, symbol)
        return {"symbol": query["symbol"], "countdownTime": str(wait or 0)}

    def place_stop(self, query: Query, account: Account) -> Any:
        """A stop, or a take-profit, at market."""
        return self._algo(place(account, stop_ticket(query, self._symbol(query, account), account)))

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
        symbol = self._maybe(query, account)
        return [self._algo(o) for o in account.open_orders(symbol) if o.ticket.trigger is not None]

    def user_trades(self, query: Query, account: Account) -> Any:
        """The account's trades in a contract, in pages."""
        return trades(query, account, self._symbol(query, account), query["symbol"])

    def income(self, query: Query, account: Account) -> Any:
        """Money that came or went without a trade, in pages."""
        return incomes(query, account, self._maybe(query, account), self._ids)

    def balance(self, query: Query, account: Account) -> Any:
        """Money, by asset."""
        row = money_row(account)
        return [row | {"accountAlias": "sandbox", "balance": row["walletBalance"]}]

    def account(self, query: Query, account: Account) -> Any:
        """Money and positions."""
        return account_row(account, self._risks(account, None))

    def positions(self, query: Query, account: Account) -> Any:
        """What is held, of a contract or of all."""
        return self._risks(account, self._maybe(query, account))

    def older_positions(self, query: Query, account: Account) -> Any:
        """The same with leverage and margin mode."""
        rows = self._risks(account, self._maybe(query, account))
        return [older_risk_row(account, row, self._symbols[row["symbol"]]) for row in rows]

    def brackets(self, query: Query, account: Account) -> Any:
        """One bracket of leverage for each contract, whatever the notional."""
        bracket = {"bracket": 1, "initialLeverage": account.most_leverage, "notionalCap": 10**12, "notionalFloor": 0}
        bracket |= {"maintMarginRatio": float(account.maintenance), "cum": 0}
        asked = self._maybe(query, account)
        rows = [{"symbol": self._ids[s], "brackets": [bracket]} for s in account.prices.symbols if asked in (None, s)]
        return rows[0] if asked is not None else rows

    def leverage(self, query: Query, account: Account) -> Any:
        """Change the leverage of a contract."""
        symbol, leverage = self._symbol(query, account), whole_number(query, "leverage") or 0
        set_leverage(account, symbol, leverage)
        return {"symbol": query["symbol"], "leverage": leverage, "maxNotionalValue": "1000000000000"}

    def margin_type(self, query: Query, account: Account) -> Any:
        """Change the margin mode of a contract."""
        told = required(query, "marginType")
        if told not in ("ISOLATED", "CROSSED"):
            raise RefusedError(-1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
        try:
            set_isolated(account, self._symbol(query, account), isolated=told == "ISOLATED")
        except OrderRefused as refusal:
            raise _MARGIN_TYPE_STAYS.get(refusal.reason) or refusal from None
        return DONE

    def position_mode(self, query: Query, account: Account) -> Any:
        """Whether the account is in hedge mode."""
        return {"dualSidePosition": account.state.hedge}

    def set_position_mode(self, query: Query, account: Account) -> Any:
        """Change that."""
        set_hedge(account, hedge=required(query, "dualSidePosition") == "true")
        return DONE

    def symbol_config(self, query: Query, account: Account) -> Any:
        """Leverage and margin mode of a contract, or of all."""
        asked = self._maybe(query, account)
        return [self._config(account, symbol) for symbol in account.prices.symbols if asked in (None, symbol)]

    def account_config(self, query: Query, account: Account) -> Any:
        """What the account may do."""
        state = account.state
        rights = {"canTrade": state.may_trade, "canDeposit": True, "canWithdraw": state.may_withdraw}
        modes = {"dualSidePosition": state.hedge, "multiAssetsMargin": False}
        return {"feeTier": 0, "updateTime": 0, "tradeGroupId": -1} | rights | modes

    def commission(self, query: Query, account: Account) -> Any:
        """Fees of a contract, fractions of notional."""
        self._symbol(query, account)
        fees = {"makerCommissionRate": text(account.maker_fee), "takerCommissionRate": text(account.taker_fee)}
        return {"symbol": query["symbol"]} | fees

    def restrictions(self, query: Query, account: Account) -> Any:
        """What the key may do."""
        rights = {"enableFutures": account.state.may_trade, "enableWithdrawals": account.state.may_withdraw}
        rest = dict.fromkeys(("enableInternalTransfer", "permitsUniversalTransfer", "enableMargin"), False)
        return {"ipRestrict": True, "createTime": 0, "enableReading": True} | rights | rest

    def _symbol(self, query: Query, account: Account) -> str:
        symbol = self._symbols.get(required(query, "symbol"))
        if symbol is None:
            raise RefusedError(-1121, "Invalid symbol.")
        return symbol

    def _maybe(self, query: Query, account: Account) -> str | None:
        return self._symbol(query, account) if query.get("symbol") else None

    def _found(self, query: Query, account: Account) -> Order:
        symbol, number, name = (
            self._symbol(query, account),
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
        return order_row(order, self._ids[order.ticket.symbol])

    def _algo(self, order: Order) -> dict[str, Any]:
        return algo_row(order, self._ids[order.ticket.symbol])

    def _risks(self, account: Account, symbol: str | None) -> list[dict[str, Any]]:
        held = (position for position in account.positions if symbol in (None, position.symbol))
        return [risk_row(account, position, self._ids[position.symbol]) for position in held]

    def _config(self, account: Account, symbol: str) -> dict[str, Any]:
        mode = "ISOLATED" if account.is_isolated(symbol) else "CROSSED"
        names = {"symbol": self._ids[symbol], "marginType": mode, "isAutoAddMargin": False}
        return names | {"leverage": account.leverage(symbol), "maxNotionalValue": str(Decimal(10**12))}


_MARGIN_TYPE_STAYS = {
    Refusal.HOLDS_ORDER: RefusedError(-4047, "Margin type cannot be changed if there exists open orders."),
    Refusal.HOLDS_POSITION: RefusedError(-4048, "Margin type cannot be changed if there exists position."),
}
