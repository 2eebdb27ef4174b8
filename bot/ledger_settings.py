"""Where the ledger is kept, as settings. Composed by `bot.settings`, read by `bot.run_folder`."""

from typing import Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, model_validator

from data.settings import Frozen

SCHEME = "postgresql"


class LedgerSettings(Frozen):
    """SQLite needs no setting; PostgreSQL needs its address. A password is none: it comes from the environment."""

    url: str | None = Field(
        None,
        description="PostgreSQL instead of a SQLite file in var: postgresql://user@host/database, without a password; "
        "BOT_LEDGER_URL in the environment goes before.",
    )
    account: str = Field(
        "bot",
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="This bot's part of a PostgreSQL database, where other bots may have theirs: a schema.",
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        if self.url is None:
            return self
        told = urlsplit(self.url)
        if told.password is not None or "password" in parse_qs(told.query):
            raise ValueError(
                "url holds a password, which belongs into no file: leave it out and set PGPASSWORD, or set the whole "
                "address as BOT_LEDGER_URL"
            )
        if told.scheme != SCHEME:
            raise ValueError(f"url must begin with {SCHEME}://; leave it empty for SQLite")
        return self
