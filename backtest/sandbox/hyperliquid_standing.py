"""How the sandbox's Hyperliquid writes what an account is worth and holds: the answer to `clearinghouseState`.

Used by `hyperliquid_account`. Shape and meanings: hyperliquid.gitbook.io, info endpoint, perpetuals account summary;
margining (what can be withdrawn leaves initial margin, and a tenth of the notional, behind).
"""

from collections.abc import Mapping
from decimal import Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, money
from backtest.sandbox.accounts.state import Position
from backtest.sandbox.hyperliquid_rows import Row, plain
from backtest.sandbox.hyperliquid_universe import MAX_LEVERAGE

KEPT_OF_NOTIONAL = Decimal("0.1")


def clearinghouse_row(account: Account, coins: Mapping[str, str]) -> Row:
    """All of it; `coins` are the venue's names by symbol."""
    gross = sum((_value(account, position) for position in account.positions), ZERO)
    net = sum((position.quantity * account.mark(position.symbol) for position in account.positions), ZERO)
    equity, margin = account.equity(), account.position_margin()
    summary = _summary(equity, gross, equity - net, margin)
    withdrawable = max(ZERO, min(account.free(), equity - KEPT_OF_NOTIONAL * gross))
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": plain(account.maintenance_margin()),
        "withdrawable": plain(withdrawable),
        "assetPositions": [
            {"type": "oneWay", "position": _position_row(account, position, coins[position.symbol])}
            for position in account.positions
        ],
        "time": account.now_ms,
    }


def nothing_row(now_ms: int) -> Row:
    """That of an address without an account."""
    summary = _summary(ZERO, ZERO, ZERO, ZERO)
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "0.0",
        "assetPositions": [],
        "time": now_ms,
    }


def _summary(equity: Decimal, gross: Decimal, raw: Decimal, margin: Decimal) -> Row:
    return {
        "accountValue": plain(equity),
        "totalNtlPos": plain(gross),
        "totalRawUsd": plain(raw),
        "totalMarginUsed": plain(margin),
    }


def _position_row(account: Account, position: Position, coin: str) -> Row:
    value, unrealised = _value(account, position), account.unrealised(position)
    margin = account.initial_margin(position.symbol, value)
    at = account.liquidation_price(position)
    return {
        "coin": coin,
        "szi": plain(position.quantity),
        "leverage": {
            "type": "isolated" if account.is_isolated(position.symbol) else "cross",
            "value": account.leverage(position.symbol),
        },
        "entryPx": plain(position.entry),
        "positionValue": plain(value),
        "unrealizedPnl": plain(unrealised),
        "returnOnEquity": plain(money(unrealised / margin)) if margin else "0.0",
        "liquidationPx": plain(at) if at else None,
        "marginUsed": plain(margin),
        "maxLeverage": MAX_LEVERAGE,
        "cumFunding": {
            "allTime": plain(_paid(account, position, 0)),
            "sinceOpen": plain(_paid(account, position, _opened_ms(account, position))),
            "sinceChange": plain(_paid(account, position, position.changed_ms)),
        },
    }


def _paid(account: Account, position: Position, since_ms: int) -> Decimal:
    """Funding paid for a contract, above zero, or received."""
    payments = (p for p in account.payments() if p.symbol == position.symbol and p.time_ms > since_ms)
    return -sum((payment.amount for payment in payments), ZERO)


def _opened_ms(account: Account, position: Position) -> int:
    """When what is held was last nothing, or was turned over."""
    held, opened_ms = ZERO, 0
    for fill in account.histories.fills:
        if fill.symbol == position.symbol:
            opened_ms = fill.time_ms if held * (held + fill.quantity) <= 0 else opened_ms
            held += fill.quantity
    return opened_ms


def _value(account: Account, position: Position) -> Decimal:
    return money(abs(position.quantity) * account.mark(position.symbol))
