"""Keys of an account at a venue: made of what `data.secrets` finds, handed to its client, shown to nobody.

Used by `data.connection` and by who opens an account: live trading, the kill switch, the doctor.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import ConfigurationError

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "binance": {"apiKey": "BINANCE_API_KEY", "secret": "BINANCE_API_SECRET"},
    "bybit": {"apiKey": "BYBIT_API_KEY", "secret": "BYBIT_API_SECRET"},
    "okx": {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_API_PASSPHRASE"},
    "hyperliquid": {"walletAddress": "HYPERLIQUID_WALLET_ADDRESS", "privateKey": "HYPERLIQUID_PRIVATE_KEY"},
}
"""By venue: ccxt's name of each part -> the environment variable that holds it."""
_PUBLIC = {"walletAddress"}
_SHAPES = {
    "walletAddress": re.compile(r"0x[0-9a-fA-F]{40}"),
    "privateKey": re.compile(r"0x[0-9a-fA-F]{64}"),
}


@dataclass(frozen=True, repr=False)
class Credentials:
    """The keys of one account."""

    parts: Mapping[str, str]
    """By ccxt's names."""

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may contain."""
        written = [value for name, value in self.parts.items() if name not in _PUBLIC]
        return tuple(written + [value.removeprefix("0x") for value in written if value.startswith("0x")])


def credentials(venue: str, environment: Mapping[str, str]) -> Credentials:
    """The keys of `venue` from the environment variables of its table; raises ConfigurationError that names those which
    are missing or malformed, and shows none."""
    if venue not in VARIABLES:
        raise ConfigurationError(f"no orders can be sent to {venue} yet: choose from {', '.join(sorted(VARIABLES))}")
    named = VARIABLES[venue]
    parts = {part: environment.get(variable, "").strip() for part, variable in named.items()}
    if missing := [named[part] for part, value in parts.items() if not value]:
        raise ConfigurationError(
            f"the keys of {venue} are missing: set {', '.join(missing)} in the environment, "
            "or by `bot secrets set NAME`"
        )
    for part, shape in _SHAPES.items():
        if part in parts and not shape.fullmatch(parts[part]):
            raise ConfigurationError(f"{named[part]} is not of the form 0x and {_digits(part)} hexadecimal digits")
    return Credentials(parts)


def _digits(part: str) -> int:
    return 40 if part == "walletAddress" else 64
