"""The signed actions of Hyperliquid that set something: leverage, the dead man's switch, a builder's fee, a referrer.

Used by `hyperliquid_exchange`. Rules: hyperliquid.gitbook.io, exchange endpoint; margining. Words as observed (ccxt
4.5.90; testnet probes in public repositories). Left out: that the dead man's switch cancels at most ten times a day.
"""

import re
from decimal import Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, money
from backtest.sandbox.hyperliquid_actions import ActionRefusedError, Doing, Doings, contract_at
from backtest.sandbox.hyperliquid_memory import Memory
from backtest.sandbox.hyperliquid_request import MalformedError, Request, address, flag, optional_time, text, whole
from backtest.sandbox.hyperliquid_universe import MAX_LEVERAGE, Universe

DONE = {"type": "default"}
PERCENT = re.compile(r"\d+(\.\d+)?%")
DEAD_MAN_VOLUME = Decimal(1_000_000)
"""An account that has traded less has no dead man's switch."""
DEAD_MAN_LEAST_MS = 5000


class HyperliquidSwitches:
    """One account's."""

    def __init__(self, universe: Universe, memory: Memory) -> None:
        """`memory` learns which fees are approved."""
        self._universe = universe
        self._memory = memory
        self._referred = False

    def doings(self) -> Doings:
        """By type of action."""
        return {
            "updateLeverage": self._update_leverage,
            "scheduleCancel": self._schedule_cancel,
            "approveBuilderFee": self._approve_builder_fee,
            "setReferrer": self._set_referrer,
            "noop": lambda action: lambda account, wall_ms: DONE,
        }

    def _update_leverage(self, action: Request) -> Doing:
        asset, leverage, cross = whole(action, "asset"), whole(action, "leverage"), flag(action, "isCross")

        def do(account: Account, wall_ms: int) -> object:
            symbol = contract_at(self._universe, asset, account.now_ms).symbol
            if not 1 <= leverage <= min(MAX_LEVERAGE, account.most_leverage):
                raise ActionRefusedError("Invalid leverage value")
            if cross == account.is_isolated(symbol) and account.position(symbol):
                raise ActionRefusedError("Cannot switch leverage type with open position.")
            _check_margin(account, symbol, leverage)
            account.state.leverage[symbol] = leverage
            isolated = [kept for kept in account.state.isolated if kept != symbol]
            account.state.isolated = isolated if cross else [*isolated, symbol]
            return DONE

        return do

    def _schedule_cancel(self, action: Request) -> Doing:
        at_ms = optional_time(action, "time")

        def do(account: Account, wall_ms: int) -> object:
            if at_ms is None:
                account.dead_man(0)
                return DONE
            if (traded := volume(account)) < DEAD_MAN_VOLUME:
                raise ActionRefusedError(
                    "Cannot set scheduled cancel time until enough volume traded. "
                    f"Required: ${DEAD_MAN_VOLUME}. Traded: ${traded.normalize():f}."
                )
            if at_ms < wall_ms + DEAD_MAN_LEAST_MS:
                raise ActionRefusedError("Scheduled cancel time too early, must be at least 5 seconds from now.")
            account.dead_man(at_ms - wall_ms)
            return DONE

        return do

    def _approve_builder_fee(self, action: Request) -> Doing:
        builder, rate = address(action, "builder"), text(action, "maxFeeRate")
        if not PERCENT.fullmatch(rate):
            raise MalformedError

        def do(account: Account, wall_ms: int) -> object:
            self._memory.approve(builder, Decimal(rate.removesuffix("%")))
            return DONE

        return do

    def _set_referrer(self, action: Request) -> Doing:
        text(action, "code")

        def do(account: Account, wall_ms: int) -> object:
            if self._referred:
                raise ActionRefusedError("Referrer already set.")
            self._referred = True
            return DONE

        return do


def volume(account: Account) -> Decimal:
    """What the account has ever traded, quote currency."""
    return sum((money(abs(fill.quantity) * fill.price) for fill in account.histories.fills), ZERO)


def _check_margin(account: Account, symbol: str, leverage: int) -> None:
    position = account.position(symbol)
    if position is None:
        return
    value = abs(position.quantity) * account.mark(symbol)
    more = money(value / leverage) - account.initial_margin(symbol, value)
    if more > account.free():
        raise ActionRefusedError("Cross position does not have sufficient margin available to decrease leverage.")
