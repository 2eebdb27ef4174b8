"""The signed side of Binance USD-M futures: a translation of `accounts` into the venue's JSON, and back.

Source: developers.binance.com, usds-margined-futures, trade and account endpoints. Left out: batches, changes of
resting orders, user streams, and conditional orders other than stops at market. One endpoint is of the wallet's API:
what the key may do.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.answers import json_response
from backtest.sandbox.binance_orders import BinanceOrders
from backtest.sandbox.binance_refusals import said
from backtest.sandbox.binance_rules import RefusedError
from backtest.sandbox.binance_signature import verified
from backtest.sandbox.binance_standing import BinanceStanding
from backtest.sandbox.binance_symbols import Symbols
from backtest.sandbox.binance_tickets import Query
from backtest.sandbox.text import json_text

NAME = "binance"

Answer = Callable[[Query, Account], Any]
"""(parameters, account moved to now) -> what is answered as JSON; refuses by RefusedError or OrderRefused."""


def routes(accounts: Accounts) -> list[web.RouteDef]:
    """Every endpoint; what the venue would refuse is answered with status 400, or 401 for the key, and its code."""
    symbols = Symbols(i for i in accounts.world.market.instruments if i.venue == NAME)
    orders, standing = BinanceOrders(symbols), BinanceStanding(symbols)
    futures: dict[tuple[str, str], Answer] = {
        ("POST", "v1/order"): orders.place,
        ("GET", "v1/order"): orders.order,
        ("DELETE", "v1/order"): orders.cancel,
        ("GET", "v1/openOrder"): orders.open_order,
        ("GET", "v1/openOrders"): orders.open_orders,
        ("GET", "v1/allOrders"): orders.all_orders,
        ("DELETE", "v1/allOpenOrders"): orders.cancel_all,
        ("POST", "v1/countdownCancelAll"): orders.countdown,
        ("POST", "v1/algoOrder"): orders.place_stop,
        ("GET", "v1/algoOrder"): orders.stop,
        ("DELETE", "v1/algoOrder"): orders.cancel_stop,
        ("GET", "v1/openAlgoOrders"): orders.open_stops,
        ("GET", "v1/userTrades"): orders.user_trades,
        ("GET", "v1/income"): standing.income,
        ("GET", "v2/balance"): standing.balance,
        ("GET", "v3/balance"): standing.balance,
        ("GET", "v2/account"): standing.account,
        ("GET", "v3/account"): standing.account,
        ("GET", "v2/positionRisk"): standing.older_positions,
        ("GET", "v3/positionRisk"): standing.positions,
        ("GET", "v1/leverageBracket"): standing.brackets,
        ("POST", "v1/leverage"): standing.leverage,
        ("POST", "v1/marginType"): standing.margin_type,
        ("GET", "v1/positionSide/dual"): standing.position_mode,
        ("POST", "v1/positionSide/dual"): standing.set_position_mode,
        ("GET", "v1/symbolConfig"): standing.symbol_config,
        ("GET", "v1/accountConfig"): standing.account_config,
        ("GET", "v1/commissionRate"): standing.commission,
        ("GET", "v1/apiTradingStatus"): lambda query, account: {"indicators": {}, "updateTime": account.now_ms},
    }
    wallet: dict[tuple[str, str], Answer] = {
        ("GET", "v1/account/apiRestrictions"): standing.restrictions,
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
                if request.method != "GET" and not account.state.may_trade:
                    raise OrderRefused(Refusal.MAY_NOT_TRADE)
                return json_response(json_text(answer(told, account)))
        except OrderRefused as refusal:
            return _refused(said(refusal))
        except RefusedError as refusal:
            return _refused(refusal)

    return handle


def _refused(refusal: RefusedError) -> web.Response:
    status = 401 if refusal.code in (-2014, -2015) else 400
    return json_response(json_text({"code": refusal.code, "msg": refusal.message}), status=status)
