"""Who learns and how it was judged: population, lineage, verdicts and champions, read from their files.

Used by `reader`. Files are read again only where they have changed.
"""

from pathlib import Path
from typing import Any

from bot.identity import market_name
from bot.ledger.models import Run
from bot.run_folder import registry_of
from bot.settings import Settings
from bot.web.models import Beaten, GateVerdict, Learning, MemberRound, Population, finite
from pbt_online.cycles import Cycle, cycles
from pbt_online.lineage import lineage
from pbt_online.memory import JOURNAL, Entry, read_entries

ROUNDS = 24
"""Rounds of the population that are told, the newest."""
Stamp = tuple[tuple[str, int, int], ...]


class LearningReader:
    """Reads the population of the newest run, or that of `bot train`, and the registry."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = registry_of(settings)
        self._stamp: Stamp | None = None
        self._known = Learning()

    def read(self, run: Run | None) -> Learning:
        """Raises FundingBotError for files that are damaged."""
        folder = self._folder(run)
        stamp = _stamp([folder / JOURNAL, self._registry.root / "champion.json", *(folder / "cycles").glob("*.json")])
        if stamp != self._stamp:
            entries = read_entries(folder)
            self._known = Learning(
                population=_population(entries) if entries else None,
                verdicts=tuple(map(_verdict, reversed(cycles(folder)))),
                champions=tuple(tenure.name for tenure in self._registry.history()),
            )
            self._stamp = stamp
        return self._known

    def _folder(self, run: Run | None) -> Path:
        below = self._settings.var / "population"
        ours = None if run is None else below / f"run-{run.world}"
        return ours if ours is not None and ours.exists() else below / market_name(self._settings)


def _stamp(paths: list[Path]) -> Stamp:
    looks = [(str(path), path.stat()) for path in sorted(paths) if path.exists()]
    return tuple((name, look.st_size, look.st_mtime_ns) for name, look in looks)


def _population(entries: list[Entry]) -> Population:
    keys = sorted({(entry.cycle, entry.round) for entry in entries})[-ROUNDS:]
    shown = [entry for entry in entries if (entry.cycle, entry.round) in set(keys)]
    members = max(sum((one.cycle, one.round) == key for one in shown) for key in keys)
    cycle, number = keys[-1]
    return Population(cycle=cycle, round=number, members=members, rounds=tuple(map(_member, lineage(shown))))


def _member(entry: dict[str, Any]) -> MemberRound:
    score = entry["score"] or {}
    return MemberRound(
        **{name: entry[name] for name in ("cycle", "round", "member", "reason", "parent", "came_from", "failure")},
        score=finite(score.get("value")), pnl_pct=finite(score.get("pnl_pct")), trades=score.get("trades"),
    )  # fmt: skip


def _verdict(cycle: Cycle) -> GateVerdict:
    verdict = cycle.verdict
    beaten = () if verdict is None else verdict.comparisons
    return GateVerdict(
        cycle=cycle.number, first_ms=cycle.windows.gate.first_tick, last_ms=cycle.windows.gate.last_tick,
        champion=cycle.champion, challenger=cycle.challenger, judged=cycle.judged, heir=cycle.heir,
        promoted=verdict is not None and verdict.promoted, trials=None if verdict is None else verdict.trials,
        deflated_sharpe=None if verdict is None else finite(verdict.deflated_sharpe),
        comparisons=tuple(
            Beaten(incumbent=one.incumbent, advantage=one.advantage, lower=finite(one.lower), passed=one.passed)
            for one in beaten
        ),
        reasons=() if verdict is None else verdict.reasons,
    )  # fmt: skip
