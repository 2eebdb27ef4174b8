"""Where secrets come from: the environment, or else this user's keyring (extra `[keyring]`). Nothing else stores one.

Used by whoever signs or logs in: live trading, the kill switch, the doctor, `bot secrets`.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Literal

from data.credentials import VARIABLES
from data.errors import ConfigurationError

SERVICE = "funding-bot"
"""The name under which the keyring holds them."""
TELEGRAM_TOKEN = "TELEGRAM_BOT_TOKEN"
WEB_TOKEN = "BOT_WEB_TOKEN"
LEDGER_URL = "BOT_LEDGER_URL"
"""Where the ledger is, which may hold a password: of the environment alone, as a bot that needs no secret must not wait
for a keyring that is locked."""
SECRETS: Mapping[str, str] = {variable: venue for venue, parts in VARIABLES.items() for variable in parts.values()} | {
    TELEGRAM_TOKEN: "telegram",
    WEB_TOKEN: "web",
}
"""Every name that a secret may have -> who wants it."""
Origin = Literal["environment", "keyring"]


class Secrets(Mapping[str, str]):
    """Every secret that is set, by its name, looked for at each reading: the environment wins.

    Raises ConfigurationError where there is a keyring that cannot be read.
    """

    def __getitem__(self, name: str) -> str:
        if value := os.environ.get(name, ""):
            return value
        if value := _kept(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in SECRETS if origin(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return "Secrets(hidden)"


def origin(name: str) -> Origin | None:
    """Where a secret would be taken from; None where it is not set."""
    if os.environ.get(name, ""):
        return "environment"
    return "keyring" if _kept(name) else None


def keep(name: str, value: str) -> None:
    """Store a secret in the keyring, in place of the one before. Raises ConfigurationError for an unknown name, an
    empty value, or where there is no keyring."""
    known(name)
    if not value.strip():
        raise ConfigurationError(f"{name} was not given: nothing was stored")
    ring = _needed()
    try:
        ring.set_password(SERVICE, name, value.strip())
    except ring.errors.KeyringError as error:
        raise _unusable(error) from None
    if _kept(name) != value.strip():
        raise ConfigurationError(f"the keyring did not keep {name}: look at its backend by `keyring --list-backends`")


def forget(name: str) -> None:
    """Remove a secret from the keyring. Raises ConfigurationError where it is not there."""
    known(name)
    ring = _needed()
    try:
        ring.delete_password(SERVICE, name)
    except ring.errors.PasswordDeleteError:
        raise ConfigurationError(f"the keyring holds no {name}: `bot secrets list` shows what is set") from None
    except ring.errors.KeyringError as error:
        raise _unusable(error) from None


def known(name: str) -> None:
    """Raises ConfigurationError, with the nearest one, for a name that no secret has."""
    if name not in SECRETS:
        near = get_close_matches(name.upper(), SECRETS, 1, 0.0)[0]
        raise ConfigurationError(f"no secret is named {name}: did you mean {near}? `bot secrets list` shows all")


def has_keyring() -> bool:
    """Whether there is a keyring to store secrets in."""
    return _keyring() is not None


def _kept(name: str) -> str:
    ring = _keyring()
    if ring is None or name not in SECRETS:
        return ""
    try:
        return ring.get_password(SERVICE, name) or ""
    except ring.errors.KeyringError as error:
        raise _unusable(error) from None


def _needed() -> ModuleType:
    ring = _keyring()
    if ring is None:
        raise ConfigurationError(
            "there is no keyring here: set the variable in the environment, or install the extra [keyring] where there "
            "is one"
        )
    return ring


def _keyring() -> ModuleType | None:
    """The keyring of this user; None where the extra is not installed or nothing here keeps secrets."""
    try:
        import keyring
        import keyring.errors
        from keyring.backends.fail import Keyring as Nothing
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), Nothing) else keyring


def _unusable(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the keyring cannot be used ({error or type(error).__name__}): unlock it, or set the variable in the "
        "environment"
    )
