"""Why an entry is refused: one code for every limit. Used by the checks; `docs/risk.md` is generated from it."""

from enum import StrEnum


class Denial(StrEnum):
    """Why an entry was refused. The value is what people read; it names the setting."""

    PAUSED = "entries are paused: `bot resume` lifts it"
    KILLED = "the kill switch was used, positions are only reduced: `bot resume` lifts it once the cause is known"
    LATCH_UNREADABLE = "the latch file cannot be read, which counts as killed: look at it, then `bot resume`"
    NOT_FINITE = "a quantity or price is not a finite positive number"
    UNMATCHED_LEGS = (
        "the legs are not a purchase and a sale of the same quantity of one asset, each on a venue of its own, as the "
        "instruments of this account"
    )
    BANNED = "a venue took part of a leg of this pair within guard.ban_hours"
    LOT_STEP = "a quantity is not a whole number of a venue's lot steps"
    STALE_DATA = "a leg has had no price for max_data_age_hours, or its order book is older than max_quote_age_s"
    UNSOUND_BOOK = "an order book is empty on one side, or its best bid is not below its best ask"
    PRICE_COLLAR = "a leg may trade, or trades now, further than max_price_collar_pct from its last close"
    VENUES_APART = "the prices of the legs are further apart than max_venue_gap_pct"
    QUOTE_GAP = "the quote currencies of the legs are further apart than max_quote_gap_pct, as all assets show"
    BELOW_MINIMUM = "a leg is less than its venue's smallest order"
    LEG_NOTIONAL = "a leg is larger than max_leg_notional"
    GROSS_NOTIONAL = "all legs together would be larger than max_gross_notional"
    ASSET_NOTIONAL = "the legs on this asset would be larger than max_asset_notional"
    VENUE_NOTIONAL = "the legs on a venue would be larger than max_venue_notional"
    MARGIN = "a venue would be left with too little above its maintenance margin"
    LEVERAGE = "the legs on a venue would be more than max_venue_leverage times its equity"
    LIQUIDATION_DISTANCE = (
        "a venue would liquidate the account after a move of one price, or of all, of less than "
        "min_liquidation_distance_pct"
    )
    DRAWDOWN = "equity is further below its peak than max_drawdown_pct"
    DAILY_LOSS = "equity is further below that of 00:00 UTC than max_daily_loss_pct"
    MESSAGE_RATE = "there would be more than max_orders_per_minute orders within a minute of market time"
    REPEATED_FAILURE = "max_failed_entries entries of this pair had to be unwound within failed_entries_hours"
    NO_EDGE = "the expected net carry is below min_edge_ratio times the round-trip cost, or not known"
