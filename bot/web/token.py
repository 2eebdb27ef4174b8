"""The token that opens the page: where it comes from, what it must be, and how it is compared. Used by `doors`."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from bot.web_settings import WebSettings
from data.errors import ConfigurationError
from data.secrets import WEB_TOKEN

LEAST_CHARACTERS = 24


@dataclass(frozen=True, repr=False)
class Token:
    """A secret that whoever knows it may pause and kill with."""

    value: str

    def __repr__(self) -> str:
        return "Token(hidden)"

    def is_(self, told: str) -> bool:
        """Whether it was told; takes as long for every wrong one."""
        return hmac.compare_digest(self.value.encode(), told.encode(errors="replace"))

    @property
    def cookie(self) -> str:
        """What a browser keeps in its place: the token cannot be had from it."""
        return hmac.new(self.value.encode(), b"funding-bot web cookie", hashlib.sha256).hexdigest()

    def is_cookie(self, told: str) -> bool:
        """Whether the browser was given this."""
        return hmac.compare_digest(self.cookie.encode(), told.encode(errors="replace"))


def read_token(settings: WebSettings, secrets: Mapping[str, str]) -> Token | None:
    """The token; None on this machine alone where none is set. Raises ConfigurationError, which does not show it, where
    it is missing or short."""
    value = secrets.get(WEB_TOKEN, "").strip()
    if not value:
        if settings.loopback:
            return None
        what, instead = f"web.host {settings.host}", "web.host to 127.0.0.1"
        if settings.public_url is not None:
            what, instead = f"web.public_url {settings.public_url}", "no web.public_url"
        raise ConfigurationError(
            f"{what} can be reached from elsewhere and needs a token: set {WEB_TOKEN} in the "
            f"environment or by `bot secrets set {WEB_TOKEN}`, or {instead}"
        )
    if len(value) < LEAST_CHARACTERS:
        raise ConfigurationError(
            f"{WEB_TOKEN} is too short: choose {LEAST_CHARACTERS} characters or more, e.g. by `openssl rand -hex 32`"
        )
    return Token(value)
