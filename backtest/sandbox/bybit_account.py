"""The signed side of Bybit v5: the account's settings and what it holds; orders and lists are in their own modules.

A unified account in the venue's words, over `accounts`: a pure translation. A refusal has status 200. Sources:
bybit-exchange.github.io/docs/v5 (user/apikey-info, account/*, position/*, asset/coin-info, order/dcp), ccxt 4.5.90.

Disconnection protection (order/disconnected-cancel-all) is set and does nothing: the venue's own watches a private
websocket that subscribes to `dcp`, which the sandbox does not have; a REST client alone is protected by nothing.
"""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.records import Side
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.setup import set_hedge, set_isolated
from backtest.sandbox.accounts.setup import set_leverage as change_leverage
from backtest.sandbox.accounts.state import Position
from backtest.sandbox.answers import json_response
from backtest.sandbox.bybit_account_rows import position_row, wallet
from backtest.sandbox.bybit_asked import Told, asked_symbol, asked_symbols, market_id
from backtest.sandbox.bybit_lists import executions, history, realtime
from backtest.sandbox.bybit_orders import cancel, cancel_all, create
from backtest.sandbox.bybit_refusals import said
from backtest.sandbox.bybit_rules import LINEAR, RefusedError, category, envelope, invalid
from backtest.sandbox.bybit_signature import check_signature
from backtest.sandbox.text import json_text, plain

NAME = "bybit"
PREFIX = f"/{NAME}/v5"
LONGEST_WINDOW_S = 300
SHORTEST_WINDOW_S = 3
_MODES = {"0": False, "3": True}
_MARGIN_MODES = ("REGULAR_MARGIN", "ISOLATED_MARGIN")
Endpoint = Callable[[Account, Told], dict[str, Any]]
"""(account, what is told) -> result; refuses by RefusedError and OrderRefused."""


def routes(accounts: Accounts) -> list[web.RouteDef]:
    """Every endpoint that is signed."""
    reads: dict[str, Endpoint] = {
        "user/query-api": api_key,
        "account/info": account_info,
        "account/query-dcp-info": lambda account, told: {"dcpInfos": []},
        "account/wallet-balance": lambda account, told: {"list": [wallet(account)]},
        "account/fee-rate": fee_rate,
        "asset/coin/query-info": coins,
        "position/list": positions,
        "order/realtime": realtime,
        "order/history": history,
        "execution/list": executions,
    }
    changes: dict[str, Endpoint] = {
        "order/create": create,
        "order/cancel": cancel,
        "order/cancel-all": cancel_all,
        "order/disconnected-cancel-all": protect,
        "position/set-leverage": set_leverage,
        "position/switch-mode": switch_mode,
        "account/set-margin-mode": set_margin_mode,
    }
    return [web.get(f"{PREFIX}/{path}", _handler(accounts, answer)) for path, answer in reads.items()] + [
        web.post(f"{PREFIX}/{path}", _handler(accounts, answer)) for path, answer in changes.items()
    ]


def api_key(account: Account, told: Told) -> dict[str, Any]:
    """What the key may do."""
    trades, wallet_of = ["Order", "Position"], ["AccountTransfer", "SubMemberTransfer"]
    may_trade, may_withdraw = account.state.may_trade, account.state.may_withdraw
    return {
        "id": "1",
        "note": "sandbox",
        "readOnly": 0 if may_trade else 1,
        "permissions": {
            "ContractTrade": trades if may_trade else [],
            "Spot": [],
            "Wallet": wallet_of + (["Withdraw"] if may_withdraw else []),
            "Derivatives": ["DerivativesTrade"] if may_trade else [],
        },
        "ips": ["*"],
        "type": 1,
        "unified": 0,
        "uta": 1,
        "userID": 1,
        "isMaster": True,
    }


def account_info(account: Account, told: Told) -> dict[str, Any]:
    """A unified account of the newest kind, and its margin mode."""
    return {
        "marginMode": _MARGIN_MODES[bool(account.state.isolated)],
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
        "updatedTime": str(account.now_ms),
    }


def fee_rate(account: Account, told: Told) -> dict[str, Any]:
    """Fees by contract."""
    rates = {"takerFeeRate": plain(account.taker_fee), "makerFeeRate": plain(account.maker_fee)}
    symbols = asked_symbols(account, {"category": LINEAR} | dict(told), all_by_default=True)
    return {"list": [{"symbol": market_id(account, symbol)} | rates for symbol in symbols]}


def coins(account: Account, told: Told) -> dict[str, Any]:
    """The one coin that there is."""
    return {"rows": [{"name": account.quote, "coin": account.quote, "remainAmount": "0", "chains": []}]}


def positions(account: Account, told: Told) -> dict[str, Any]:
    """What is held; of a contract that is named also that nothing is held, for each side in hedge mode."""
    symbols = asked_symbols(account, told)
    held = [position for position in account.positions if position.symbol in symbols]
    if told.get("symbol"):
        sides = (Side.LONG, Side.SHORT) if account.state.hedge else (Side.BOTH,)
        held = [account.position(symbols[0], side) or Position(symbols[0], side) for side in sides]
    rows = [position_row(account, position) for position in held]
    return {"category": LINEAR, "list": rows, "nextPageCursor": ""}


def set_leverage(account: Account, told: Told) -> dict[str, Any]:
    """The same for both sides; raises RefusedError 110043 where it is so already."""
    symbol, asked = asked_symbol(account, told), {_leverage(told, name) for name in ("buyLeverage", "sellLeverage")}
    if len(asked) > 1:
        raise RefusedError("buy leverage not equal sell leverage")
    leverage = asked.pop()
    if leverage == account.leverage(symbol):
        raise RefusedError("leverage not modified", 110043)
    change_leverage(account, symbol, leverage)
    return {}


def set_margin_mode(account: Account, told: Told) -> dict[str, Any]:
    """Of the whole account."""
    if (asked := told.get("setMarginMode")) not in _MARGIN_MODES:
        raise invalid("setMarginMode")
    isolated = asked == "ISOLATED_MARGIN"
    for symbol in account.prices.symbols:
        if account.is_isolated(symbol) != isolated:
            set_isolated(account, symbol, isolated=isolated)
    return {"reasons": []}


def switch_mode(account: Account, told: Told) -> dict[str, Any]:
    """One-way or hedge mode, for the whole account. Raises RefusedError and OrderRefused."""
    if category(told) != LINEAR or (mode := _MODES.get(str(told.get("mode")))) is None:
        raise invalid("position_mode")
    set_hedge(account, hedge=mode)
    return {}


def protect(account: Account, told: Told) -> dict[str, Any]:
    """Set the window of disconnection protection, s; see above for why it protects nothing."""
    window = told.get("timeWindow")
    if type(window) is not int or not SHORTEST_WINDOW_S <= window <= LONGEST_WINDOW_S:
        raise invalid("timeWindow")
    return {}


def _leverage(told: Told, name: str) -> int:
    try:
        value = Decimal(str(told.get(name, "")))
    except InvalidOperation:
        raise invalid(name) from None
    if not value.is_finite() or value != int(value):
        raise invalid(name)
    return int(value)


def _handler(accounts: Accounts, answer: Endpoint) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        body, now = await request.read(), accounts.world.now_ms()
        try:
            told = _checked(accounts, request, body)
            with accounts.at(NAME) as account:
                if request.method == "POST" and not account.state.may_trade:
                    raise OrderRefused(Refusal.MAY_NOT_TRADE)
                return json_response(envelope(now, 0, "OK", json_text(answer(account, told))))
        except OrderRefused as refused:
            refusal = said(refused)
        except RefusedError as refused:
            refusal = refused
        return json_response(envelope(now, refusal.code, refusal.message, "{}"))

    return handle


def _checked(accounts: Accounts, request: web.Request, body: bytes) -> Told:
    """What a request with a good signature tells."""
    posted, settings = request.method == "POST", accounts.settings
    signed = body if posted else request.raw_path.partition("?")[2].encode()
    wall_ms = int(accounts.wall_s() * 1000)
    check_signature(request.headers, signed, key=settings.key, secret=settings.secret, wall_ms=wall_ms)
    if not posted:
        return request.query
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise RefusedError("params error: the body is no JSON object")
    return told
