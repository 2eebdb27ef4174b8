"""The folder of everything written at run time: what lies where, but for the ledger, which may lie elsewhere."""

from backtest.schema import schema_of
from bot.identity import market_name
from bot.latch import HALT, LATCH, Latches, LatchFile
from bot.settings import Settings
from pbt_online.registry import Registry


def latch_file(settings: Settings) -> LatchFile:
    """What pauses and kills every bot on this folder."""
    return LatchFile(settings.var / LATCH)


def halt_file(settings: Settings) -> LatchFile:
    """What the guard sets where venues and books disagree: of its own, so that lifting a pause does not lift it."""
    return LatchFile(settings.var / HALT)


def latches(settings: Settings) -> Latches:
    """Everything that may hold entries back."""
    return Latches((latch_file(settings), halt_file(settings)))


def registry_of(settings: Settings) -> Registry:
    """The policies of this market: what was learnt in one is never traded in another."""
    return Registry(settings.var / "registry" / market_name(settings))


def opened_registry(settings: Settings) -> Registry:
    """The same, with a champion."""
    registry = registry_of(settings)
    if not registry.history():
        registry.champion(schema_of(settings.environment))
    return registry


def lake_place(settings: Settings) -> str:
    """Where this market's lake lies: a folder or a URL."""
    name = market_name(settings)
    return str(settings.var / "lake" / name) if not settings.data.lake else f"{settings.data.lake}/{name}"
