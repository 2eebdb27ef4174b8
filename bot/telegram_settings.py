"""How the bot speaks with people by Telegram, as settings. Composed by `bot.settings`, read by `bot.telegram`."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from data.settings import Frozen

Loudness = Annotated[
    Literal["loud", "silent", "off"],
    BeforeValidator(lambda told: "off" if told is False else told),  # what YAML reads `off` as
]
"""loud: with sound; silent: without; off: not at all."""


class LoudnessSettings(Frozen):
    """How loud each kind of news is: the kinds of `bot.alerts.Kind`, and what is seen without the trader's help."""

    started: Loudness = Field("silent", description="A trader began a run.")
    resumed: Loudness = Field("silent", description="A trader went on with a run.")
    entered: Loudness = Field("silent", description="A position was entered.")
    exited: Loudness = Field("silent", description="A position was closed.")
    unfilled: Loudness = Field("silent", description="An order was not filled.")
    denied: Loudness = Field("off", description="A limit denied an entry.")
    liquidated: Loudness = Field("loud", description="A venue closed a leg.")
    promoted: Loudness = Field("loud", description="Another champion trades.")
    refused: Loudness = Field("silent", description="The gate refused a challenger, or a champion was not changed.")
    data: Loudness = Field("off", description="The market data were odd.")
    trouble: Loudness = Field("loud", description="A venue failed, legs differed, entries were halted.")
    finished: Loudness = Field("silent", description="A run reached its bound.")
    stopped: Loudness = Field("loud", description="The trader is gone, and its run is not at its bound.")
    latch: Loudness = Field("loud", description="Entries are held back or free again: pause, kill, halt, resume.")
    stranger: Loudness = Field("loud", description="A chat that is not listed wrote to the bot.")
    service: Loudness = Field("loud", description="What the program that runs the trader tells of its processes.")


class TelegramSettings(Frozen):
    """Commands and alerts; the token is in the environment variable TELEGRAM_BOT_TOKEN and nowhere else."""

    enabled: bool = Field(False, description="Answer and alert; docs/telegram.md says how to begin.")
    chats: tuple[int, ...] = Field(
        (), description="Ids of the chats that may command and are told; all others are ignored."
    )
    api_url: str = Field("https://api.telegram.org", description="Where the Bot API is; a server of your own, perhaps.")
    poll_s: float = Field(
        2.0, gt=0, le=60, description="News of the ledger and the latch are looked for this often, s."
    )
    repeat_minutes: float = Field(
        15.0,
        ge=0,
        description="Trouble, odd data, denied and unfilled orders are told this often at most, with a count.",
    )
    commands_per_minute: int = Field(20, ge=1, description="Commands of a chat that are answered; /kill always is.")
    queue: int = Field(100, ge=10, description="Messages that wait while Telegram is away; silent ones go first.")
    answer_s: float = Field(30.0, gt=0, description="An answer that takes longer is given up, s.")
    kill_grace_s: float = Field(1.0, ge=0, le=60, description="At /kill the trader has this long to end by itself, s.")
    kill_deadline_s: float = Field(120.0, ge=1, description="At /kill every account is to be flat within this, s.")
    loudness: LoudnessSettings = Field(default_factory=LoudnessSettings, description="loud, silent or off, by kind.")

    @model_validator(mode="after")
    def _somebody_is_told(self) -> Self:
        if self.enabled and not self.chats:
            raise ValueError("nobody is listed in telegram.chats: add the id of your chat, or set enabled to false")
        return self

    @model_validator(mode="after")
    def _token_travels_hidden(self) -> Self:
        address = urlsplit(self.api_url)
        here = address.hostname in ("127.0.0.1", "localhost", "::1")
        if not address.hostname or not (address.scheme == "https" or (address.scheme == "http" and here)):
            raise ValueError("api_url must begin with https://, as it carries the token; http:// only on this machine")
        return self
