"""Command-line options that many commands share, and how they change the configuration."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import ConfigurationError

if TYPE_CHECKING:
    from bot.identity import Bounds
    from bot.settings import Settings


@dataclass(frozen=True)
class Options:
    """What was given on the command line; None where nothing was."""

    config: Path | None = None
    var: Path | None = None
    replay: Path | None = None
    venues: str | None = None
    assets: str | None = None
    seed: int | None = None
    sandbox_url: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    hours: int | None = None

    def settings(self) -> "Settings":
        """The configuration with the options laid over it; raises ConfigurationError where they do not fit."""
        content = self._configured()
        data, sandbox = content.data, content.sandbox
        simulated = (self.replay, self.seed, None if content.profile == "live" else self.sandbox_url)
        if content.profile != "sandbox" and any(option is not None for option in simulated):
            raise ConfigurationError(
                "--replay, --seed and --sandbox belong to the sandbox: leave out --config, or use config/sandbox.yaml"
            )
        if self.venues is not None:
            data = data.model_copy(update={"venues": self._chosen_venues(content)})
        if self.assets is not None:
            data = data.model_copy(update={"assets": tuple(_names(self.assets))})
        if self.replay is not None:
            sandbox = sandbox.model_copy(update={"replay": self.replay.absolute()})
        if self.sandbox_url is not None:
            sandbox = sandbox.model_copy(update={"url": self.sandbox_url})
        if self.seed is not None:
            synthetic = sandbox.synthetic.model_copy(update={"seed": self.seed})
            sandbox = sandbox.model_copy(update={"synthetic": synthetic})
        changes = {
            "data": data,
            "sandbox": sandbox,
            "var": (self.var or content.var).absolute(),
            "seed": content.seed if self.seed is None else self.seed,
        }
        return content.model_copy(update=changes)

    def _configured(self) -> "Settings":
        """The configuration alone. Without a file there is no reader of files to wait for."""
        from bot.settings import Settings

        if self.config is None:
            return Settings()
        from bot.configuration import load_settings

        return load_settings(self.config)

    def bounds(self) -> "Bounds":
        """From when to when, in market time."""
        from bot.identity import Bounds
        from data.settings import utc_ms

        if self.last is not None and self.hours is not None:
            raise ConfigurationError("--to and --hours both bound the run: give one of them")
        first, last = (None if time is None else utc_ms(time.replace(tzinfo=UTC)) for time in (self.first, self.last))
        if first is not None and last is not None and last <= first:
            raise ConfigurationError("--to must be later than --from")
        return Bounds(first, last, self.hours)

    def _chosen_venues(self, content: "Settings") -> dict[str, object]:
        from data.settings import VenueSettings
        from data.venues import venue_profile

        names = _names(self.venues or "")
        if len(set(names)) < 2:
            raise ConfigurationError("--venues needs two different venues at least, e.g. binance,hyperliquid")
        return {venue_profile(name).name: content.data.venues.get(name, VenueSettings()) for name in names}


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]
