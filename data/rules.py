"""A contract's market rules as rows of the lake's table `rules`, and back. Used by the lake."""

import numpy as np

from data.profile import FeeTier
from data.tables import SCHEMAS, Series, series
from data.types import Asset, Instrument


def rules_row(one: Instrument, fees: FeeTier, time_ms: int) -> Series:
    """One row: the rules of a contract and what a fill costs there, from `time_ms` on."""
    told = (one.lot_step, one.tick_size, one.min_quantity, one.min_notional, one.contract_size)
    whole = (*told, one.interval_hours, one.spot, fees.taker_bps, fees.maker_bps)
    return series("rules", [np.array([value]) for value in (time_ms, *whole)])


def instrument_of(venue: str, symbol: str, rows: Series) -> Instrument:
    """The contract by the newest of its rows."""
    told = dict(zip(SCHEMAS["rules"].names[2:], (float(column[-1]) for column in rows[1:]), strict=True))
    base, _, rest = symbol.partition("/")
    return Instrument(
        venue=venue,
        symbol=symbol,
        asset=Asset.parse(base),
        quote=rest.partition(":")[0],
        lot_step=told["lot_step"],
        tick_size=told["tick_size"],
        min_notional=told["min_notional"],
        interval_hours=int(told["interval_hours"]),
        spot=bool(told["spot"]),
        contract_size=told["contract_size"],
        min_quantity=told["min_quantity"],
    )
