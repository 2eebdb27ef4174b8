"""The account side of Hyperliquid's POST /info: what it says of a user's money, positions, orders, fills and payments.

Used by `server`, together with the public side, which has the same path. Anybody may ask about any address: one that
has no account here, an API wallet's own too, has nothing. Shapes, pages and orders of rows: hyperliquid.gitbook.io,
info endpoint (perpetuals), and what ccxt 4.5.90 parses. Left out: spot balances, vaults, sub-accounts, volume tiers,
staking and referrals.
"""

from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from backtest.sandbox import hyperliquid
from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.records import Order
from backtest.sandbox.accounts.refusals import OrderRefused
from backtest.sandbox.hyperliquid_exchange import HyperliquidExchange
from backtest.sandbox.hyperliquid_memory import Memory
from backtest.sandbox.hyperliquid_request import Request, address, client_id, optional_time, time_of, whole
from backtest.sandbox.hyperliquid_rows import (
    Row,
    fill_rows,
    funding_row,
    open_order_row,
    order_row,
    plain,
    status_row,
)
from backtest.sandbox.hyperliquid_signature import address_of
from backtest.sandbox.hyperliquid_standing import clearinghouse_row, nothing_row
from backtest.sandbox.hyperliquid_universe import NAME, Universe
from backtest.sandbox.text import json_text
from data.types import HOUR_MS

FILLS_PAGE = 2000
FUNDING_PAGE = 500
ORDERS_PAGE = 2000
AGENT_LASTS_MS = 90 * 24 * HOUR_MS
UNKNOWN = {"status": "unknownOid"}
Told = Callable[[Account, Request], Any]


def routes(accounts: Accounts) -> list[web.RouteDef]:
    """All of the venue's endpoints, the public ones too."""
    memory, universe = Memory(), Universe(accounts.world)
    info = HyperliquidInfo(accounts, universe, memory)
    exchange = HyperliquidExchange(accounts, universe, memory)
    return [*hyperliquid.routes(accounts.world, info.answers()), *exchange.routes()]


class HyperliquidInfo:
    """The types of request that are about a user."""

    def __init__(self, accounts: Accounts, universe: Universe, memory: Memory) -> None:
        """`memory` is what the signed side has seen."""
        self._accounts = accounts
        self._wallet = accounts.settings.wallet
        self._agent = address_of(accounts.settings.private_key)
        self._coins = universe.coins
        self._memory = memory

    def answers(self) -> dict[str, hyperliquid.Answer]:
        """By type."""
        nothing: list[Row] = []
        return {
            "clearinghouseState": self._clearinghouse,
            "openOrders": self._of_ours(self._open_orders(open_order_row), nothing),
            "frontendOpenOrders": self._of_ours(self._open_orders(order_row), nothing),
            "historicalOrders": self._of_ours(self._history, nothing),
            "orderStatus": self._of_ours(self._order_status, UNKNOWN),
            "userFills": self._of_ours(self._fills, nothing),
            "userFillsByTime": self._of_ours(self._fills_by_time, nothing),
            "userFunding": self._of_ours(self._funding, nothing),
            "userFees": self._fees,
            "userRole": self._role,
            "userAbstraction": lambda asked, now: json_text("disabled"),
            "extraAgents": self._of_ours(lambda account, asked: self._agents(account), nothing),
            "maxBuilderFee": self._of_ours(lambda account, asked: self._memory.approved(address(asked, "builder")), 0),
            "spotClearinghouseState": lambda asked, now: json_text({"balances": []}),
        }

    def _of_ours(self, told: Told, otherwise: Any) -> hyperliquid.Answer:
        """Tells of the account, and `otherwise` of every other address."""

        def answer(asked: Request, now: int) -> str:
            if address(asked, "user") != self._wallet:
                return json_text(otherwise)
            with self._accounts.at(NAME) as account:
                return json_text(told(account, asked))

        return answer

    def _clearinghouse(self, asked: Request, now: int) -> str:
        hyperliquid.check_dex(asked)
        told = self._of_ours(lambda account, asked: clearinghouse_row(account, self._coins), nothing_row(now))
        return told(asked, now)

    def _role(self, asked: Request, now: int) -> str:
        user = address(asked, "user")
        if user == self._agent != self._wallet:
            return json_text({"role": "agent", "data": {"user": self._wallet}})
        return json_text({"role": "user" if user == self._wallet else "missing"})

    def _agents(self, account: Account) -> list[Row]:
        """The API wallet, if there is one, while it may trade."""
        if self._agent == self._wallet or not account.state.may_trade:
            return []
        return [{"name": "sandbox", "address": self._agent, "validUntil": account.now_ms + AGENT_LASTS_MS}]

    def _fees(self, asked: Request, now: int) -> str:
        """The same for everybody."""
        address(asked, "user")
        with self._accounts.at(NAME) as account:
            cross, add = plain(account.taker_fee), plain(account.maker_fee)
        schedule = {"cross": cross, "add": add, "tiers": {"vip": [], "mm": []}, "referralDiscount": "0.0"}
        rates = {"userCrossRate": cross, "userAddRate": add, "activeReferralDiscount": "0.0"}
        return json_text({"dailyUserVlm": [], "feeSchedule": schedule} | rates)

    def _open_orders(self, row: Callable[[Account, Order, str], Row]) -> Told:
        def told(account: Account, asked: Request) -> list[Row]:
            hyperliquid.check_dex(asked)
            return [row(account, order, self._coin(order)) for order in reversed(account.open_orders())]

        return told

    def _history(self, account: Account, asked: Request) -> list[Row]:
        """Newest first, refused ones among them."""
        kept = [status_row(account, order, self._coin(order)) for order in account.orders()]
        return sorted(kept + self._memory.refused, key=_number, reverse=True)[:ORDERS_PAGE]

    def _order_status(self, account: Account, asked: Request) -> Row:
        """The last one of that name: a client id may come back once its order has ended."""
        name = client_id(asked, "oid") if isinstance(asked.get("oid"), str) else whole(asked, "oid")
        found = [*self._found(account, name), *self._memory.refused_as(name)]
        return {"status": "order", "order": max(found, key=_number)} if found else UNKNOWN

    def _found(self, account: Account, name: int | str) -> list[Row]:
        try:
            order = account.find(client_id=name) if isinstance(name, str) else account.find(number=name)
        except OrderRefused:
            return []
        return [status_row(account, order, self._coin(order))]

    def _fills(self, account: Account, asked: Request) -> list[Row]:
        """Newest first."""
        return self._told_fills(account)[::-1][:FILLS_PAGE]

    def _fills_by_time(self, account: Account, asked: Request) -> list[Row]:
        """Oldest first, from startTime on."""
        return _between(self._told_fills(account), time_of(asked, "startTime"), asked)[:FILLS_PAGE]

    def _told_fills(self, account: Account) -> list[Row]:
        shown = {fill.number for fill in account.fills()}
        rows = fill_rows(account.histories.fills, self._coins, self._wallet)
        return [row for row in rows if row["tid"] in shown]

    def _funding(self, account: Account, asked: Request) -> list[Row]:
        """Oldest first, from startTime on."""
        rows = (funding_row(payment, self._coins[payment.symbol]) for payment in account.payments())
        return _between(rows, optional_time(asked, "startTime") or 0, asked)[:FUNDING_PAGE]

    def _coin(self, order: Order) -> str:
        return self._coins[order.ticket.symbol]


def _number(row: Row) -> int:
    number: int = row["order"]["oid"]
    return number


def _between(rows: Iterable[Row], first_ms: int, asked: Request) -> list[Row]:
    last_ms = optional_time(asked, "endTime")
    return [row for row in rows if first_ms <= row["time"] and (last_ms is None or row["time"] <= last_ms)]
