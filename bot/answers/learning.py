"""Answers about who decides: `/champion` and `/population`, from the registry and the population's folder."""

from contextlib import closing
from html import escape

from bot.answers.text import bold, percent, short_time, table
from bot.opened_ledger import looked_at_ledger
from bot.population_status import PopulationStatus, read_population
from bot.run_folder import registry_of
from bot.settings import Settings
from bot.status import newest_run
from data.errors import StateError
from pbt_online.manifest import Version

TENURES = 4
MEMBERS = 12


def champion(settings: Settings) -> str:
    """Who trades, what the gate said, and who came before."""
    registry = registry_of(settings)
    history = registry.history()
    if not history:
        raise StateError("there is no champion yet: the first start crowns the rule")
    version = registry.version(history[-1].name)
    with closing(looked_at_ledger(settings)) as ledger:
        trading = newest_run(ledger).champion
    lines = [
        f"champion <code>{escape(version.name)}</code>",
        *([] if trading == version.name else [f"for now <code>{escape(trading)}</code> trades"]),
        f"{version.kind}, {version.schema.formulation}, every {version.schema.decision_hours} h",
        _gate(version),
        f"why: {escape(history[-1].why)}",
        bold("Champions"),
        table([_tenure(one.since_ms, one.name) for one in history[: -TENURES - 1 : -1]]),
    ]
    return "\n".join(lines)


def population(settings: Settings) -> str:
    """The newest round, best first."""
    with closing(looked_at_ledger(settings)) as ledger:
        told = read_population(settings, newest_run(ledger))
    rows = [("", "score", "P&L%", "n", "from")]
    for entry in told.entries[:MEMBERS]:
        source = "-" if entry.parent is None else str(entry.parent)
        if entry.score is None:
            rows.append((f"#{entry.member}", "failed", "", "", source))
            continue
        score = entry.score
        rows.append(
            (f"#{entry.member}", f"{score['value']:+.3f}", f"{score['pnl_pct']:+.2f}", str(score["trades"]), source)
        )
    return f"{_round(told)}\n{table(rows)}\n<i>n: trades; from: whose weights it began with</i>"


def _round(told: PopulationStatus) -> str:
    done = len(told.entries)
    text = bold(f"Cycle {told.cycle}, round {told.round}")
    failed = sum(entry.score is None for entry in told.entries)
    text += f": {done} of {told.members} members" if done < told.members else f": {done} members"
    text += f", {failed} failed" if failed else ""
    return text + (f"; the best {MEMBERS}" if done > MEMBERS else "")


def _gate(version: Version) -> str:
    if version.kind == "plain":
        return f"the plain policy {escape(version.policy)}, which no gate judges"
    fitness = (version.fitness or {}).get("pnl_pct")
    scored = f", {percent(fitness)} in validation" if isinstance(fitness, int | float) else ""
    return f"gate: {'promoted' if version.vouched_for else 'not vouched for'}{scored}"


def _tenure(since_ms: int | None, name: str) -> tuple[str, str]:
    return name, "first" if since_ms is None else short_time(since_ms)
