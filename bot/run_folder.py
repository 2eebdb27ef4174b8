"""The folder of everything written at run time: what lies where."""

from pathlib import Path

from bot.identity import market_name
from bot.settings import Settings
from pbt_online.registry import Registry


def ledger_path(settings: Settings) -> Path:
    """Where the ledger is."""
    return settings.var / "ledger.sqlite"


def registry_of(settings: Settings) -> Registry:
    """The policies of this market: what was learnt in one is never traded in another."""
    return Registry(settings.var / "registry" / market_name(settings))


def lake_place(settings: Settings) -> str:
    """Where this market's lake lies: a folder or a URL."""
    name = market_name(settings)
    return str(settings.var / "lake" / name) if not settings.data.lake else f"{settings.data.lake}/{name}"
