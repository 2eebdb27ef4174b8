"""Looks for bad market data in candles and settlements; asked by whoever collects them or builds a panel.

Pure functions over arrays: nothing is mended, filled or dropped. `data/defects.py` says what each finding means and
whether its rows are kept out. All that is known is used, later rows too; what was known at t is found in data cut at t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.checks.aligned import Aligned, aligned, without
from data.checks.candles import check_candles
from data.checks.ends import check_ends
from data.checks.frozen import check_frozen
from data.checks.prices import check_prices
from data.checks.rates import check_rates
from data.checks.rows import check_again, check_rows
from data.checks.shifts import check_shifts
from data.checks.stamps import check_stamps, intervals_in_force
from data.checks.units import check_units
from data.checks.volumes import check_volumes
from data.defects import Defect, Finding, Table
from data.types import Asset, Bars, Instrument, InstrumentKey, Settlements

__all__ = ["check_again", "check_market"]


def check_market(
    instruments: Sequence[Instrument],
    bars: Mapping[InstrumentKey, Bars],
    settlements: Mapping[InstrumentKey, Settlements],
    caps: Mapping[InstrumentKey, float] | None = None,
    derived: Mapping[Table, Mapping[InstrumentKey, Bars]] | None = None,
) -> list[Finding]:
    """Everything found in the series of `instruments`, ordered by venue, symbol, table, time and defect.

    Instruments of one asset are held against each other. Rows may be in any order. `caps` are the largest funding
    rates a settlement, where they are known; other contracts are held to the largest of their venue. `derived` are
    candles of mark and index prices, by table.
    """
    findings: list[Finding] = []
    candles: dict[InstrumentKey, Bars] = {}
    funding: dict[InstrumentKey, Settlements] = {}
    for one in instruments:
        if one.key in bars:
            told, rows = check_rows(one.key, bars[one.key])
            findings += told + check_candles(one.key, rows)
            if len(rows):
                candles[one.key] = rows
        if one.key in settlements:
            told, settled = check_rows(one.key, settlements[one.key])
            stamps, settled = check_stamps(one.key, settled, one.interval_hours)
            findings += told + stamps
            if len(settled):
                funding[one.key] = settled
    findings += _across(instruments, candles) + _funding(instruments, funding, caps or {})
    findings += check_ends(candles, funding)
    for table, series in (derived or {}).items():
        findings += [replace(one, table=table) for one in _derived(instruments, series)]
    return sorted(findings, key=lambda one: (one.venue, one.symbol, one.table, one.first_ms, one.defect))


def _by_asset(instruments: Sequence[Instrument], keys: Mapping[InstrumentKey, object]) -> dict[Asset, list[Instrument]]:
    members: dict[Asset, list[Instrument]] = {}
    for one in instruments:
        if one.key in keys:
            members.setdefault(one.asset, []).append(one)
    return members


def _across(instruments: Sequence[Instrument], candles: Mapping[InstrumentKey, Bars]) -> list[Finding]:
    findings: list[Finding] = []
    assets: dict[InstrumentKey, Aligned] = {}
    for members in _by_asset(instruments, candles).values():
        asset = aligned({one.key: candles[one.key] for one in members})
        assets |= {one.key: asset for one in members}
        if len(members) > 1:
            shifted = check_shifts(asset)
            told, sound = check_prices(without(asset, shifted))
            findings += shifted + told + check_volumes(sound)
    return findings + check_frozen(candles, assets)


def _derived(instruments: Sequence[Instrument], series: Mapping[InstrumentKey, Bars]) -> list[Finding]:
    """Prices that nobody trades at are looked at as candles are, but for what volumes tell."""
    findings: list[Finding] = []
    sound: dict[InstrumentKey, Bars] = {}
    for one in instruments:
        if one.key in series:
            told, rows = check_rows(one.key, series[one.key])
            candles = [each for each in check_candles(one.key, rows) if each.defect is not Defect.ZERO_VOLUME]
            findings += told + candles
            if len(rows):
                sound[one.key] = rows
    for members in _by_asset(instruments, sound).values():
        if len(members) > 1:
            asset = aligned({one.key: sound[one.key] for one in members})
            shifted = check_shifts(asset)
            findings += shifted + check_prices(without(asset, shifted))[0]
    return findings + check_ends(sound, {})


def _funding(
    instruments: Sequence[Instrument], funding: Mapping[InstrumentKey, Settlements], caps: Mapping[InstrumentKey, float]
) -> list[Finding]:
    findings = []
    for members in _by_asset(instruments, funding).values():
        series = {
            one.key: (funding[one.key], intervals_in_force(funding[one.key].time, one.interval_hours))
            for one in members
        }
        for key, (settled, interval) in series.items():
            findings += check_rates(key, settled, interval, caps)
        findings += check_units(series)
    return findings
