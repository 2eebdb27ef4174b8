"""What stands between `bot run --live` and the first order: the right configuration, and a phrase that is typed."""

import sys
import time
from contextlib import closing

from rich.console import Console
from rich.markup import escape

from bot.doctor.record import require_passed
from bot.identity import Bounds, describe, identity
from bot.settings import Settings
from data.errors import ConfigurationError, StateError


def phrase(settings: Settings) -> str:
    """What has to be typed to begin."""
    return (
        "rehearse live trading" if settings.rehearsal else f"trade real money on {' and '.join(settings.data.venues)}"
    )


def confirm(settings: Settings, *, live: bool) -> None:
    """Return if `settings` are for this way of trading and, where orders will be sent, the doctor found nothing and the
    phrase was typed on stdin. Raises ConfigurationError or StateError; nothing was sent then."""
    if live != (settings.profile == "live"):
        raise ConfigurationError(
            "--live needs a configuration with `profile: live`, and --paper one without: see config/live.example.yaml"
        )
    if not live:
        return
    _examined(settings)
    Console(stderr=True).print(
        f"{describe(settings)}, {settings.environment.initial_capital:,.0f} in all. To begin, type: {phrase(settings)}",
        highlight=False,
        soft_wrap=True,
    )
    if sys.stdin.readline().strip() != phrase(settings):
        raise ConfigurationError("the phrase was not typed: nothing was sent")


def _examined(settings: Settings) -> None:
    """Raises StateError unless the doctor passed this configuration within the hour. Where that would leave positions
    to themselves, and in a rehearsal, it is only said."""
    try:
        require_passed(settings, time.time())
    except StateError as error:
        if not settings.rehearsal and not _holds(settings):
            raise
        Console(stderr=True).print(f"[yellow]{escape(str(error))}[/yellow]", highlight=False, soft_wrap=True)


def _holds(settings: Settings) -> bool:
    """Whether the account that would be gone on with holds a position, or has orders whose outcome is not known."""
    # Only a start that the doctor has not passed needs the ledger: a supervisor is to stay light.
    from bot.opened_ledger import existing_ledger

    ledger = existing_ledger(settings)
    if ledger is None:
        return False
    with closing(ledger):
        run = ledger.unfinished(identity(settings, Bounds()))
        return run is not None and ledger.holds(run.id)
