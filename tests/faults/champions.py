"""Networks made for what goes wrong with them, as champions of the stage."""

from pathlib import Path

import numpy as np

from backtest.schema import schema_of
from bot.run_folder import registry_of
from pbt_online.manifest import WEIGHTS, Origin
from pbt_online.network import NetworkPolicy
from tests.faults.harness import Stage

ENTER = 1
"""The action that enters, of a pair or of the best one."""


def greedy(stage: Stage) -> str:
    """The name of a version that wants to be in everything, always."""
    return _registered(stage, weight=0.0, wants=1.0)


def overflowing(stage: Stage) -> str:
    """The name of a version whose weights are numbers, and whose answers are none."""
    return _registered(stage, weight=0.0, wants=3e38)


def promoted(stage: Stage, name: str) -> None:
    """Have a version decide from the next hour, or start, on."""
    registry_of(stage.settings).promote(name, None, "for a test")


def damaged(stage: Stage, name: str) -> None:
    """Cut a version's weights short, after whoever promoted it has looked at them."""
    path = registry_of(stage.settings).root / "versions" / name / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def alias(stage: Stage) -> Path:
    """The file that names the champion."""
    return registry_of(stage.settings).root / "champion.json"


def _registered(stage: Stage, *, weight: float, wants: float) -> str:
    """Two layers: the first one says yes to everything, the second one adds that up for each action."""
    schema = schema_of(stage.settings.environment)
    first = np.full((schema.size, 2), weight), np.full(2, 9.0)
    second = np.zeros((2, schema.actions)), np.zeros(schema.actions)
    second[0][:, ENTER] = wants
    policy = NetworkPolicy("made", schema, [first, second])
    return registry_of(stage.settings).register_network(policy, Origin()).name
