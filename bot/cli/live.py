"""What stands between `bot run --live` and the first order: the right configuration, and a phrase that is typed."""

import sys

from rich.console import Console

from bot.identity import describe
from bot.settings import Settings
from data.errors import ConfigurationError


def phrase(settings: Settings) -> str:
    """What has to be typed to begin."""
    return (
        "rehearse live trading" if settings.rehearsal else f"trade real money on {' and '.join(settings.data.venues)}"
    )


def confirm(settings: Settings, *, live: bool) -> None:
    """Return if `settings` are for this way of trading and, where orders will be sent, the phrase was typed on stdin.
    Raises ConfigurationError; nothing was sent then."""
    if live != (settings.profile == "live"):
        raise ConfigurationError(
            "--live needs a configuration with `profile: live`, and --paper one without: see config/live.example.yaml"
        )
    if not live:
        return
    Console(stderr=True).print(
        f"{describe(settings)}, {settings.environment.initial_capital:,.0f} in all. To begin, type: {phrase(settings)}",
        highlight=False,
        soft_wrap=True,
    )
    if sys.stdin.readline().strip() != phrase(settings):
        raise ConfigurationError("the phrase was not typed: nothing was sent")
