"""Hyperliquid's dialect of an account. Sources: ccxt 4.5.90 (actions, signatures), hyperliquid.gitbook.io (info types).

Orders are signed by ccxt and sent as they are, past its `create_order`, which would first approve a fee for a builder.
Client ids are 128 bits of a hash of ours, so reading one back needs to have written it: see `LiveAccount.recognise`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from bot.execution.live.dialect import VALID_MS, Dialect, Json, Ticket, json_list
from bot.execution.live.hyperliquid_words import NO_SUCH, TOO_LITTLE_TRADED, code, price_step, state_of
from bot.execution.live.pages import Row, forward
from bot.execution.live.steps import exact
from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, Style, VenueFill, VenueFunding
from data.connection import Connection
from data.errors import VenueRefused
from data.types import Instrument

Result = TypeVar("Result")
FILLS_PAGE = 2000
FUNDING_PAGE = 500
SHORTEST_S = 5.0
"""Orders can be cancelled no sooner than so much later."""


class Hyperliquid(Dialect):
    """One-way and cross; the key is the wallet's own or that of an API wallet, which cannot withdraw."""

    says_no = frozenset({TOO_LITTLE_TRADED})
    absent = frozenset(NO_SUCH)
    options = {"builderFee": False, "refSet": True}  # noqa: RUF012 - read only

    def __init__(self, connection: Connection, quote: str) -> None:
        super().__init__(connection, quote)
        self._wallet = {"user": self.client.walletAddress}
        self._ours: dict[str, str] = {}
        """By what the venue calls them."""
        self._client_ids: dict[str, str] = {}
        """As the venue writes them, by the venue's id."""

    def code(self, answer: object) -> str:
        return code(answer)

    def client_id(self, ours: str) -> str:
        written = "0x" + hashlib.sha256(ours.encode()).hexdigest()[:32]
        self._ours[written] = ours
        return written

    def ours(self, told: str | None) -> str:
        """A client id that was never written here is passed on as it is: it is not ours, or was not recognised."""
        return self._ours.get(told, told) if told else ""

    def price_step(self, instrument: Instrument, limit: float) -> Decimal:
        return price_step(instrument.lot_step, limit)

    async def create(self, ticket: Ticket) -> Json:
        params = {
            "timeInForce": "Ioc" if ticket.order.style is Style.TAKE else "Alo",
            "reduceOnly": ticket.order.reduce_only,
            "clientOrderId": ticket.client_id,
        }
        side = "buy" if ticket.buys else "sell"
        order = (ticket.market["symbol"], "limit", side, ticket.contracts, ticket.price, params)
        return await self.send(self._signed, lambda: self._expiring(order))

    def _expiring(self, order: tuple[Any, ...]) -> Json:
        """An order that the venue refuses once it is late; ccxt's own orders are good for days."""
        action = {"type": "order", "orders": [self.client.create_order_request(*order)], "grouping": "na"}
        nonce = self.client.milliseconds()
        expires = nonce + self.connection.ahead_ms() + VALID_MS
        signature = self.client.sign_l1_action(action, nonce, None, expires)
        return {"action": action, "nonce": nonce, "signature": signature, "expiresAfter": expires}

    def created(self, ticket: Ticket, answer: Json) -> OrderReport:
        (told,) = answer["response"]["data"]["statuses"]
        one = told.get("filled") or told["resting"]
        if one.get("cloid") is not None:
            ticket.compare(one["cloid"])
        venue_id = str(one["oid"])
        self._client_ids[venue_id] = ticket.client_id
        if "filled" not in told:
            return ticket.report(OrderState.OPEN, "0", None, venue_id)
        whole = exact(one["totalSz"]) == exact(ticket.contracts)
        state = OrderState.FILLED if whole else OrderState.ENDED
        return ticket.report(state, one["totalSz"], one["avgPx"], venue_id)

    async def find(self, ticket: Ticket) -> OrderReport:
        params = {"type": "orderStatus", "oid": ticket.client_id, **self._wallet}
        told = await self.find_by(self.client.publicPostInfo, params, partial(self._status, ticket))
        if told is None:
            return OrderReport(OrderState.ABSENT)
        if state_of(told[0]) is OrderState.REJECTED:
            told = await self._taken(ticket) or told
        status, order = told
        state, venue_id = state_of(status), str(order["oid"])
        if state is OrderState.REJECTED:
            return ticket.report(state, "0", None, venue_id, f"{self.connection.name} refused ({status})")
        # What it filled, and at which price, is told by its fills; sizes only say how much of that must be there.
        least = Decimal(0) if state is OrderState.ENDED else exact(order["origSz"]) - exact(order["sz"])
        if state is OrderState.OPEN and not least:  # reading fills weighs ten times as much
            return ticket.report(state, "0", None, venue_id)
        filled, average = await self._filled(venue_id, int(order["timestamp"]), least)
        if state is OrderState.FILLED and filled < exact(ticket.contracts):
            state = OrderState.ENDED
        return ticket.report(state, filled, average, venue_id)

    async def cancel(self, ticket: Ticket) -> None:
        named = {"clientOrderId": [ticket.client_id]}
        symbol = ticket.market["symbol"]
        await self.send(self._signed, lambda: self.client.cancel_orders_request([], symbol, named))

    async def cancel_all(self, markets: Sequence[Mapping[str, Any]]) -> None:
        rows = await self._resting()
        for market in markets:
            if ids := [str(row["oid"]) for row in rows if row["coin"] == market["baseName"]]:
                cancel = partial(self.client.cancel_orders_request, ids, market["symbol"])
                await self.send_unless(self._signed, cancel, self.absent)

    async def open_orders(self) -> list[tuple[str, str]]:
        return [(self._symbol_of(row["coin"]), self.ours(row.get("cloid"))) for row in await self._resting()]

    async def positions(self) -> list[Held]:
        return await self._clearinghouse(
            lambda answer: [self._held(row["position"]) for row in answer["assetPositions"]],
        )

    async def balance(self) -> Balance:
        """Of the perpetuals' account; one that is joined with the spot account is not read."""

        def read(answer: Json) -> Balance:
            equity = exact(answer["marginSummary"]["accountValue"])
            unrealised = sum((exact(row["position"]["unrealizedPnl"]) for row in answer["assetPositions"]), Decimal(0))
            return Balance(float(equity - unrealised), float(equity), float(answer["withdrawable"]))

        return await self._clearinghouse(read)

    async def fills(self, markets: Sequence[Mapping[str, Any]], since_ms: int) -> list[VenueFill]:
        wanted = {market["baseName"] for market in markets}
        rows = [row for row in await self._trades(since_ms) if row["coin"] in wanted]
        return [await self._fill(row) for row in rows]

    async def funding(self, since_ms: int) -> list[VenueFunding]:
        async def read(begin: int) -> list[Row[VenueFunding]]:
            params = {"type": "userFunding", "startTime": begin, **self._wallet}
            return await self.ask(
                self.client.publicPostInfo, params, lambda rows: [self._payment(row) for row in json_list(rows)]
            )

        pages = await forward(read, since_ms, FUNDING_PAGE, "hyperliquid funding payments")
        return [row.entry for row in pages]

    async def standing(self, market: Mapping[str, Any]) -> Standing:
        taker, maker = await self.ask(
            self.client.publicPostInfo,
            {"type": "userFees", **self._wallet},
            lambda told: (float(told["userCrossRate"]), float(told["userAddRate"])),
        )
        signer = self.client.eth_get_address_from_private_key(self.client.privateKey).lower()
        own = signer == self.client.walletAddress.lower()
        agents = {"type": "extraAgents", **self._wallet}
        may = own or await self.ask(
            self.client.publicPostInfo,
            agents,
            lambda rows: signer in {row["address"].lower() for row in json_list(rows)},
        )
        return Standing(
            can_trade=may,
            can_withdraw=own,
            one_way=True,
            cross=None,
            clock_ms=self.connection.ahead_ms(),
            taker_fee=taker,
            maker_fee=maker,
        )

    async def prepare(self, markets: Sequence[Mapping[str, Any]], leverage: int) -> None:
        for market in markets:
            most = int(market["limits"]["leverage"]["max"] or leverage)
            call = partial(self.client.set_leverage, min(leverage, most), market["symbol"])
            await self.connection.send(call, self.proves)

    async def dead_man(self, markets: Sequence[Mapping[str, Any]], seconds: float) -> bool:
        def schedule() -> Json:
            nonce, action = self.client.incrementing_nonce(), {"type": "scheduleCancel"}
            if seconds > 0:
                action["time"] = nonce + round(1000 * max(seconds, SHORTEST_S))
            return {"action": action, "nonce": nonce, "signature": self.client.sign_l1_action(action, nonce)}

        try:
            await self.send(self._signed, schedule)
        except VenueRefused as refusal:
            if self.code(refusal.answer) != TOO_LITTLE_TRADED:
                raise
            return False
        return True

    async def _signed(self, sign: Callable[[], Json]) -> Json:
        """Sign an action and send it."""
        return await self.client.privatePostExchange(sign())

    def _status(self, ticket: Ticket, answer: Json) -> tuple[str, Json]:
        """Where an order stands, in the venue's word, and its row."""
        status, order = str(answer["order"]["status"]), answer["order"]["order"]
        ticket.compare(order["cloid"])
        self._client_ids[str(order["oid"])] = ticket.client_id
        return status, order

    async def _taken(self, ticket: Ticket) -> tuple[str, Json] | None:
        """Where an order stands whose id was sent again: the venue tells of the last of that name, which it refused."""

        def read(rows: Json) -> tuple[str, Json] | None:
            mine = [(str(row["status"]), row["order"]) for row in json_list(rows)]
            taken = [one for one in mine if one[1]["cloid"] == ticket.client_id and not one[0].endswith("ejected")]
            return taken[0] if taken else None

        return await self.ask(self.client.publicPostInfo, {"type": "historicalOrders", **self._wallet}, read)

    async def _filled(self, venue_id: str, since_ms: int, least: Decimal) -> tuple[Decimal, str]:
        """What an order filled, and its average price; asked again while that is less than the venue says elsewhere."""

        def read(rows: Json) -> tuple[Decimal, str]:
            ours = {str(row["tid"]): row for row in json_list(rows) if str(row["oid"]) == venue_id}
            mine = [(exact(row["sz"]), exact(row["px"])) for row in ours.values()]
            filled = sum((size for size, _ in mine), Decimal(0))
            if filled < least:
                raise ValueError(f"of {least} that the order {venue_id} filled, {filled} are among its fills")
            paid = sum((size * price for size, price in mine), Decimal(0))
            return filled, str(paid / filled) if filled else "0"

        params = {"type": "userFillsByTime", "startTime": since_ms, **self._wallet}
        return await self.ask(self.client.publicPostInfo, params, read)

    async def _trades(self, since_ms: int) -> list[Json]:
        def row(told: Json) -> Row[Json]:
            return Row(int(told["time"]), f"{told['coin']} {told['tid']} {told['oid']}", told)

        async def read(begin: int) -> list[Row[Json]]:
            params = {"type": "userFillsByTime", "startTime": begin, **self._wallet}
            return await self.ask(
                self.client.publicPostInfo, params, lambda rows: [row(told) for told in json_list(rows)]
            )

        return [one.entry for one in await forward(read, since_ms, FILLS_PAGE, "hyperliquid fills")]

    async def _fill(self, row: Json) -> VenueFill:
        size = float(exact(row["sz"]))
        return VenueFill(
            venue=self.connection.name,
            symbol=self._symbol_of(row["coin"]),
            trade_id=str(row["tid"]),
            client_id=self.ours(await self._client_id(row)),
            time_ms=int(row["time"]),
            quantity=size if row["side"] == "B" else -size,
            price=float(row["px"]),
            fee=self.paid(row["fee"], row["feeToken"]),
            maker=str(row["crossed"]).lower() == "false",
        )

    async def _client_id(self, row: Json) -> str | None:
        """Of the order that a fill is of; None where it has none, as what the venue or a person ordered."""
        venue_id = str(row["oid"])
        if row.get("cloid"):
            return str(row["cloid"])
        if venue_id not in self._client_ids:
            params = {"type": "orderStatus", "oid": int(venue_id), **self._wallet}
            told = await self.find_by(
                self.client.publicPostInfo, params, lambda answer: answer["order"]["order"]["cloid"] or ""
            )
            if told is None:
                return ""
            self._client_ids[venue_id] = told
        return self._client_ids[venue_id]

    async def _resting(self) -> list[Json]:
        return await self.ask(self.client.publicPostInfo, {"type": "frontendOpenOrders", **self._wallet}, json_list)

    async def _clearinghouse(self, read: Callable[[Json], Result]) -> Result:
        return await self.ask(self.client.publicPostInfo, {"type": "clearinghouseState", **self._wallet}, read)

    def _held(self, position: Json) -> Held:
        size, liquidation = exact(position["szi"]), position["liquidationPx"]
        return Held(
            symbol=self._symbol_of(position["coin"]),
            quantity=float(size),
            entry_price=float(position["entryPx"]),
            mark=float(exact(position["positionValue"]) / abs(size)),
            liquidation_price=math.nan if liquidation is None else float(liquidation),
        )

    def _payment(self, row: Json) -> Row[VenueFunding]:
        time_ms, delta = int(row["time"]), row["delta"]
        symbol = self._symbol_of(delta["coin"])
        paid = VenueFunding(self.connection.name, symbol, "", time_ms, float(delta["usdc"]))
        return Row(time_ms, f"{symbol} {time_ms}", paid)

    def _symbol_of(self, coin: str) -> str:
        """ccxt's symbol of a coin's perpetual; the venue's own name of anything else."""
        markets = self.client.markets.values()
        return next((str(m["symbol"]) for m in markets if m["swap"] and m["baseName"] == coin), coin)
