"""OKX's dialect of an account in futures mode, linear swaps. Sources: ccxt 4.5.90 (requests, signatures), its v5 API.

Sizes are contracts. What an order filled is never in the answer that takes it: it is asked for.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.execution.live.dialect import VALID_MS, Dialect, Json, Ticket, json_list
from bot.execution.live.pages import Row, chained
from bot.execution.live.steps import exact
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, Style, VenueFill, VenueFunding
from data.connection import Connection
from data.errors import VenueRefused

SWAPS = {"instType": "SWAP"}
PAGE = 100
BATCH = 20
"""Most orders in one cancel."""
TIMER_S = 10, 120
"""The shortest and the longest dead man's switch."""
_STATES = {
    "live": OrderState.OPEN,
    "partially_filled": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.ENDED,
    "mmp_canceled": OrderState.ENDED,
}
_SPOT_ONLY = "1"
_ORDERS = "trade/batch-orders"


class Okx(Dialect):
    """Client ids are unique for ever; each order says that it is cross."""

    proves_nothing = frozenset({"50000", "50001", "50004", "50005", "50013", "50026", "51016", "51054", "51149"})
    says_no = frozenset({"50036", "50037", "50120", "51023", "51025", "51169"})
    absent = frozenset({"51400", "51401", "51402", "51410", "51503", "51509", "51603"})
    tells_ids_only = True

    def __init__(self, connection: Connection, quote: str) -> None:
        super().__init__(connection, quote)
        self._sign = self.client.sign
        self.client.sign = self._expiring

    def _expiring(self, path: str, *more: Any) -> dict[str, Any]:
        """ccxt's `sign`, the last step before sending; orders get the header after whose time the venue refuses them
        (docs-v5, "Transaction Timeouts")."""
        request: dict[str, Any] = self._sign(path, *more)
        if path == _ORDERS:
            request["headers"]["expTime"] = str(self.client.milliseconds() + self.connection.ahead_ms() + VALID_MS)
        return request

    def code(self, answer: object) -> str:
        """That of the order where there is one: the answer's own says only that not all went well."""
        if not isinstance(answer, Mapping):
            return ""
        rows = answer.get("data")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else {}
        return str(row.get("sCode") or answer.get("code", ""))

    async def create(self, ticket: Ticket) -> Json:
        order = ticket.order
        params = {
            "instId": ticket.market["id"],
            "tdMode": "cross",
            "side": "buy" if ticket.buys else "sell",
            "ordType": "ioc" if order.style is Style.TAKE else "post_only",
            "sz": ticket.contracts,
            "px": ticket.price,
            "clOrdId": ticket.client_id,
            "reduceOnly": order.reduce_only,
        }
        return await self.send(self.client.privatePostTradeBatchOrders, [params])

    def created(self, ticket: Ticket, answer: Json) -> OrderReport:
        (row,) = answer["data"]
        ticket.compare(row["clOrdId"])
        if row["sCode"] != "0":
            raise ValueError(f"an order that was taken with the code {row['sCode']}")
        return OrderReport(
            OrderState.UNKNOWN, venue_id=str(row["ordId"]), reason="okx took it and says no more of it yet"
        )

    async def find(self, ticket: Ticket) -> OrderReport:
        params = {"instId": ticket.market["id"], "clOrdId": ticket.client_id}
        found = await self.find_by(self.client.privateGetTradeOrder, params, partial(self._report, ticket))
        return found or OrderReport(OrderState.ABSENT)

    async def cancel(self, ticket: Ticket) -> None:
        params = {"instId": ticket.market["id"], "clOrdId": ticket.client_id}
        await self.send(self.client.privatePostTradeCancelOrder, params)

    async def cancel_all(self, markets: Sequence[Mapping[str, Any]]) -> None:
        wanted = {market["id"] for market in markets}
        resting = [row for row in await self._pending() if row["instId"] in wanted]
        named = [{"instId": row["instId"], "ordId": row["ordId"]} for row in resting]
        for first in range(0, len(named), BATCH):
            batch = named[first : first + BATCH]
            await self.send_unless(self.client.privatePostTradeCancelBatchOrders, batch, self.absent)

    async def open_orders(self) -> list[tuple[str, str]]:
        return [(self.symbol(row["instId"]), self.ours(row["clOrdId"])) for row in await self._pending()]

    async def positions(self) -> list[Held]:
        return await self.ask(
            self.client.privateGetAccountPositions,
            SWAPS,
            lambda answer: [self._held(row) for row in json_list(answer["data"]) if exact(row["pos"] or "0")],
        )

    async def balance(self) -> Balance:
        def read(answer: Json) -> Balance:
            (account,) = answer["data"]
            for row in json_list(account["details"]):
                if row["ccy"] == self.quote:
                    return Balance(float(row["cashBal"]), float(row["eq"]), float(row["availEq"] or row["availBal"]))
            return Balance(0.0, 0.0, 0.0)

        return await self.ask(self.client.privateGetAccountBalance, {"ccy": self.quote}, read)

    async def fills(self, markets: Sequence[Mapping[str, Any]], since_ms: int) -> list[VenueFill]:
        rows = await self._history(self.client.privateGetTradeFillsHistory, {"begin": since_ms}, since_ms)
        return [self._fill(row) for row in rows]

    async def funding(self, since_ms: int) -> list[VenueFunding]:
        params = {"type": "8", "begin": since_ms}
        return [
            self._payment(row)
            for row in await self._history(self.client.privateGetAccountBillsArchive, params, since_ms)
        ]

    async def standing(self, market: Mapping[str, Any]) -> Standing:
        def fees(answer: Json) -> tuple[float, float]:
            """Below zero for what is paid."""
            (row,) = answer["data"]
            return -float(row.get("takerU") or row["taker"]), -float(row.get("makerU") or row["maker"])

        config = await self._config()
        taker, maker = await self.ask(self.client.privateGetAccountTradeFee, SWAPS, fees)
        return Standing(
            can_trade="trade" in config["perm"].split(",") and str(config["acctLv"]) != _SPOT_ONLY,
            can_withdraw="withdraw" in config["perm"].split(","),
            one_way=config["posMode"] == "net_mode",
            cross=None,
            clock_ms=self.connection.ahead_ms(),
            taker_fee=taker,
            maker_fee=maker,
        )

    async def prepare(self, markets: Sequence[Mapping[str, Any]], leverage: int) -> None:
        config = await self._config()
        if str(config["acctLv"]) == _SPOT_ONLY:
            raise VenueRefused(
                "the account at okx is in spot mode, which has no swaps: switch it to futures mode there"
            )
        if config["posMode"] != "net_mode":
            await self.send(self.client.privatePostAccountSetPositionMode, {"posMode": "net_mode"})
        for market in markets:
            params = {"instId": market["id"], "lever": str(leverage), "mgnMode": "cross"}
            await self.send(self.client.privatePostAccountSetLeverage, params)

    async def dead_man(self, markets: Sequence[Mapping[str, Any]], seconds: float) -> bool:
        shortest, longest = TIMER_S
        wait = round(min(max(seconds, shortest), longest)) if seconds > 0 else 0
        await self.send(self.client.privatePostTradeCancelAllAfter, {"timeOut": str(wait)})
        return True

    async def _config(self) -> dict[str, Any]:
        def read(answer: Json) -> dict[str, Any]:
            (row,) = answer["data"]
            return {name: row[name] for name in ("acctLv", "posMode", "perm")}

        return await self.ask(self.client.privateGetAccountConfig, {}, read)

    async def _pending(self) -> list[Json]:
        return await self._history(self.client.privateGetTradeOrdersPending, {}, 0, key="ordId", stamp="cTime")

    async def _history(
        self,
        call: Callable[..., Awaitable[Any]],
        params: Mapping[str, Any],
        since_ms: int,
        *,
        key: str = "billId",
        stamp: str = "ts",
    ) -> list[Json]:
        """Every row of a list that is told newest first, from its end to its beginning; given oldest first."""

        def read(answer: Json) -> list[Row[Json]]:
            return [Row(int(row[stamp]), str(row[key]), row) for row in json_list(answer["data"])]

        async def page(cursor: str) -> tuple[list[Row[Json]], str]:
            at = {"after": cursor} if cursor else {}
            rows = await self.ask(call, {**SWAPS, "limit": PAGE, **params, **at}, read)
            return rows, rows[-1].key if len(rows) == PAGE else ""

        return [row.entry for row in await chained(page, since_ms, "a list of okx's")]

    def _report(self, ticket: Ticket, answer: Json) -> OrderReport:
        (row,) = answer["data"]
        ticket.compare(row["clOrdId"])
        return ticket.report(_STATES[row["state"]], row["accFillSz"] or "0", row["avgPx"], str(row["ordId"]))

    def _held(self, row: Json) -> Held:
        symbol = self.symbol(row["instId"])
        held = self.units(symbol, row["pos"])
        return Held(
            symbol=symbol,
            quantity=-abs(held) if row["posSide"] == "short" else held,
            entry_price=float(row["avgPx"]),
            mark=float(row["markPx"]),
            liquidation_price=float(row["liqPx"]) if exact(row["liqPx"] or "0") else math.nan,
        )

    def _fill(self, row: Json) -> VenueFill:
        """Known by its bill: both sides of a trade with oneself have one number."""
        symbol = self.symbol(row["instId"])
        size = self.units(symbol, row["fillSz"])
        return VenueFill(
            venue=self.connection.name,
            symbol=symbol,
            trade_id=str(row["billId"]),
            client_id=self.ours(row["clOrdId"]),
            time_ms=int(row["ts"]),
            quantity=size if row["side"] == "buy" else -size,
            price=float(row["fillPx"]),
            fee=-self.paid(row["fee"], row["feeCcy"]),
            maker=row["execType"] == "M",
        )

    def _payment(self, row: Json) -> VenueFunding:
        symbol, changed = self.symbol(row["instId"]), float(row["balChg"])
        return VenueFunding(self.connection.name, symbol, str(row["billId"]), int(row["ts"]), changed)
