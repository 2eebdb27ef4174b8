"""The page in a browser, its API and its metrics, as settings. Composed by `bot.settings`, read by `bot.web`."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from data.settings import Frozen

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class WebSettings(Frozen):
    """Where the page is served. A host other than this machine needs a token: BOT_WEB_TOKEN, docs/web.md."""

    enabled: bool = Field(False, description="Serve the page beside a service's trader; `bot web` does so by itself.")
    host: str = Field(
        "127.0.0.1", description="Where it listens; anything but 127.0.0.1 needs BOT_WEB_TOKEN and a proxy with TLS."
    )
    port: int = Field(8780, ge=0, le=65_535, description="Port; 0: any free one.")
    public_url: str | None = Field(
        None,
        description="Where a proxy with TLS serves it, https://bot.example.org; needs BOT_WEB_TOKEN.",
    )
    poll_s: float = Field(2.0, ge=0.2, le=60, description="The page looks for news this often, s.")
    kill_grace_s: float = Field(1.0, ge=0, le=60, description="At a kill the trader has so long to end by itself, s.")
    kill_deadline_s: float = Field(120.0, ge=1, description="At a kill every account is to be flat within this, s.")

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, told: str | None) -> str | None:
        """As browsers name it."""
        if told is None:
            return None
        try:
            address = urlsplit(told)
            port = "" if address.port in (None, 443) else f":{address.port}"
        except ValueError:
            raise ValueError(f"public_url {told} is no address: write https://bot.example.org") from None
        bare = address.path in ("", "/") and not address.query and not address.fragment and "@" not in address.netloc
        if address.scheme != "https" or not address.hostname or not bare:
            raise ValueError(
                "public_url must be https:// and a name, perhaps with a port, and no more: the page is served at the "
                "root of a name of its own"
            )
        name = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        return f"https://{name}{port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK and self.public_url is None
