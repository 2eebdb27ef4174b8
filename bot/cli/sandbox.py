"""`bot sandbox`: the simulated venues as a server of its own."""

import time
from urllib.parse import urlsplit

from backtest.sandbox.client import SandboxProcess
from bot.cli.tables import show
from bot.identity import Bounds, identity, world_file
from bot.settings import Settings

PORT = 8900


def serve(settings: Settings, bounds: Bounds, *, speed: float, port: int | None) -> None:
    """Serve until Ctrl-C, without a `port` where the settings look for it; the clock's state is kept under
    var/sandbox."""
    if port is None:
        port = urlsplit(settings.sandbox.url or "").port or PORT
    told = world_file(settings, bounds)
    told = told.model_copy(update={"settings": told.settings.model_copy(update={"speed": speed})})
    state = settings.var / "sandbox" / f"served-{identity(settings, bounds)}.json"
    with SandboxProcess(told, state, port=port) as process:
        show(
            *(f"{venue}: {process.url}/{venue}" for venue in told.venues),
            f"clock: {process.url}/sandbox/clock",
            "Ctrl-C ends it.",
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            show("stopped")
