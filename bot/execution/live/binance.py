"""Binance's dialect of an account, USD-M futures. Sources: ccxt 4.5.90 (requests, signatures), Binance's API pages."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bot.execution.live.dialect import VALID_MS, Dialect, Json, Ticket, json_list
from bot.execution.live.pages import Row, forward
from bot.execution.live.steps import exact
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, Style, VenueFill, VenueFunding
from data.connection import Connection

PAGE = 1000
WEEK_MS = 7 * 24 * 3_600_000
"""Trades are told a week at a time."""
KEPT_MS = 26 * WEEK_MS
"""And for half a year."""
_STATES = {
    "NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.OPEN,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.ENDED,
    "EXPIRED": OrderState.ENDED,
    "EXPIRED_IN_MATCH": OrderState.ENDED,
    "REJECTED": OrderState.REJECTED,
}


class Binance(Dialect):
    """Ids are unique among open orders alone: an id that was filled may be sent again and would fill again."""

    proves_nothing = frozenset({"-1000", "-1001", "-1006", "-1007", "-1008", "-4111", "-4116"})
    absent = frozenset({"-2011", "-2013"})
    already_so = frozenset({"-4046", "-4059"})
    options = {"fetchMargins": False, "fetchCurrencies": False, "recvWindow": VALID_MS}  # noqa: RUF012 - read only

    def __init__(self, connection: Connection, quote: str) -> None:
        super().__init__(connection, quote)
        self._client_ids: dict[str, str] = {}
        """By the venue's id; trades name that one alone."""

    def code(self, answer: object) -> str:
        return str(answer.get("code", "")) if isinstance(answer, Mapping) else ""

    async def create(self, ticket: Ticket) -> Json:
        order = ticket.order
        params = {
            "symbol": ticket.market["id"],
            "side": "BUY" if ticket.buys else "SELL",
            "type": "LIMIT",
            "timeInForce": "IOC" if order.style is Style.TAKE else "GTX",
            "quantity": ticket.contracts,
            "price": ticket.price,
            "newClientOrderId": ticket.client_id,
            "newOrderRespType": "RESULT",
        }
        if order.reduce_only:
            params["reduceOnly"] = "true"
        return await self.send(self.client.fapiPrivatePostOrder, params)

    def created(self, ticket: Ticket, answer: Json) -> OrderReport:
        ticket.compare(answer["clientOrderId"])
        venue_id = str(answer["orderId"])
        self._client_ids[venue_id] = ticket.order.client_id
        return ticket.report(_STATES[answer["status"]], answer["executedQty"], answer["avgPrice"], venue_id)

    async def find(self, ticket: Ticket) -> OrderReport:
        params = {"symbol": ticket.market["id"], "origClientOrderId": ticket.client_id}
        found = await self.find_by(self.client.fapiPrivateGetOrder, params, partial(self.created, ticket))
        return found or OrderReport(OrderState.ABSENT)

    async def cancel(self, ticket: Ticket) -> None:
        params = {"symbol": ticket.market["id"], "origClientOrderId": ticket.client_id}
        await self.send(self.client.fapiPrivateDeleteOrder, params)

    async def cancel_all(self, markets: Sequence[Mapping[str, Any]]) -> None:
        for market in markets:
            await self.send(self.client.fapiPrivateDeleteAllOpenOrders, {"symbol": market["id"]})

    async def open_orders(self) -> list[tuple[str, str]]:
        return await self.ask(
            self.client.fapiPrivateGetOpenOrders,
            {},
            lambda rows: [(self.symbol(row["symbol"]), self.ours(row["clientOrderId"])) for row in json_list(rows)],
        )

    async def positions(self) -> list[Held]:
        return await self.ask(
            self.client.fapiPrivateV3GetPositionRisk,
            {},
            lambda rows: [self._held(row) for row in json_list(rows) if exact(row["positionAmt"])],
        )

    async def balance(self) -> Balance:
        def read(answer: Json) -> Balance:
            for row in json_list(answer["assets"]):
                if row["asset"] == self.quote:
                    return Balance(
                        wallet=float(row["walletBalance"]),
                        equity=float(row["marginBalance"]),
                        free=float(row["availableBalance"]),
                    )
            return Balance(0.0, 0.0, 0.0)

        return await self.ask(self.client.fapiPrivateV3GetAccount, {}, read)

    async def fills(self, markets: Sequence[Mapping[str, Any]], since_ms: int) -> list[VenueFill]:
        now_ms = await self.connection.ask(self.client.fetch_time, int)
        told = await asyncio.gather(*(self._fills(market, since_ms, now_ms) for market in markets))
        return [fill for fills in told for fill in fills]

    async def funding(self, since_ms: int) -> list[VenueFunding]:
        async def read(begin: int) -> list[Row[VenueFunding]]:
            params = {"incomeType": "FUNDING_FEE", "startTime": begin, "limit": PAGE}
            return await self.ask(
                self.client.fapiPrivateGetIncome, params, lambda rows: [self._payment(row) for row in json_list(rows)]
            )

        pages = await forward(read, since_ms, PAGE, "binance funding payments")
        return [row.entry for row in pages]

    async def standing(self, market: Mapping[str, Any]) -> Standing:
        trades, withdraws = await self.ask(
            self.client.sapiGetAccountApiRestrictions,
            {},
            lambda told: (_true(told["enableFutures"]), _true(told["enableWithdrawals"])),
        )
        taker, maker = await self.ask(
            self.client.fapiPrivateGetCommissionRate,
            {"symbol": market["id"]},
            lambda told: (float(told["takerCommissionRate"]), float(told["makerCommissionRate"])),
        )
        one_way = not await self._hedged()
        return Standing(trades, withdraws, one_way, None, self.connection.ahead_ms(), taker, maker)

    async def prepare(self, markets: Sequence[Mapping[str, Any]], leverage: int) -> None:
        if await self._hedged():
            one_way = {"dualSidePosition": "false"}
            await self.send_unless(self.client.fapiPrivatePostPositionSideDual, one_way, self.already_so)
        for market in markets:
            mode = {"symbol": market["id"], "marginType": "CROSSED"}
            await self.send_unless(self.client.fapiPrivatePostMarginType, mode, self.already_so)
            await self.send(self.client.fapiPrivatePostLeverage, {"symbol": market["id"], "leverage": leverage})

    async def dead_man(self, markets: Sequence[Mapping[str, Any]], seconds: float) -> bool:
        call, wait = self.client.fapiPrivatePostCountdownCancelAll, round(1000 * seconds)
        await asyncio.gather(*(self.send(call, {"symbol": m["id"], "countdownTime": wait}) for m in markets))
        return bool(markets)

    async def _hedged(self) -> bool:
        return await self.ask(
            self.client.fapiPrivateGetPositionSideDual, {}, lambda answer: _true(answer["dualSidePosition"])
        )

    async def _fills(self, market: Mapping[str, Any], since_ms: int, now_ms: int) -> list[VenueFill]:
        rows: list[Json] = []
        begin = max(since_ms, now_ms - KEPT_MS)
        while begin <= now_ms and not rows:
            rows = await self._trades(market, {"startTime": begin, "endTime": begin + WEEK_MS - 1})
            begin += WEEK_MS
        more = bool(rows)
        while more:  # by number: no instant can be split, and nothing is told twice
            page = await self._trades(market, {"fromId": int(rows[-1]["id"]) + 1})
            rows += page
            more = len(page) == PAGE
        return [await self._fill(market["symbol"], row) for row in rows]

    async def _trades(self, market: Mapping[str, Any], params: dict[str, int]) -> list[Json]:
        asked = {"symbol": market["id"], "limit": PAGE, **params}
        rows = await self.ask(self.client.fapiPrivateGetUserTrades, asked, json_list)
        return sorted(rows, key=lambda row: int(row["id"]))

    async def _fill(self, symbol: str, row: Json) -> VenueFill:
        size = self.units(symbol, row["qty"])
        return VenueFill(
            venue=self.connection.name,
            symbol=symbol,
            trade_id=str(row["id"]),
            client_id=self.ours(await self._client_id(row["symbol"], str(row["orderId"]))),
            time_ms=int(row["time"]),
            quantity=size if row["side"] == "BUY" else -size,
            price=float(row["price"]),
            fee=self.paid(row["commission"], row["commissionAsset"]),
            maker=_true(row["maker"]),
        )

    async def _client_id(self, market_id: str, venue_id: str) -> str:
        if venue_id not in self._client_ids:
            params = {"symbol": market_id, "orderId": venue_id}
            told = await self.find_by(self.client.fapiPrivateGetOrder, params, lambda row: str(row["clientOrderId"]))
            if told is None:
                return ""  # the venue forgets orders earlier than trades
            self._client_ids[venue_id] = told
        return self._client_ids[venue_id]

    def _held(self, row: Json) -> Held:
        symbol, liquidation = self.symbol(row["symbol"]), float(row["liquidationPrice"])
        return Held(
            symbol=symbol,
            quantity=self.units(symbol, row["positionAmt"]),
            entry_price=float(row["entryPrice"]),
            mark=float(row["markPrice"]),
            liquidation_price=liquidation if liquidation > 0 else math.nan,
        )

    def _payment(self, row: Json) -> Row[VenueFunding]:
        time_ms, payment_id = int(row["time"]), str(row["tranId"])
        symbol = self.symbol(row["symbol"])
        paid = VenueFunding(self.connection.name, symbol, payment_id, time_ms, float(row["income"]))
        return Row(time_ms, f"{symbol} {time_ms} {payment_id}", paid)


def _true(told: object) -> bool:
    return str(told).lower() == "true"
