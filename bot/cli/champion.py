"""`bot champion`: which versions there are, which one trades, and by whose hand that changes."""

import asyncio
import sys
from contextlib import closing
from dataclasses import asdict
from typing import Any

import typer

from backtest.schema import schema_of
from bot.cli.tables import champions_table, manifest_table, print_json, show, versions_table
from bot.run_folder import opened_registry
from bot.settings import Settings
from data.clock import WallClock
from data.errors import ConfigurationError, FundingBotError
from pbt_online.manifest import Version
from pbt_online.registry import Registry

PLAIN = ("rule", "flat")
"""Policies that need no training, and can be let trade by these names."""


def list_versions(settings: Settings, *, as_json: bool) -> None:
    """Every version; one whose manifest is damaged is listed as such."""
    registry = opened_registry(settings)
    champion = registry.history()[-1].name
    found: dict[str, Version | str] = {}
    for name in registry.names():
        try:
            found[name] = registry.version(name)
        except FundingBotError as error:
            found[name] = str(error)
    if as_json:
        told = {name: {"damage": one} if isinstance(one, str) else asdict(one) for name, one in found.items()}
        print_json([{"name": name, "champion": name == champion} | content for name, content in told.items()])
    else:
        show(versions_table(found, champion))


def show_version(settings: Settings, name: str | None, *, as_json: bool) -> None:
    """One version's manifest, or the champion's; its files are compared with their hashes."""
    registry = opened_registry(settings)
    history = registry.history()
    version = registry.version(name or history[-1].name)
    registry.verify(version)
    stands = version.name == history[-1].name
    if as_json:
        content: dict[str, Any] = asdict(version) | {"champion": stands}
        print_json(content | {"history": [asdict(one) for one in history]})
        return
    title = f"{version.name}{', the champion' if stands else ''}; its files are whole"
    show(manifest_table(title, asdict(version)), champions_table(history))


def promote(settings: Settings, name: str, *, yes: bool, as_json: bool) -> None:
    """Make a version the champion by hand, after saying what the gate has said of it."""
    registry = opened_registry(settings)
    version = _named(settings, registry, name)
    registry.policy(version, settings.environment, settings.seed)  # what cannot trade here is refused now
    if not version.vouched_for:
        _ask(f"the gate has not vouched for {version.name}", yes)
    _changed(
        registry, registry.promote(version.name, _now(settings), "promoted by hand", by_hand=True), as_json=as_json
    )


def roll_back(settings: Settings, *, as_json: bool) -> None:
    """Bring back the champion before this one."""
    registry = opened_registry(settings)
    _changed(registry, registry.rollback(_now(settings), "rolled back by hand", by_hand=True), as_json=as_json)


def _named(settings: Settings, registry: Registry, name: str) -> Version:
    """The version of that name; `rule` and `flat` are versions from the first time that they are asked for."""
    return registry.register_plain(name, schema_of(settings.environment)) if name in PLAIN else registry.version(name)


def _ask(what: str, yes: bool) -> None:
    if yes:
        typer.secho(what, err=True, fg=typer.colors.YELLOW)
    elif not sys.stdin.isatty():
        raise ConfigurationError(f"{what}: add --yes to promote it nevertheless")
    elif not typer.confirm(f"{what}; promote it nevertheless?", err=True):
        raise ConfigurationError(f"{what}: nothing was changed")


def _changed(registry: Registry, version: Version, *, as_json: bool) -> None:
    history = registry.history()
    if as_json:
        print_json(asdict(history[-1]) | {"vouched_for": version.vouched_for})
    else:
        show(
            champions_table(history),
            f"[bold]{version.name}[/bold] is the champion; a running bot trades by it from its next hour on, "
            "and the next run begins with it",
        )


def _now(settings: Settings) -> int | None:
    """Market time: of the newest run; before the first one the clock's, or None where the market is simulated."""
    from bot.opened_ledger import existing_ledger

    ledger = existing_ledger(settings)
    if ledger is not None:
        with closing(ledger):
            if (run := ledger.latest()) is not None:
                saved = ledger.snapshot(run.id)
                return run.from_ms if saved is None else saved[0]
    return asyncio.run(WallClock().now_ms()) if settings.profile == "paper" else None
