"""The record of a population's cycles: what each was about, how it was judged, when that took effect.

    cycles/0001.json        written when a cycle begins, and again with its verdict

Written by the cycle; read by whoever trades, who must not wait for torch.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backtest.windows import Window, Windows
from data.durable import write_whole
from data.errors import StateError
from pbt_online.gate import Verdict


@dataclass(frozen=True)
class Cycle:
    """A cycle, begun or judged."""

    number: int
    fingerprint: str
    """Of the settings, the seed and the market: a begun cycle is gone on with under the same ones only."""
    windows: Windows
    champion: str
    """The version that traded when it began."""
    challenger: str | None = None
    verdict: Verdict | None = None
    heir: str | None = None
    """The version that trades from now on: the challenger, or a standing candidate; None: the champion goes on."""
    effective_ms: int | None = None
    """The tick at which the verdict took effect; None before."""

    @property
    def judged(self) -> bool:
        """Whether it is over."""
        return self.verdict is not None


def cycles(folder: Path) -> list[Cycle]:
    """Every cycle of a population, oldest first."""
    return [_read(path) for path in sorted((folder / "cycles").glob("*.json"))]


def effective_at(folder: Path, tick: int, lead_ms: int) -> Cycle | None:
    """The newest cycle whose verdict takes effect at `tick`, so long after it began at the earliest, and has not been
    acted upon before."""
    effective = [
        cycle
        for cycle in cycles(folder)
        if cycle.judged
        and cycle.windows.gate.last_tick + lead_ms <= tick
        and (cycle.effective_ms is None or cycle.effective_ms >= tick)
    ]
    return effective[-1] if effective else None


def take_effect(folder: Path, cycle: Cycle, tick: int) -> None:
    """Note that the verdict of `cycle` was acted upon at `tick`, ms, and that those before it need not be any more.
    Raises StateError."""
    for judged in cycles(folder):
        if judged.judged and judged.number <= cycle.number and judged.effective_ms is None:
            write_cycle(folder, replace(judged, effective_ms=tick))


def attempt(known: Sequence[Cycle]) -> int:
    """Which attempt on the present champion the next verdict is: the gate's error is spent over them."""
    judged = [cycle.verdict for cycle in known if cycle.verdict is not None]
    since = next((i for i, verdict in enumerate(reversed(judged)) if verdict.promoted), len(judged))
    return since + 1


def write_cycle(folder: Path, cycle: Cycle) -> None:
    """Keep `cycle` under its number, on disk when this returns. Raises StateError where the disk refuses it."""
    content = asdict(cycle) | {"verdict": None if cycle.verdict is None else cycle.verdict.as_dict()}
    path = folder / "cycles" / f"{cycle.number:04d}.json"
    try:
        write_whole(path, json.dumps(content, indent=2).encode())
    except OSError as error:
        raise StateError(f"{path} cannot be written ({error}): make room or mend the permissions") from error


def _read(path: Path) -> Cycle:
    try:
        content = json.loads(path.read_text())
        windows = Windows(**{name: Window(**bounds) for name, bounds in content["windows"].items()})
        verdict = None if content["verdict"] is None else Verdict.from_dict(content["verdict"])
        return Cycle(**content | {"windows": windows, "verdict": verdict})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} cannot be read ({error}): restore it, or train with --fresh") from error
