"""Checks of an account as its venue describes it: permissions, modes, clock, fees, money. Pure; run by the doctor."""

from collections.abc import Callable

from bot.doctor.finding import Finding, Verdict, judged
from bot.settings import Settings
from bot.venue_orders import Balance, Standing
from data.fees import fees

CLOCK_WARNING_MS, CLOCK_FAILED_MS = 1_000, 5_000
"""Beyond the first, venues begin to refuse signatures, which is mended on the way; beyond the second, mend the clock.
Binance refuses stamps 1 s ahead of it or older than its recvWindow of 5 s by default (its error -1021)."""
FEE_TOLERANCE_BPS = 0.01
SHARE_NEEDED = 0.98
"""Of capital / venues: a little may be gone in fees and funding."""


def may_trade(venue: str, standing: Standing, settings: Settings) -> Finding:
    """Whether the key may send orders."""
    text = "the key may trade" if standing.can_trade else "the key may not trade"
    remedy = f"allow the key futures trading in {venue}'s settings of API keys"
    return judged("permission to trade", standing.can_trade, text, remedy, venue)


def may_not_withdraw(venue: str, standing: Standing, settings: Settings) -> Finding:
    """Whether who steals the key could take the money; in a rehearsal there is none."""
    check, remedy = "no permission to withdraw", f"make a key at {venue} that cannot withdraw, and delete this one"
    if standing.can_withdraw is None:
        return Finding(check, Verdict.WARNING, "the venue does not tell", f"look at {venue}'s page of API keys", venue)
    text = "the key can withdraw" if standing.can_withdraw else "the key cannot withdraw"
    return judged(check, not standing.can_withdraw, text, remedy, venue, grave=not settings.rehearsal)


def clocks_agree(venue: str, standing: Standing, settings: Settings) -> Finding:
    """How far the venue's wall clock and this machine's are apart."""
    skew = abs(standing.clock_ms)
    where = "behind" if standing.clock_ms > 0 else "ahead"
    text = f"this machine is {skew / 1000:.2f} s {where}"
    remedy = "have this machine's clock kept by NTP"
    return judged("clock", skew <= CLOCK_WARNING_MS, text, remedy, venue, grave=skew > CLOCK_FAILED_MS)


def one_way(venue: str, standing: Standing, settings: Settings) -> Finding:
    """Whether a sale reduces what is held, as everything here relies on."""
    text = "one-way mode" if standing.one_way else "hedge mode, which holds long and short side by side"
    remedy = f"close every position at {venue} and switch the account to one-way mode"
    return judged("position mode", standing.one_way, text, remedy, venue)


def margin_mode(venue: str, standing: Standing, settings: Settings) -> Finding:
    """Whether positions share the account's money as the settings say."""
    wanted = settings.data.venues[venue].margin_mode == "cross"
    if standing.cross is None:
        return Finding("margin mode", Verdict.OK, "set with the orders", venue=venue)
    text = "cross margin" if standing.cross else "isolated margin"
    remedy = f"switch {venue} to {'cross' if wanted else 'isolated'} margin, or change data.venues.{venue}.margin_mode"
    return judged("margin mode", standing.cross == wanted, text, remedy, venue)


def fees_as_configured(venue: str, standing: Standing, settings: Settings) -> Finding:
    """Whether decisions count with the fees that the account pays."""
    check, told = "fees", fees(venue, settings.data.venues[venue])
    if standing.taker_fee is None or standing.maker_fee is None:
        text = f"the venue does not tell; taker {told.taker_bps:g} bps is configured"
        return Finding(check, Verdict.WARNING, text, f"compare it with {venue}'s page of fees", venue)
    taker, maker = 1e4 * standing.taker_fee, 1e4 * standing.maker_fee
    text = f"taker {taker:.4g} bps, maker {maker:.4g} bps; configured {told.taker_bps:.4g} and {told.maker_bps:.4g}"
    dearer = taker > told.taker_bps + FEE_TOLERANCE_BPS
    equal = max(abs(taker - told.taker_bps), abs(maker - told.maker_bps)) <= FEE_TOLERANCE_BPS
    remedy = f"set data.venues.{venue}.fee_tier, or taker_fee_bps and maker_fee_bps, to what the account pays"
    return judged(check, equal, text, remedy, venue, grave=dearer)


def money_there(venue: str, balance: Balance, settings: Settings) -> Finding:
    """Whether the venue holds its share of the capital."""
    share = settings.environment.initial_capital / len(settings.data.venues)
    text = f"equity {balance.equity:,.2f}, free {balance.free:,.2f}; its share of the capital is {share:,.2f}"
    remedy = f"send money to {venue}, or lower environment.initial_capital"
    return judged("balance", balance.equity >= SHARE_NEEDED * share, text, remedy, venue)


StandingCheck = Callable[[str, Standing, Settings], Finding]
STANDING_CHECKS: tuple[StandingCheck, ...] = (
    may_trade,
    may_not_withdraw,
    clocks_agree,
    one_way,
    margin_mode,
    fees_as_configured,
)
