"""Bybit's dialect of a unified account, linear contracts. Sources: ccxt 4.5.90 (requests, signatures), Bybit's v5 API.

What an order filled is never in the answer that takes it: it is asked for. The dead man's switch of this venue watches
a private websocket and not requests (v5/order/dcp), so `dead_man` says that there is none.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.execution.live.dialect import Dialect, Json, Ticket, json_list
from bot.execution.live.pages import Row, chained
from bot.execution.live.steps import exact
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, Style, VenueFill, VenueFunding

LINEAR = {"category": "linear"}
ORDERS_PAGE = 50
EXECUTIONS_PAGE = 100
WEEK_MS = 7 * 24 * 3_600_000
"""Executions are told a week at a time."""
KEPT_MS = 104 * WEEK_MS
"""And for two years."""
_STATES = {
    "Created": OrderState.OPEN,
    "New": OrderState.OPEN,
    "PartiallyFilled": OrderState.OPEN,
    "Untriggered": OrderState.OPEN,
    "Triggered": OrderState.OPEN,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.ENDED,
    "PartiallyFilledCanceled": OrderState.ENDED,
    "Deactivated": OrderState.ENDED,
    "Rejected": OrderState.REJECTED,
}


class Bybit(Dialect):
    """Client ids are unique for ever."""

    proves_nothing = frozenset({"10000", "10016", "110072", "170007"})
    absent = frozenset({"110001"})
    already_so = frozenset({"110025", "110026", "110043"})
    tells_ids_only = True

    def code(self, answer: object) -> str:
        return str(answer.get("retCode", "")) if isinstance(answer, Mapping) else ""

    async def create(self, ticket: Ticket) -> Json:
        order = ticket.order
        params = {
            **LINEAR,
            "symbol": ticket.market["id"],
            "side": "Buy" if ticket.buys else "Sell",
            "orderType": "Limit",
            "timeInForce": "IOC" if order.style is Style.TAKE else "PostOnly",
            "qty": ticket.contracts,
            "price": ticket.price,
            "orderLinkId": ticket.client_id,
            "reduceOnly": order.reduce_only,
            "positionIdx": 0,
        }
        return await self.send(self.client.privatePostV5OrderCreate, params)

    def created(self, ticket: Ticket, answer: Json) -> OrderReport:
        ticket.compare(answer["result"]["orderLinkId"])
        venue_id = str(answer["result"]["orderId"])
        return OrderReport(OrderState.UNKNOWN, venue_id=venue_id, reason="bybit took it and says no more of it yet")

    async def find(self, ticket: Ticket) -> OrderReport:
        params = {**LINEAR, "symbol": ticket.market["id"], "orderLinkId": ticket.client_id}
        # The first tells what is open or was until lately, the second everything else, after a while.
        for call in (self.client.privateGetV5OrderRealtime, self.client.privateGetV5OrderHistory):
            if found := await self.ask(call, params, partial(self._report, ticket)):
                return found
        return OrderReport(OrderState.ABSENT)

    async def cancel(self, ticket: Ticket) -> None:
        params = {**LINEAR, "symbol": ticket.market["id"], "orderLinkId": ticket.client_id}
        await self.send(self.client.privatePostV5OrderCancel, params)

    async def cancel_all(self, markets: Sequence[Mapping[str, Any]]) -> None:
        for market in markets:
            await self.send(self.client.privatePostV5OrderCancelAll, {**LINEAR, "symbol": market["id"]})

    async def open_orders(self) -> list[tuple[str, str]]:
        def row(told: Json) -> Row[tuple[str, str]]:
            entry = self.symbol(told["symbol"]), self.ours(told["orderLinkId"])
            return Row(int(told["createdTime"]), told["orderId"], entry)

        params = {"settleCoin": self.quote, "openOnly": 0, "limit": ORDERS_PAGE}
        rows = await self._all(self.client.privateGetV5OrderRealtime, params, row, 0)
        return [one.entry for one in rows]

    async def positions(self) -> list[Held]:
        def row(told: Json) -> Row[Held | None]:
            held = self._held(told) if exact(told["size"]) else None
            return Row(0, f"{told['symbol']} {told['positionIdx']}", held)

        params = {"settleCoin": self.quote, "limit": 200}
        rows = await self._all(self.client.privateGetV5PositionList, params, row, 0)
        return [one.entry for one in rows if one.entry is not None]

    async def balance(self) -> Balance:
        def read(answer: Json) -> Balance:
            (account,) = answer["result"]["list"]
            for coin in json_list(account["coin"]):
                if coin["coin"] == self.quote:
                    used = exact(coin["totalPositionIM"] or "0") + exact(coin["totalOrderIM"] or "0")
                    # Under isolated margin there is no total.
                    free = account["totalAvailableBalance"] or exact(coin["equity"]) - used
                    return Balance(float(coin["walletBalance"]), float(coin["equity"]), float(free))
            return Balance(0.0, 0.0, 0.0)

        return await self.ask(self.client.privateGetV5AccountWalletBalance, {"accountType": "UNIFIED"}, read)

    async def fills(self, markets: Sequence[Mapping[str, Any]], since_ms: int) -> list[VenueFill]:
        return [self._fill(row) for row in await self._executions(since_ms) if row["execType"] != "Funding"]

    async def funding(self, since_ms: int) -> list[VenueFunding]:
        return [self._payment(row) for row in await self._executions(since_ms, execType="Funding")]

    async def standing(self, market: Mapping[str, Any]) -> Standing:
        def may(answer: Json) -> tuple[bool, bool]:
            told = answer["result"]
            allowed = told["permissions"]
            return str(told["readOnly"]) == "0" and "Order" in allowed["ContractTrade"], "Withdraw" in allowed["Wallet"]

        def fees(answer: Json) -> tuple[float, float]:
            (row,) = answer["result"]["list"]
            return float(row["takerFeeRate"]), float(row["makerFeeRate"])

        of_market = {**LINEAR, "symbol": market["id"]}
        trades, withdraws = await self.ask(self.client.privateGetV5UserQueryApi, {}, may)
        taker, maker = await self.ask(self.client.privateGetV5AccountFeeRate, of_market, fees)
        one_way = await self.ask(
            self.client.privateGetV5PositionList,
            of_market,
            lambda answer: all(str(row["positionIdx"]) == "0" for row in json_list(answer["result"]["list"])),
        )
        return Standing(trades, withdraws, one_way, await self._cross(), self.connection.ahead_ms(), taker, maker)

    async def prepare(self, markets: Sequence[Mapping[str, Any]], leverage: int) -> None:
        mode = {**LINEAR, "coin": self.quote, "mode": 0}
        await self.send_unless(self.client.privatePostV5PositionSwitchMode, mode, self.already_so)
        if not await self._cross():
            cross = {"setMarginMode": "REGULAR_MARGIN"}
            await self.send_unless(self.client.privatePostV5AccountSetMarginMode, cross, self.already_so)
        told = {"buyLeverage": str(leverage), "sellLeverage": str(leverage)}
        for market in markets:
            params = {**LINEAR, "symbol": market["id"], **told}
            await self.send_unless(self.client.privatePostV5PositionSetLeverage, params, self.already_so)

    async def dead_man(self, markets: Sequence[Mapping[str, Any]], seconds: float) -> bool:
        return False

    async def _cross(self) -> bool:
        return await self.ask(
            self.client.privateGetV5AccountInfo, {}, lambda answer: answer["result"]["marginMode"] == "REGULAR_MARGIN"
        )

    async def _executions(self, since_ms: int, **kind: str) -> list[Json]:
        """All of them from then on, oldest first: a week at a time, and each week page by page."""
        now_ms = await self.connection.ask(self.client.fetch_time, int)
        rows: list[Json] = []
        for begin in range(max(since_ms, now_ms - KEPT_MS), now_ms + 1, WEEK_MS):
            week = {"startTime": begin, "endTime": begin + WEEK_MS - 1, "limit": EXECUTIONS_PAGE}
            page = await self._all(self.client.privateGetV5ExecutionList, {**week, **kind}, _execution, begin)
            rows += [row.entry for row in page]
        return rows

    async def _all(
        self,
        call: Callable[..., Awaitable[Any]],
        params: Mapping[str, Any],
        row: Callable[[Json], Row[Any]],
        since_ms: int,
    ) -> list[Row[Any]]:
        """Every row of a list, following its cursors."""

        def read(answer: Json) -> tuple[list[Row[Any]], str]:
            result = answer["result"]
            return [row(told) for told in json_list(result["list"])], str(result.get("nextPageCursor") or "")

        async def page(cursor: str) -> tuple[list[Row[Any]], str]:
            at = {"cursor": cursor} if cursor else {}
            return await self.ask(call, {**LINEAR, **params, **at}, read)

        return await chained(page, since_ms, "a list of bybit's")

    def _report(self, ticket: Ticket, answer: Json) -> OrderReport | None:
        rows = json_list(answer["result"]["list"])
        if not rows:
            return None
        (row,) = rows
        ticket.compare(row["orderLinkId"])
        state = _STATES[row["orderStatus"]]
        reason = f"bybit refused it ({row['rejectReason']})" if state is OrderState.REJECTED else ""
        return ticket.report(state, row["cumExecQty"], row["avgPrice"], str(row["orderId"]), reason)

    def _held(self, row: Json) -> Held:
        symbol = self.symbol(row["symbol"])
        size = self.units(symbol, row["size"])
        return Held(
            symbol=symbol,
            quantity=size if row["side"] == "Buy" else -size,
            entry_price=float(row["avgPrice"]),
            mark=float(row["markPrice"]),
            liquidation_price=float(row["liqPrice"]) if exact(row["liqPrice"] or "0") else math.nan,
        )

    def _fill(self, row: Json) -> VenueFill:
        symbol = self.symbol(row["symbol"])
        size = self.units(symbol, row["execQty"])
        return VenueFill(
            venue=self.connection.name,
            symbol=symbol,
            trade_id=str(row["execId"]),
            client_id=self.ours(row["orderLinkId"]),
            time_ms=int(row["execTime"]),
            quantity=size if row["side"] == "Buy" else -size,
            price=float(row["execPrice"]),
            fee=self.paid(row["execFee"], row.get("feeCurrency") or self.quote),
            maker=str(row["isMaker"]).lower() == "true",
        )

    def _payment(self, row: Json) -> VenueFunding:
        symbol, paid = self.symbol(row["symbol"]), float(row["execFee"])
        return VenueFunding(self.connection.name, symbol, str(row["execId"]), int(row["execTime"]), -paid)


def _execution(row: Json) -> Row[Json]:
    return Row(int(row["execTime"]), str(row["execId"]), row)
