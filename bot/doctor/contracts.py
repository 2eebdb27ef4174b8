"""Checks of what is to be traded: smallest orders against the slots, and whether two legs are the same thing. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from bot.doctor.finding import Finding, Verdict, judged
from bot.settings import Settings
from data.types import Asset, Instrument, InstrumentKey

APART = 0.05
"""Prices of one asset that differ by more than this share are not of one asset: a multiplier was misread."""
LOTS_WANTED = 20
"""A leg of fewer lots is rounded by more than 5 %."""


def alike(instruments: Sequence[Instrument], mids: Mapping[InstrumentKey, float]) -> Finding:
    """Whether the contracts of each asset have one price, so that equal quantities are equal risks."""
    apart = []
    for asset, listed in sorted(_by_asset(instruments).items()):
        low, high = (
            pick((one for one in listed if one.key in mids), key=lambda one: mids[one.key], default=None)
            for pick in (min, max)
        )
        if low and high and mids[high.key] > (1 + APART) * mids[low.key]:
            apart.append(f"{asset} is {mids[high.key]:g} on {high.venue} and {mids[low.key]:g} on {low.venue}")
    sizes = sorted({f"{one.venue} {one.contract_size:g}" for one in instruments if one.contract_size != 1.0})
    text = "; ".join(apart) or f"one price per asset{f' (contract sizes {_few(sizes)})' if sizes else ''}"
    return judged("contracts", not apart, text, "leave these assets out of data.assets, and report it")


def priced(instruments: Sequence[Instrument], mids: Mapping[InstrumentKey, float]) -> Finding:
    """Whether every contract shows a price now."""
    silent = [f"{one.venue} {one.symbol}" for one in instruments if one.key not in mids]
    text = f"no price now: {_few(silent)}" if silent else f"{len(instruments)} contracts show a price"
    remedy = "leave their assets out of data.assets, or wait until they trade"
    return judged("prices", not silent, text, remedy, grave=len(silent) == len(instruments))


def large_enough(instruments: Sequence[Instrument], mids: Mapping[InstrumentKey, float], settings: Settings) -> Finding:
    """Whether a slot's leg is above every venue's smallest order, and of lots enough."""
    leg = settings.environment.initial_capital / settings.environment.max_positions
    small, coarse = [], []
    for one in instruments:
        price = mids.get(one.key)
        if price is None:
            continue
        least = max(one.min_notional, one.min_quantity * price, one.lot_step * price)
        if leg < least:
            small.append(f"{one.venue} {one.symbol} ({least:,.2f})")
        elif leg < LOTS_WANTED * one.lot_step * price:
            coarse.append(f"{one.venue} {one.symbol} ({leg / (one.lot_step * price):.0f} lots)")
    if small:
        text = f"a leg of {leg:,.2f} is below the smallest order: {_few(small)}"
        return Finding("order sizes", Verdict.FAILED, text, "leave these assets out, or raise the capital per slot")
    if coarse:
        text = f"a leg of {leg:,.2f} is of few lots: {_few(coarse)}"
        return Finding("order sizes", Verdict.WARNING, text, "expect legs that are smaller by up to a lot")
    return Finding("order sizes", Verdict.OK, f"a leg of {leg:,.2f} is above every smallest order")


def tradable_pairs(instruments: Sequence[Instrument], settings: Settings) -> Finding:
    """Whether there is anything to trade: an asset on two venues; and each venue has a part in it."""
    idle = set(settings.data.venues) - {one.venue for one in instruments}
    text = f"{len(_by_asset(instruments))} assets on two venues or more"
    if idle:
        text += f"; none on {', '.join(sorted(idle))}"
    return judged("pairs", bool(instruments) and not idle, text, "choose other assets or venues", grave=not instruments)


def within_leverage(settings: Settings) -> Finding:
    """How much a venue may have to bear, in the worst case that all slots have a leg there."""
    share = settings.environment.initial_capital / len(settings.data.venues)
    most = min(settings.environment.initial_capital, settings.risk.max_gross_notional) / share
    maintenance = max(venue.maintenance_margin for venue in settings.data.venues.values())
    text = f"up to {most:.2f}x of a venue's equity; maintenance margin {100 * maintenance:g} %"
    return judged("leverage", most * maintenance * 4 <= 1, text, "lower the capital per slot or the number of slots")


def _by_asset(instruments: Iterable[Instrument]) -> dict[Asset, list[Instrument]]:
    found: dict[Asset, list[Instrument]] = {}
    for one in instruments:
        found.setdefault(one.asset, []).append(one)
    return {asset: listed for asset, listed in found.items() if len({one.venue for one in listed}) > 1}


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
