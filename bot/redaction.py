"""Takes secrets out of text before it is written anywhere: used by the log and by every process of the service."""

import os
import re
from collections.abc import Mapping
from typing import TextIO
from urllib.parse import unquote

from data.errors import ConfigurationError
from data.secrets import LEDGER_URL, SECRETS, Secrets

HIDDEN = "***"
LEAST = 8
"""A variable that is shorter and in no table of ours is taken for no secret: hiding it would hide common words."""
_PUBLIC = {"HYPERLIQUID_WALLET_ADDRESS"}
_SECRET_NAME = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE)$")
_PASSWORD_OPTION = re.compile(r"[?&]password=([^&]+)")
_SCHEME = re.compile(r"[\w+]*:?/+")
_IN_URL = re.compile(rf"://[^\s:/@]*:([^\s/@]{{{LEAST},}})@")
_SHAPES = (
    (re.compile(r"(\w://[^\s:/@]*:)[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}"), HIDDEN),
    (re.compile(r"(?i)\b((?:signature|api_?key|token|secret|password)=)[^&\s\"']+"), rf"\1{HIDDEN}"),
)
"""Passwords in URLs, tokens of Telegram bots, what a query is signed with: whoever they belong to."""


class Redactor:
    """Hides the values of an environment's secret variables, and what has the shape of a secret."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """What is secret is looked up once."""
        secrets = sorted(_secrets(environment), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for shape, hidden in _SHAPES:
            text = shape.sub(hidden, text)
        return text


def redactor() -> Redactor:
    """Of what this process can know: its environment, and the keyring where there is one."""
    try:
        return Redactor({**Secrets(), **os.environ})
    except ConfigurationError:  # a keyring that is locked tells nobody anything
        return Redactor(os.environ)


class RedactedStream:
    """A text stream that hides secrets in what passes: tracebacks and warnings go this way too."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream = stream
        self._redact = redact

    def write(self, text: str) -> int:
        """Pass it on, told to the last character."""
        self._stream.write(self._redact(text))
        self._stream.flush()
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _secrets(environment: Mapping[str, str]) -> set[str]:
    ours = SECRETS.keys() - _PUBLIC
    found = {value.strip() for name, value in environment.items() if name in ours and value.strip()}
    found |= {
        value.strip()
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) and len(value.strip()) >= LEAST
    }
    found |= {password for value in environment.values() for password in _IN_URL.findall(value)}
    found |= _of_address(environment.get(LEDGER_URL, "").strip())
    return found | {value.removeprefix("0x") for value in found if value.startswith("0x") and len(value) > LEAST}


def _of_address(address: str) -> set[str]:
    """An address that holds a password, and the password as it is written and as it is meant: of one that is not
    well-formed, too."""
    _, _, behind = _SCHEME.sub("", address, count=1).partition(":")
    found = {behind.rpartition("@")[0], behind.partition("@")[0]} if "@" in behind else set()
    found |= set(_PASSWORD_OPTION.findall(address))
    if not found:
        return set()
    return {address} | {one for part in found for one in (part, unquote(part)) if len(one) >= LEAST}
