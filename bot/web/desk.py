"""What the routes are answered from: reader, champion, controls, and the token that opens the doors."""

import asyncio
from dataclasses import dataclass

from bot.alerts import LOG
from bot.settings import Settings
from bot.web.controls import Controls
from bot.web.models import State
from bot.web.policy import Champion
from bot.web.reader import Reader
from bot.web.token import Token
from data.errors import FundingBotError

FOLLOW_S = 1.0


@dataclass(frozen=True)
class Desk:
    """Made once by `application`."""

    settings: Settings
    token: Token | None
    reader: Reader
    champion: Champion
    controls: Controls

    @classmethod
    def of(cls, settings: Settings, token: Token | None) -> "Desk":
        """Nothing is read yet."""
        return cls(settings, token, Reader(settings), Champion(settings), Controls(settings))

    def state(self) -> State:
        """Everything but the curve and the learning."""
        return self.reader.state(self.controls.killed)

    async def follow(self) -> None:
        """Until cancelled: whoever trades is who predicts."""
        told = ""
        while True:
            try:
                await asyncio.to_thread(self._follow)
                told = ""
            except (FundingBotError, OSError) as error:
                if str(error) != told:
                    LOG.warning("predictions stay with who was loaded: %s", error)
                told = str(error)
            await asyncio.sleep(FOLLOW_S)

    def _follow(self) -> None:
        self.champion.follow(self.reader.seen)
