"""Policies by the names that people give them, and what they play: for `bot backtest` and `bot evaluate`."""

from dataclasses import replace

from backtest.policies import Policy, plain_policy
from backtest.replay import Result, replay
from backtest.schema import schema_of, settings_for
from backtest.tape import Tape
from backtest.yardsticks import PLAIN
from bot.run_folder import opened_registry, registry_of
from bot.settings import Settings
from data.errors import ConfigurationError, StateError
from pbt_online.manifest import Json, Version
from pbt_online.registry import Registry

CHAMPION, ENSEMBLE = "champion", "ensemble"


def policy_named(settings: Settings, name: str) -> tuple[Version | None, Policy]:
    """A plain policy (which is no version), or a version of this market's registry: by its name, `champion` for the one
    that trades, `ensemble` for the newest vote. Raises StateError for one that is not there."""
    if name in PLAIN:
        return None, plain_policy(name, schema_of(settings.environment), settings.seed)
    registry = opened_registry(settings)
    version = _version(registry, name)
    return version, registry.policy(version, settings.environment, settings.seed)


def check_name(settings: Settings, name: str) -> None:
    """Raises ConfigurationError, with what there is to choose from, for a name that nothing has."""
    if name not in (*PLAIN, CHAMPION, ENSEMBLE, *registry_of(settings).names()):
        raise ConfigurationError(
            f"unknown policy '{name}': choose from flat, rule, random, champion, ensemble, or one of the versions that "
            "`bot champion list` shows"
        )


def played(tape: Tape, policy: Policy) -> Result:
    """On the same market, seen and decided on as the policy was made for."""
    schema = policy.schema
    return replay(replace(tape, schema=schema, settings=settings_for(schema, tape.settings)), policy)


def learned_here(version: Version | None, result: Result) -> list[str]:
    """The parts of a version's own window that the one played overlaps: what it earns there proves little."""
    window: Json = {} if version is None else version.window
    first, last = int(result.ticks[0]), int(result.ticks[-1])
    return [part for part, (begin, end) in window.items() if begin < last and first < end]


def _version(registry: Registry, name: str) -> Version:
    if name == CHAMPION:
        return registry.version(registry.history()[-1].name)
    if name != ENSEMBLE:
        return registry.version(name)
    votes = [version for version in map(registry.version, registry.names()) if version.kind == "ensemble"]
    if not votes:
        raise StateError(
            "no ensemble was kept yet: cycles keep one where the settings say learning.trade_with: ensemble"
        )
    return max(votes, key=lambda version: (version.created_ms or 0, version.name))
