"""What an account at Binance USD-M has and how it is set up. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, account and trade endpoints; wallet, API key permission.
"""

from decimal import Decimal
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.setup import set_hedge, set_isolated, set_leverage
from backtest.sandbox.binance_account_rows import account_row, money_row, older_risk_row, risk_row, text
from backtest.sandbox.binance_histories import incomes
from backtest.sandbox.binance_rules import RefusedError, required, whole_number
from backtest.sandbox.binance_symbols import Symbols
from backtest.sandbox.binance_tickets import Query

DONE = {"code": 200, "msg": "success"}
_MARGIN_TYPE_STAYS = {
    Refusal.HOLDS_ORDER: RefusedError(-4047, "Margin type cannot be changed if there exists open orders."),
    Refusal.HOLDS_POSITION: RefusedError(-4048, "Margin type cannot be changed if there exists position."),
}


class BinanceStanding:
    """The endpoints. Each public method takes (parameters, account) and gives what is answered."""

    def __init__(self, symbols: Symbols) -> None:
        """Over contracts of these names."""
        self._symbols = symbols

    def income(self, query: Query, account: Account) -> Any:
        """Money that came or went without a trade, in pages."""
        return incomes(query, account, self._symbols.maybe(query), self._symbols.ids)

    def balance(self, query: Query, account: Account) -> Any:
        """Money, by asset."""
        row = money_row(account)
        return [row | {"accountAlias": "sandbox", "balance": row["walletBalance"]}]

    def account(self, query: Query, account: Account) -> Any:
        """Money and positions."""
        return account_row(account, self._risks(account, None))

    def positions(self, query: Query, account: Account) -> Any:
        """What is held, of a contract or of all."""
        return self._risks(account, self._symbols.maybe(query))

    def older_positions(self, query: Query, account: Account) -> Any:
        """The same with leverage and margin mode."""
        rows = self._risks(account, self._symbols.maybe(query))
        return [older_risk_row(account, row, self._symbols.by_id[row["symbol"]]) for row in rows]

    def brackets(self, query: Query, account: Account) -> Any:
        """One bracket of leverage for each contract, whatever the notional."""
        bracket: dict[str, Any] = {
            "bracket": 1,
            "initialLeverage": account.most_leverage,
            "notionalCap": 10**12,
            "notionalFloor": 0,
        }
        bracket |= {"maintMarginRatio": float(account.maintenance), "cum": 0}
        asked = self._symbols.maybe(query)
        rows = [
            {"symbol": self._symbols.ids[s], "brackets": [bracket]}
            for s in account.prices.symbols
            if asked in (None, s)
        ]
        return rows[0] if asked is not None else rows

    def leverage(self, query: Query, account: Account) -> Any:
        """Change the leverage of a contract."""
        symbol, leverage = self._symbols.named(query), whole_number(query, "leverage") or 0
        set_leverage(account, symbol, leverage)
        return {"symbol": query["symbol"], "leverage": leverage, "maxNotionalValue": "1000000000000"}

    def margin_type(self, query: Query, account: Account) -> Any:
        """Change the margin mode of a contract."""
        told = required(query, "marginType")
        if told not in ("ISOLATED", "CROSSED"):
            raise RefusedError(-1102, "Mandatory parameter 'marginType' was not sent, was empty/null, or malformed.")
        try:
            set_isolated(account, self._symbols.named(query), isolated=told == "ISOLATED")
        except OrderRefused as refusal:
            raise _MARGIN_TYPE_STAYS.get(refusal.reason) or refusal from None
        return DONE

    def position_mode(self, query: Query, account: Account) -> Any:
        """Whether the account is in hedge mode."""
        return {"dualSidePosition": account.state.hedge}

    def set_position_mode(self, query: Query, account: Account) -> Any:
        """Change that."""
        set_hedge(account, hedge=required(query, "dualSidePosition") == "true")
        return DONE

    def symbol_config(self, query: Query, account: Account) -> Any:
        """Leverage and margin mode of a contract, or of all."""
        asked = self._symbols.maybe(query)
        return [self._config(account, symbol) for symbol in account.prices.symbols if asked in (None, symbol)]

    def account_config(self, query: Query, account: Account) -> Any:
        """What the account may do."""
        state = account.state
        rights = {"canTrade": state.may_trade, "canDeposit": True, "canWithdraw": state.may_withdraw}
        modes = {"dualSidePosition": state.hedge, "multiAssetsMargin": False}
        return {"feeTier": 0, "updateTime": 0, "tradeGroupId": -1} | rights | modes

    def commission(self, query: Query, account: Account) -> Any:
        """Fees of a contract, fractions of notional."""
        self._symbols.named(query)
        fees = {"makerCommissionRate": text(account.maker_fee), "takerCommissionRate": text(account.taker_fee)}
        return {"symbol": query["symbol"]} | fees

    def restrictions(self, query: Query, account: Account) -> Any:
        """What the key may do."""
        rights = {"enableFutures": account.state.may_trade, "enableWithdrawals": account.state.may_withdraw}
        rest = dict.fromkeys(("enableInternalTransfer", "permitsUniversalTransfer", "enableMargin"), False)
        return {"ipRestrict": True, "createTime": 0, "enableReading": True} | rights | rest

    def _risks(self, account: Account, symbol: str | None) -> list[dict[str, Any]]:
        held = (position for position in account.positions if symbol in (None, position.symbol))
        return [risk_row(account, position, self._symbols.ids[position.symbol]) for position in held]

    def _config(self, account: Account, symbol: str) -> dict[str, Any]:
        mode = "ISOLATED" if account.is_isolated(symbol) else "CROSSED"
        names = {"symbol": self._symbols.ids[symbol], "marginType": mode, "isAutoAddMargin": False}
        return names | {"leverage": account.leverage(symbol), "maxNotionalValue": str(Decimal(10**12))}
