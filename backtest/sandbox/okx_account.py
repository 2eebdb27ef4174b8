"""The signed side of OKX v5: the account's settings and what it holds; orders and lists are in their own modules.

A futures-mode account in the venue's words, over `accounts`: a pure translation. Sources: okx.com/docs-v5 (Trading
Account; Order Book Trading > Trade > Cancel All After: 0 or 10..120 s; Funding Account > currencies), ccxt 4.5.90.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.setup import set_hedge, set_isolated
from backtest.sandbox.accounts.setup import set_leverage as change_leverage
from backtest.sandbox.answers import json_response
from backtest.sandbox.okx_account_rows import balance_row, position_row
from backtest.sandbox.okx_asked import Told, asked_symbol, asked_symbols
from backtest.sandbox.okx_lists import THREE_DAYS_MS, THREE_MONTHS_MS, WEEK_MS, bills, ended, fills, order, pending
from backtest.sandbox.okx_orders import Outcome, cancel_all, late, place_all
from backtest.sandbox.okx_refusals import said
from backtest.sandbox.okx_rules import RefusedError, instrument_id, instrument_type, required, wrong
from backtest.sandbox.okx_signature import check_signature
from backtest.sandbox.text import json_text, plain

NAME = "okx"
PREFIX = f"/{NAME}/api/v5"
SHORTEST_TIMER_S = 10
LONGEST_TIMER_S = 120
ALL_FAILED = "All operations failed"
_MODES = {"net_mode": False, "long_short_mode": True}
Endpoint = Callable[[Account, Any], list[dict[str, Any]] | Outcome]
"""(account, what is told) -> rows, or a code and rows; refuses by RefusedError and OrderRefused."""


def routes(accounts: Accounts) -> list[web.RouteDef]:
    """Every endpoint that is signed."""
    reads: dict[str, Endpoint] = {
        "account/config": config,
        "account/balance": lambda account, told: [balance_row(account)],
        "account/positions": positions,
        "account/leverage-info": leverage_info,
        "account/trade-fee": trade_fee,
        "account/bills": bills(WEEK_MS),
        "account/bills-archive": bills(THREE_MONTHS_MS),
        "asset/currencies": currencies,
        "trade/order": order,
        "trade/orders-pending": pending,
        "trade/orders-history": ended(WEEK_MS),
        "trade/orders-history-archive": ended(THREE_MONTHS_MS),
        "trade/fills": fills(THREE_DAYS_MS),
        "trade/fills-history": fills(THREE_MONTHS_MS),
    }
    changes: dict[str, Endpoint] = {
        "trade/order": lambda account, told: place_all(account, [told]),
        "trade/batch-orders": lambda account, told: place_all(account, _listed(told)),
        "trade/cancel-order": lambda account, told: cancel_all(account, [told]),
        "trade/cancel-batch-orders": lambda account, told: cancel_all(account, _listed(told)),
        "trade/cancel-all-after": cancel_all_after,
        "account/set-leverage": set_leverage,
        "account/set-position-mode": set_position_mode,
    }
    return [web.get(f"{PREFIX}/{path}", _handler(accounts, answer)) for path, answer in reads.items()] + [
        web.post(f"{PREFIX}/{path}", _handler(accounts, answer)) for path, answer in changes.items()
    ]


def config(account: Account, told: Told) -> list[dict[str, Any]]:
    """How the account is set up, and what the key may do."""
    may = ["read_only", *(["trade"] if account.state.may_trade else [])]
    return [
        {
            "uid": "1",
            "mainUid": "1",
            "acctLv": "2",
            "posMode": "long_short_mode" if account.state.hedge else "net_mode",
            "perm": ",".join(may + (["withdraw"] if account.state.may_withdraw else [])),
            "autoLoan": False,
            "level": "Lv1",
            "levelTmp": "",
            "greeksType": "PA",
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "label": "sandbox",
            "ip": "",
            "kycLv": "3",
            "type": "0",
        }
    ]


def positions(account: Account, told: Told) -> list[dict[str, Any]]:
    """What is held."""
    symbols = asked_symbols(account, told)
    return [dict(position_row(account, held)) for held in account.positions if held.symbol in symbols]


def leverage_info(account: Account, told: Told) -> list[dict[str, Any]]:
    """Of contracts, the same for either margin mode."""
    mode = required(told, "mgnMode")
    sides = ("long", "short") if account.state.hedge and mode == "isolated" else ("net",)
    return [
        {"instId": _market(account, symbol), "lever": str(account.leverage(symbol)), "mgnMode": mode, "posSide": side}
        for symbol in asked_symbols(account, told)
        for side in sides
    ]


def trade_fee(account: Account, told: Told) -> list[dict[str, Any]]:
    """Fees, below zero for what is paid."""
    maker, taker = plain(-account.maker_fee), plain(-account.taker_fee)
    swap = {"instType": instrument_type(told), "level": "Lv1", "category": "1", "ts": str(account.now_ms)}
    rates = {"maker": maker, "makerU": maker, "taker": taker, "takerU": taker}
    return [swap | rates | dict.fromkeys(("makerUSDC", "takerUSDC", "delivery", "exercise"), "")]


def currencies(account: Account, told: Told) -> list[dict[str, Any]]:
    """The one currency that there is."""
    flags = {"canDep": False, "canWd": False, "canInternal": False, "mainNet": False}
    return [{"ccy": account.quote, "name": account.quote, "chain": f"{account.quote}-Sandbox", "wdTickSz": "6"} | flags]


def set_leverage(account: Account, told: Told) -> list[dict[str, Any]]:
    """Of a contract in a margin mode, which it is in from then on; the same again is no error."""
    symbol, mode, lever = asked_symbol(account, told), required(told, "mgnMode"), str(told.get("lever", ""))
    if mode not in ("cross", "isolated"):
        raise wrong("mgnMode")
    if not lever.isdecimal():
        raise wrong("lever")
    change_leverage(account, symbol, int(lever))
    if account.is_isolated(symbol) != (mode == "isolated"):
        set_isolated(account, symbol, isolated=mode == "isolated")
    return [{"instId": told["instId"], "lever": lever, "mgnMode": mode, "posSide": told.get("posSide", "net")}]


def set_position_mode(account: Account, told: Told) -> list[dict[str, Any]]:
    """Net or long/short mode, for the whole account; the same again is no error."""
    if (hedge := _MODES.get(required(told, "posMode"))) is None:
        raise wrong("posMode")
    if hedge != account.state.hedge:
        set_hedge(account, hedge=hedge)
    return [{"posMode": told["posMode"]}]


def cancel_all_after(account: Account, told: Told) -> list[dict[str, Any]]:
    """The dead man's switch: all orders are cancelled in so many seconds, unless it is told again; 0: never."""
    timeout = str(told.get("timeOut", ""))
    seconds = int(timeout) if timeout.isdecimal() else -1
    if seconds != 0 and not SHORTEST_TIMER_S <= seconds <= LONGEST_TIMER_S:
        raise wrong("timeOut")
    account.dead_man(seconds * 1000)
    due = str(account.now_ms + seconds * 1000) if seconds else "0"
    return [{"triggerTime": due, "tag": "", "ts": str(account.now_ms)}]


def _market(account: Account, symbol: str) -> str:
    return instrument_id(account.prices.instrument(symbol))


def _listed(told: Any) -> list[Told]:
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise RefusedError("50002", "JSON syntax error", 400)
    return told


def _handler(accounts: Accounts, answer: Endpoint) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            told = _checked(accounts, request, body)
            orders = request.method == "POST" and request.path.endswith(("trade/order", "trade/batch-orders"))
            expires = request.headers.get("expTime") if orders else None
            if (outcome := late(told, expires, accounts.wall_s())) is not None:
                return _answered(outcome)
            with accounts.at(NAME) as account:
                if request.method == "POST" and not account.state.may_trade:
                    raise OrderRefused(Refusal.MAY_NOT_TRADE)
                return _answered(answer(account, told))
        except OrderRefused as refused:
            refusal = said(refused)
        except RefusedError as refused:
            refusal = refused
        told_off = {"code": refusal.code, "data": [], "msg": refusal.message}
        return json_response(json_text(told_off), status=refusal.status)

    return handle


def _answered(answer: list[dict[str, Any]] | Outcome) -> web.Response:
    code, rows = answer if isinstance(answer, tuple) else ("0", answer)
    return json_response(json_text({"code": code, "data": rows, "msg": ALL_FAILED if code == "1" else ""}))


def _checked(accounts: Accounts, request: web.Request, body: bytes) -> Any:
    """What a request with a good signature tells: its query, or the JSON of its body."""
    settings = accounts.settings
    # The venue knows its paths without our prefix.
    path = request.raw_path.removeprefix(f"/{NAME}")
    check_signature(
        request.headers,
        f"{request.method}{path}".encode() + body,
        key=settings.key,
        secret=settings.secret,
        passphrase=settings.passphrase,
        wall_ms=int(accounts.wall_s() * 1000),
    )
    if request.method == "GET":
        return request.query
    try:
        return json.loads(body)
    except ValueError:
        raise RefusedError("50002", "JSON syntax error", 400) from None
