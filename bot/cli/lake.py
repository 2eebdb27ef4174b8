"""`bot data`: what is wrong with the lake, what it lacks, and how other people's files come into it."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, get_args

from rich.box import SIMPLE
from rich.table import Table as Shown

from bot.cli.tables import print_json, show
from bot.identity import Bounds
from bot.instance import single_instance
from bot.run_folder import lake_place
from bot.settings import Settings
from bot.status import iso
from bot.worlds import make_collector, open_world
from data.checks import check_again, check_market
from data.collection import Collected
from data.defects import Defect, Finding, Table
from data.errors import CorruptData, MissingData
from data.fees import fees
from data.lake import ALWAYS, Appended, Lake
from data.recorded import recorded_market
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venue_collector import PRICE_TABLES

Rows = TypeVar("Rows", Bars, Settlements)
SHOWN = 40
"""So many findings are listed for people; --json gives all."""


def check_lake(settings: Settings, *, set_aside: bool, as_json: bool) -> None:
    """Print what the checks find; with `set_aside`, move rows that cannot be trusted into quarantine. Raises
    CorruptData while such rows are in the lake."""
    lake = Lake(lake_place(settings))
    findings = _findings(lake, settings)
    moved = _set_aside(settings, lake, findings) if set_aside else 0
    held = {f"{table} {venue}": lake.quarantined(table, venue) for table in (*PRICE_TABLES, "settlements")
            for venue in settings.data.venues}  # fmt: skip
    quarantine = {name: Counter(rows["reason"].to_pylist()) for name, rows in held.items() if len(rows)}
    untrusted = 0 if set_aside else sum(one.rows for one in findings if one.defect.quarantined)
    if as_json:
        told = {"lake": lake.shown, "untrusted_rows": untrusted, "set_aside": moved, "quarantine": quarantine}
        print_json(told | {"findings": [_as_json(one) for one in findings]})
    else:
        lines = [f"in quarantine, {name}: {_counts(reasons)}" for name, reasons in quarantine.items()]
        show(_kinds(findings), _list(findings), *lines, f"{moved} rows set aside" if set_aside else "")
    if untrusted:
        raise CorruptData(
            f"{untrusted} rows of {lake.shown} cannot be trusted: `bot data check --set-aside` moves them to quarantine"
        )


def show_gaps(settings: Settings, bounds: Bounds, *, fix: bool, as_json: bool) -> None:
    """Print what is missing against the hours, or the interval in force; with `fix`, ask the venues for it first."""
    lake = Lake(lake_place(settings))
    gaps = [one for one in _findings(lake, settings) if one.defect is Defect.GAP]
    collected = Collected()
    if fix and gaps:
        with single_instance(settings.var):
            collected = asyncio.run(_fill(settings, bounds, lake, gaps))
        gaps = [one for one in _findings(lake, settings) if one.defect is Defect.GAP]
    missing = sum(one.rows for one in gaps)
    if as_json:
        told = {"lake": lake.shown, "missing": missing, "filled": collected.rows.new}
        troubles = [*collected.troubles, *map(str, collected.failures)]
        print_json(told | {"troubles": troubles, "gaps": [_as_json(one) for one in gaps]})
    else:
        filled = [f"{collected.rows.new} rows filled"] if fix else []
        show(_list(gaps), *collected.troubles, *filled, f"{missing} rows are missing in {lake.shown}")
    for failure in collected.failures:
        raise failure


def import_files(settings: Settings, folder: Path, *, as_json: bool) -> None:
    """Take candles and settled funding of recorded files (docs/lake.md) into the lake."""
    market = recorded_market(folder, tuple(settings.data.venues), settings.data.assets)
    with single_instance(settings.var):
        lake = Lake(lake_place(settings))
        rows = Appended()
        for venue in settings.data.venues:
            mine = [instrument for instrument in market.instruments if instrument.venue == venue]
            rows += lake.append_bars(venue, {one.symbol: market.bars[one.key] for one in mine})
            rows += lake.append_settlements(venue, {one.symbol: market.settlements[one.key] for one in mine})
            unknown = {one.symbol for one in mine} - {one.symbol for one in lake.instruments([venue])}
            guessed = [one for one in mine if one.symbol in unknown]
            lake.append_rules(venue, guessed, fees(venue, settings.data.venues[venue]), market.start_ms)
        lake.compact()
    if as_json:
        print_json({"lake": lake.shown, "rows": vars(rows), "instruments": len(market.instruments)})
    else:
        show(f"{_counts(vars(rows))} of {len(market.instruments)} instruments; `bot data check` looks them over")


def compact(settings: Settings) -> None:
    """Move what was collected into the files of its months, for those who read them directly."""
    with single_instance(settings.var):
        Lake(lake_place(settings)).compact()


def _instruments(lake: Lake, settings: Settings) -> tuple[Instrument, ...]:
    wanted = {Asset.parse(code) for code in settings.data.assets}
    instruments = tuple(i for i in lake.instruments(settings.data.venues) if not wanted or i.asset in wanted)
    if not instruments:
        raise MissingData(f"{lake.shown} has nothing of that: fill it by `bot collect`, or by `bot data import DIR`")
    return instruments


def _findings(lake: Lake, settings: Settings) -> list[Finding]:
    instruments = _instruments(lake, settings)
    candles: dict[Table, dict[InstrumentKey, Bars]] = {
        table: lake.bars(instruments, *ALWAYS, table) for table in get_args(Table) if table in PRICE_TABLES
    }
    settled = lake.settlements(instruments, *ALWAYS)
    derived: dict[Table, dict[InstrumentKey, Bars]] = {t: series for t, series in candles.items() if t != "bars"}
    findings = check_market(instruments, candles["bars"], settled, derived=derived)
    for table, series in candles.items():
        findings += _contradicted(lake, table, series, Bars)
    return findings + _contradicted(lake, "settlements", settled, Settlements)


def _contradicted(lake: Lake, table: Table, stored: Mapping[InstrumentKey, Rows], kind: type[Rows]) -> list[Finding]:
    """What the venues told of stored rows when they were asked again."""
    later = {
        (venue, symbol): kind(*columns)
        for venue in sorted({venue for venue, _ in stored})
        for symbol, columns in lake.told_later(table, venue).items()
    }
    both = sorted(stored.keys() & later.keys())
    return [replace(one, table=table) for key in both for one in check_again(key, stored[key], later[key])]


def _set_aside(settings: Settings, lake: Lake, findings: Sequence[Finding]) -> int:
    with single_instance(settings.var):
        return sum(
            lake.set_aside(one.table, one.venue, one.symbol, one.times, f"{one.defect}: {one.detail}")
            for one in findings
            if one.defect.quarantined
        )


async def _fill(settings: Settings, bounds: Bounds, lake: Lake, gaps: Sequence[Finding]) -> Collected:
    by_key = {instrument.key: instrument for instrument in _instruments(lake, settings)}
    async with open_world(settings, bounds, fresh=False) as world:
        collector = make_collector(settings, world.venues, lake, tuple(by_key.values()), HOUR_MS)
        collected = await collector.fill((one.table, by_key[one.key], one.first_ms, one.last_ms) for one in gaps)
    lake.compact()
    return collected


def _as_json(one: Finding) -> dict[str, object]:
    return {
        "defect": one.defect.value,
        "quarantined": one.defect.quarantined,
        "venue": one.venue,
        "symbol": one.symbol,
        "table": one.table,
        "first": iso(one.first_ms),
        "last": iso(one.last_ms),
        "rows": one.rows,
        "detail": one.detail,
    }


def _kinds(findings: Sequence[Finding]) -> Shown:
    table = Shown(title=f"{len(findings)} findings", title_justify="left", box=SIMPLE)
    for heading in ("defect", "series", "rows", "what it is"):
        table.add_column(heading, justify="right" if heading in ("series", "rows") else "left")
    for defect in Defect:
        mine = [one for one in findings if one.defect is defect]
        if mine:
            told = f"{defect.meaning} ({'cannot be trusted' if defect.quarantined else 'told only'})"
            table.add_row(defect.value, str(len({one.key for one in mine})), str(sum(o.rows for o in mine)), told)
    return table


def _list(findings: Sequence[Finding]) -> Shown:
    told = [one for one in findings if one.defect is not Defect.DEFAULT_RATE]  # every series has that
    worst = sorted(told, key=lambda one: (not one.defect.quarantined, -one.rows))
    more = f", the {SHOWN} weightiest (--json gives all)" if len(worst) > SHOWN else ""
    table = Shown(title=f"where{more}", title_justify="left", box=SIMPLE)
    for heading in ("series", "table", "first", "rows", "what was seen"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for one in worst[:SHOWN]:
        first = iso(one.first_ms)[:13].replace("T", " ") + "h"
        table.add_row(f"{one.venue} {one.symbol}", one.table, first, str(one.rows), f"{one.defect}: {one.detail}")
    return table


def _counts(told: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in told.items())
