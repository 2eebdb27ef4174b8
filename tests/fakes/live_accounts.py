"""The keys of the sandbox's accounts, as the environment variables that a live run reads."""

from backtest.sandbox.accounts.settings import AccountSettings


def keys(accounts: AccountSettings | None = None) -> dict[str, str]:
    """By variable."""
    told = accounts or AccountSettings()
    named = {f"{venue}_API_{part}": value for venue in ("BINANCE", "BYBIT", "OKX") for part, value in _pair(told)}
    return named | {
        "OKX_API_PASSPHRASE": told.passphrase,
        "HYPERLIQUID_WALLET_ADDRESS": told.wallet,
        "HYPERLIQUID_PRIVATE_KEY": told.private_key,
    }


def _pair(told: AccountSettings) -> tuple[tuple[str, str], ...]:
    return ("KEY", told.key), ("SECRET", told.secret)
