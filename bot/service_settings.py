"""How the bot is kept running, as settings. Composed by `bot.settings`, read by `bot.supervisor` and `bot run`."""

from typing import Literal

from pydantic import Field

from data.settings import Frozen


class ServiceSettings(Frozen):
    """The supervisor and the processes that it keeps."""

    supervised: bool | Literal["auto"] = Field(
        "auto",
        description="Whether `bot run` starts trading as a process that is watched and started again; auto: on real "
        "venues and in live trading, unless --hours bounds it.",
    )
    hang_s: float = Field(
        300.0, ge=5, le=3600, description="A process that gives no sign of life for this long is started anew, s."
    )
    stop_s: float = Field(30.0, ge=1, le=600, description="Processes that are asked to end have so long, s.")
    restart_s: float = Field(
        1.0, gt=0, le=60, description="First pause before a process that ended is started again, s; then twice that."
    )
    collect: bool = Field(
        True, description="Collect broadly beside trading, into a lake of its own; not where a sandbox's clock waits."
    )
    collect_assets: tuple[str, ...] = Field((), description="Assets of that lake; empty: all that two venues share.")
    collect_days: int = Field(90, ge=1, le=3650, description="Days of history that it begins with.")
    health_port: int | None = Field(
        None, ge=0, le=65_535, description="Port on 127.0.0.1 that answers GET /health; empty: none, 0: any free one."
    )
