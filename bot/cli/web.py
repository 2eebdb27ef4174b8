"""`bot web`: the page, its API and its metrics without a trader in the same program, until Ctrl-C."""

import asyncio

import typer

from bot.alerts import start_logging
from bot.child_process import end_on_signals
from bot.settings import Settings
from bot.web.service import run, serve


def serve_web(settings: Settings) -> None:
    """Until Ctrl-C or SIGTERM. Raises ConfigurationError for a missing token, StateError for a port that is taken."""
    start_logging(settings.var / "logs", "web")
    run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    end_on_signals(stop)
    await serve(settings, stop, lambda address: typer.echo(f"the web page is at {address}; Ctrl-C ends it"))
