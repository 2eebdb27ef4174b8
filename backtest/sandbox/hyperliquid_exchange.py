"""The signed side of Hyperliquid, POST /exchange: who signed it, and whether its action may be done.

Used by `hyperliquid_account`. In this order, as seen on testnet (riftresearch/hypercore-simulator,
docs/observations.md): what cannot be read is 400 or 422; a signature of nobody, a stranger's and a vault's are refused;
then the nonce is used up, whatever becomes of the action. Every answer from there on is 200, and says `ok` or `err`.
The settings' private key may be that of another address than the account's: it is then an API wallet of it. One whose
permission to trade was revoked is treated as one that was removed.
"""

import json

from aiohttp import web

from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.answers import json_response
from backtest.sandbox.hyperliquid_actions import ActionRefusedError, Doing, Doings
from backtest.sandbox.hyperliquid_memory import Memory
from backtest.sandbox.hyperliquid_nonces import Nonces
from backtest.sandbox.hyperliquid_orders import HyperliquidOrders
from backtest.sandbox.hyperliquid_request import MalformedError, Request, fields, optional_time, parsed, text, whole
from backtest.sandbox.hyperliquid_signature import USER_SIGNED, UnsignedError, address_of, signer_of
from backtest.sandbox.hyperliquid_switches import HyperliquidSwitches
from backtest.sandbox.hyperliquid_universe import NAME, Universe
from backtest.sandbox.text import json_text

PATH = "/hyperliquid/exchange"


class HyperliquidExchange:
    """One endpoint for all actions. One event loop; not thread-safe."""

    def __init__(self, accounts: Accounts, universe: Universe, memory: Memory) -> None:
        """No nonce is used yet; `memory` learns what the public side tells."""
        self._accounts = accounts
        self._wallet = accounts.settings.wallet
        self._signers = {self._wallet, address_of(accounts.settings.private_key)}
        self._nonces = Nonces()
        orders, switches = HyperliquidOrders(universe, memory), HyperliquidSwitches(universe, memory)
        self._doings: Doings = orders.doings() | switches.doings()

    def routes(self) -> list[web.RouteDef]:
        """The endpoint."""

        async def exchange(request: web.Request) -> web.Response:
            body = await request.read()
            try:
                json.loads(body)
            except ValueError:
                return web.Response(status=400, text="Failed to parse the request body as JSON")
            try:
                return json_response(self._answer(parsed(body)))
            except MalformedError:
                return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")

        return [web.post(PATH, exchange)]

    def _answer(self, request: Request) -> str:
        try:
            return json_text({"status": "ok", "response": self._done(request)})
        except ActionRefusedError as refusal:
            return json_text({"status": "err", "response": str(refusal)})

    def _done(self, request: Request) -> object:
        action = fields(request, "action")
        doing = self._prepared(action)
        wall_ms = int(self._accounts.wall_s() * 1000)
        signer = self._signer(request, action)
        if (vault := request.get("vaultAddress")) is not None:
            raise ActionRefusedError(f"Vault not registered: {vault}")
        if refused := self._nonces.refusal(signer, whole(request, "nonce"), wall_ms):
            raise ActionRefusedError(refused)
        if (expires_ms := optional_time(request, "expiresAfter")) is not None and expires_ms < wall_ms:
            raise ActionRefusedError("Action already expired")
        with self._accounts.at(NAME) as account:
            return doing(account, wall_ms)

    def _prepared(self, action: Request) -> Doing:
        kind = text(action, "type")
        if kind not in self._doings:
            raise MalformedError
        return self._doings[kind](action)

    def _signer(self, request: Request, action: Request) -> str:
        """The wallet, or its API wallet where the owner is not asked; raises ActionRefusedError for any other."""
        try:
            signer = signer_of(request)
        except UnsignedError as error:
            raise ActionRefusedError("Unable to recover signer.") from error
        with self._accounts.at(NAME) as account:
            may_trade = account.state.may_trade
        if action["type"] in USER_SIGNED and signer != self._wallet:
            raise ActionRefusedError(f"Must deposit before performing actions. User: {signer}")
        if signer not in self._signers or not may_trade:
            raise ActionRefusedError(f"User or API Wallet {signer} does not exist.")
        return signer
