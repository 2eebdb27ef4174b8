"""What a cycle's members would have done without the gate, and how much of their ranking is luck; for walk forwards.

    contests/0001.json      the best member and the vote of the best few, as versions that nobody promotes

The members of a cycle are there only until the next one trains them on, so this is noted at its end.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from backtest.history import History
from backtest.overfitting import overfitting_logits, overfitting_probability
from backtest.replay import replay_all
from backtest.scaler import Scaler
from backtest.schema import schema_of
from backtest.worker_process import one_thread
from data.durable import write_whole
from data.errors import StateError
from pbt_online.checkpoint import actor_layers
from pbt_online.cycle import Learning, origin_of
from pbt_online.cycles import Cycle
from pbt_online.memory import Entry, Memory
from pbt_online.network import NetworkPolicy


@dataclass(frozen=True)
class Contest:
    """The end of one cycle, the gate aside."""

    cycle: int
    best: str
    """The version of the member that was best on validation."""
    vote: str
    """The version of the best few's majority vote."""
    overfitting: float | None
    """How likely the member that earns most on one half of the validation window is below the median on the other
    (`backtest.overfitting`); None where members are too few or too alike to say."""


def contests(folder: Path) -> list[Contest]:
    """Every contest of a population, oldest first; raises StateError for one that cannot be read."""
    return [_read(path) for path in sorted((folder / "contests").glob("*.json"))]


def hold_contest(learning: Learning, history: History, cycle: Cycle) -> None:
    """Note the contest of a judged cycle whose members are as it left them; nothing where it is noted already."""
    path = learning.folder / "contests" / f"{cycle.number:04d}.json"
    if path.exists():
        return
    memory = Memory(learning.folder)
    ranked = _ranked(memory, cycle)
    if not ranked:
        return
    policies = [_policy(learning, memory, entry) for entry in ranked]
    few = list(zip(ranked, policies, strict=True))[: learning.settings.ensemble_size]
    names = [
        learning.registry.register_network(policy, origin_of(learning, cycle, entry, None)).name
        for entry, policy in few
    ]
    origin = replace(origin_of(learning, cycle, ranked[0], None), weights_hash=None, fitness=None)
    vote = learning.registry.register_ensemble(names, origin).name
    told = Contest(cycle.number, names[0], vote, _overfitting(learning, history, cycle, policies))
    write_whole(path, json.dumps(asdict(told), indent=2).encode())


def _ranked(memory: Memory, cycle: Cycle) -> list[Entry]:
    """The members at the end of `cycle`, best on validation first; none where a later cycle has begun."""
    if memory.entries and memory.entries[-1].cycle != cycle.number:
        return []
    alive = [entry for entry in memory.newest().values() if entry.cycle == cycle.number and entry.score is not None]
    return sorted(alive, key=lambda entry: (-(entry.score or {})["value"], entry.member))


def _policy(learning: Learning, memory: Memory, entry: Entry) -> NetworkPolicy:
    if entry.checkpoint is None:
        raise ValueError(f"member {entry.member} has a score but no weights")
    schema = schema_of(learning.learner)
    scaler = Scaler.from_dict(json.loads((learning.folder / "scaler.json").read_text()), schema)
    layers = actor_layers(memory.checkpoint(entry.checkpoint))
    return NetworkPolicy(f"cycle {entry.cycle}, member {entry.member}", schema, layers, scaler)


def _overfitting(learning: Learning, history: History, cycle: Cycle, policies: Sequence[NetworkPolicy]) -> float | None:
    """Every member over the validation window, one path each."""
    tape = history.tape(learning.learner, cycle.windows.validation)
    with one_thread():
        results = replay_all(tape, policies)
    shortest = min(len(result.equity) for result in results)  # a path may end early, in ruin
    gains = np.stack([np.diff(result.equity[:shortest]) for result in results], axis=1)
    return overfitting_probability(overfitting_logits(gains))


def _read(path: Path) -> Contest:
    try:
        return Contest(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StateError(f"{path} cannot be read ({error}): restore it, or walk with --fresh") from error
