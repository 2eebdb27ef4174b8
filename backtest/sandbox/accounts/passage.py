"""The passage of time: what the market does to an account between two requests, in the order in which it happens.

Prices run straight between their turns (`Market.path`), so equity and margin do too, and nothing can be missed by
looking at the turns alone. At one instant: orders, liquidation, funding, delisting, the dead man's switch.
"""

from collections import defaultdict
from decimal import ROUND_CEILING, Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.liquidation import delist, liquidate
from backtest.sandbox.accounts.placing import trigger
from backtest.sandbox.accounts.prices import Settled
from backtest.sandbox.accounts.records import Kind, Order, Status
from backtest.sandbox.accounts.trades import fill, settle_rest, size_left

WHOLE = 1 - Decimal("1e-6")
"""Books are shown in whole ticks, rounded outwards: so much of one further, and the next price is shown
(`data.market.touch`)."""


def advance(account: Account, now_ms: int) -> None:
    """Let everything happen that happens until `now_ms`; time never goes back."""
    state = account.state
    if state.positions or state.dead_man or account.live_orders():
        settlements = _settlements(account, now_ms)
        for instant in _instants(account, settlements, now_ms):
            _orders(account, state.now_ms, instant)
            _liquidate_on_the_way(account, instant)
            state.now_ms = instant
            _fund(account, settlements[instant])
            _delist(account)
            _cancel_dead_man_s(account)
        _liquidate_on_the_way(account, state.now_ms)
    state.now_ms = max(state.now_ms, now_ms)


def _instants(account: Account, settlements: dict[int, list[tuple[str, Settled]]], now_ms: int) -> list[int]:
    """Every instant until now at which something may turn; now is always one."""
    begin = account.now_ms
    ends = (account.prices.ends_ms(symbol) for symbol in _concerned(account))
    instants = {*account.prices.turns(begin, now_ms), *settlements, *account.state.dead_man.values()}
    instants |= {end for end in ends if end is not None}
    return sorted({max(begin, now_ms)} | {instant for instant in instants if begin < instant <= now_ms})


def _settlements(account: Account, now_ms: int) -> dict[int, list[tuple[str, Settled]]]:
    """By instant."""
    found: dict[int, list[tuple[str, Settled]]] = defaultdict(list)
    for symbol in _concerned(account):
        for settled in account.prices.settlements(symbol, account.now_ms, now_ms):
            found[settled.time_ms].append((symbol, settled))
    return found


def _concerned(account: Account) -> list[str]:
    held = {position.symbol for position in account.state.positions}
    return sorted(held | {order.ticket.symbol for order in account.live_orders()})


def _orders(account: Account, begin_ms: int, end_ms: int) -> None:
    """Orders whose price comes in a stretch, in the order in which it comes."""
    reached = ((_reached_ms(account, order, begin_ms, end_ms), order.number) for order in account.live_orders())
    for instant, number in sorted((when, number) for when, number in reached if when is not None):
        order = account.histories.orders[number]
        if not order.live:
            continue
        account.state.now_ms = instant
        if order.status is Status.WAITING:
            trigger(account, order)
        elif order.ticket.limit is not None:
            size = size_left(account, order)
            if size:
                fill(account, order, size, order.ticket.limit, maker=True, fee_rate=account.maker_fee)
            settle_rest(account, order)


def _reached_ms(account: Account, order: Order, begin_ms: int, end_ms: int) -> int | None:
    """When the mark reaches its trigger, or the far side of the book trades through its limit; None: it does not."""
    ticket = order.ticket
    if order.status is Status.WAITING and ticket.trigger is not None:
        span = account.prices.mark(ticket.symbol, begin_ms), account.prices.mark(ticket.symbol, end_ms)
        return _crossing_ms(span, ticket.trigger, (begin_ms, end_ms), above=order.triggers_above)
    traded = account.prices.span(ticket.symbol, begin_ms, end_ms)
    if ticket.limit is None or traded is None:
        return None
    towards = 1 if ticket.quantity > 0 else -1
    far = 1 + towards * account.prices.half_spread
    beyond = ticket.limit - towards * account.prices.terms(ticket.symbol).tick * WHOLE
    return _crossing_ms((traded[0] * far, traded[1] * far), beyond, (begin_ms, end_ms), above=towards < 0)


def _crossing_ms(span: tuple[Decimal, Decimal], level: Decimal, stretch: tuple[int, int], *, above: bool) -> int | None:
    """When a price that runs straight over `span` in a stretch of time is beyond `level`."""
    (first, last), (begin_ms, end_ms) = span, stretch
    if first > level if above else first < level:
        return begin_ms
    if not (last > level if above else last < level):
        return None
    part = (level - first) / (last - first) * (end_ms - begin_ms)
    return min(end_ms, begin_ms + int(part.to_integral_value(ROUND_CEILING)))


def _liquidate_on_the_way(account: Account, end_ms: int) -> None:
    """Liquidate when equity comes below the maintenance margin between now and the end of a stretch, if it does."""
    last = account.excess(end_ms)
    if not account.state.positions or last >= 0:
        return
    begin_ms, first = account.now_ms, account.excess(account.now_ms)
    if first > 0:
        part = first / (first - last) * (end_ms - begin_ms)
        account.state.now_ms = min(end_ms, begin_ms + int(part.to_integral_value(ROUND_CEILING)))
    liquidate(account)


def _fund(account: Account, settlements: list[tuple[str, Settled]]) -> None:
    for symbol, settled in settlements:
        for position in (p for p in account.positions if p.symbol == symbol):
            amount = -position.quantity * settled.mark * settled.rate
            account.pay(Kind.FUNDING, amount, position, rate=settled.rate, price=settled.mark)


def _delist(account: Account) -> None:
    for symbol in _concerned(account):
        end = account.prices.ends_ms(symbol)
        if end is not None and end <= account.now_ms:
            delist(account, symbol)


def _cancel_dead_man_s(account: Account) -> None:
    for symbol, when in list(account.state.dead_man.items()):
        if when <= account.now_ms:
            for order in account.cancel_all({symbol} if symbol else None):
                order.by_dead_man = True
            del account.state.dead_man[symbol]
