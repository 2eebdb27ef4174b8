"""The accounts' truth, and what is made to happen to them, over HTTP without a key: `/sandbox/accounts`.

GET answers every account whole, for tests to compare with what a client believes; decimals are strings. POST
`/sandbox/accounts/VENUE` with an event makes it happen and answers that account. `/sandbox/distortions` GET shows what
is distorted, POST {"replace": [...]} distorts that and nothing else. Used by `server`; what is not understood is
answered with 400 and a sentence, and changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.events import Event
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.refusals import OrderRefused
from backtest.sandbox.accounts.store import FILL, ORDER, PAYMENT, STATE
from backtest.sandbox.answers import json_response
from backtest.sandbox.distortions import Distortion
from backtest.sandbox.text import json_text
from data.errors import ConfigurationError

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_DISTORTIONS: TypeAdapter[dict[str, tuple[Distortion, ...]]] = TypeAdapter(dict[str, tuple[Distortion, ...]])


class AccountControl:
    """The endpoints over the accounts of a world."""

    def __init__(self, accounts: Accounts) -> None:
        """Nothing has happened yet."""
        self._accounts = accounts

    def routes(self) -> list[web.RouteDef]:
        """The control's endpoints."""
        return [
            web.get("/sandbox/accounts", self._show),
            web.post("/sandbox/accounts/{venue}", self._happen),
            web.get("/sandbox/distortions", self._show_distortions),
            web.post("/sandbox/distortions", self._distort),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return json_response(json_text({venue: self._truth(venue) for venue in self._accounts.venues}))

    async def _happen(self, request: web.Request) -> web.Response:
        venue, body = request.match_info["venue"], await request.read()
        if venue not in self._accounts.venues:
            return _refused(f"there is no account at {venue}: choose from {', '.join(self._accounts.venues)}")
        try:
            event = _EVENT.validate_json(body)
            with self._accounts.at(venue) as account:
                event.happen(account)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole of it"
            return _refused(f"that is no event ({where}: {first['msg']}): correct it; nothing was changed")
        except OrderRefused as refusal:
            return _refused(f"the venue refuses ({refusal}): nothing was changed")
        return json_response(json_text(self._truth(venue)))

    async def _show_distortions(self, request: web.Request) -> web.Response:
        return json_response(json_text({"distortions": self._accounts.world.distortions.shown()}))

    async def _distort(self, request: web.Request) -> web.Response:
        try:
            told = _DISTORTIONS.validate_json(await request.read())
            if told.keys() != {"replace"}:
                return _refused('send {"replace": [distortions]}, each of them with a `kind`')
            self._settle()
            self._accounts.world.distortions.replace(told["replace"], self._accounts.world.now_ms())
        except ValidationError as error:
            return _refused(f"that is no distortion ({error.errors()[0]['msg']}): correct it; nothing was changed")
        except ConfigurationError as error:
            return _refused(str(error))
        return await self._show_distortions(request)

    def _settle(self) -> None:
        """What happened under the old distortions must not be seen under the new ones."""
        for venue in self._accounts.venues:
            with self._accounts.at(venue):
                pass

    def _truth(self, venue: str) -> dict[str, Any]:
        with self._accounts.at(venue) as account:
            return truth(account)


def truth(account: Account) -> dict[str, Any]:
    """The whole of an account as JSON: its state, what it is worth, and its histories."""
    histories = account.histories
    worth = {
        "quote": account.quote,
        "equity": str(account.equity()),
        "free": str(account.free()),
        "maintenance_margin": str(account.maintenance_margin()),
        "marks": {position.symbol: str(account.mark(position.symbol)) for position in account.positions},
    }
    told = {
        "orders": _listed(ORDER, list(histories.orders.values())),
        "fills": _listed(FILL, histories.fills),
        "payments": _listed(PAYMENT, histories.payments),
    }
    state: dict[str, Any] = STATE.dump_python(account.state, mode="json")
    return state | worth | told


def _listed(adapter: TypeAdapter[Any], rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [adapter.dump_python(row, mode="json") for row in rows]


def _refused(message: str) -> web.Response:
    return json_response(json_text({"error": message}), status=400)
