"""The comparison of venue and books: nothing where they agree, and exactly what was disturbed where they do not."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.execution.reconcile import Difference, Kind, Known, Seen, compare, unexplained
from bot.venue_orders import VenueFill, VenueFunding

STEP = 0.01
SYMBOLS = ("A/USDT:USDT", "B/USDT:USDT", "C/USDT:USDT")
STEPS = dict.fromkeys(SYMBOLS, STEP)
LOTS = st.integers(-1000, 1000).filter(bool).map(lambda lots: lots * STEP)
POSITIONS = st.dictionaries(st.sampled_from(SYMBOLS), LOTS)
SOON = settings(max_examples=60, deadline=None)


def fill(symbol: str, trade_id: str, quantity: float = 1.0, client_id: str = "") -> VenueFill:
    return VenueFill("binance", symbol, trade_id, client_id, 5, quantity, 10.0, 0.01, False)


def paid(symbol: str, time_ms: int, payment_id: str) -> VenueFunding:
    return VenueFunding("binance", symbol, payment_id, time_ms, -0.5)


FILLS = st.lists(st.builds(fill, st.sampled_from(SYMBOLS), st.sampled_from("12345")), max_size=6)
FUNDING = st.lists(
    st.builds(paid, st.sampled_from(SYMBOLS), st.integers(1, 5), st.sampled_from(("", "7", "8"))), max_size=6
)
ORDERS = st.lists(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(("x1", "x2", "x3"))), max_size=4, unique=True)


@st.composite
def agreeing(draw: st.DrawFn) -> tuple[Seen, Known]:
    """A venue and books that say the same, up to dust below a lot step."""
    positions, orders, fills, funding = draw(POSITIONS), draw(ORDERS), draw(FILLS), draw(FUNDING)
    dust = draw(st.floats(-0.4 * STEP, 0.4 * STEP))
    seen = Seen("binance", {symbol: held + dust for symbol, held in positions.items()}, orders, fills, funding)
    known = Known(
        positions,
        STEPS,
        frozenset(client_id for _, client_id in orders),
        frozenset((one.symbol, one.trade_id) for one in fills),
        frozenset((one.symbol, one.time_ms, one.payment_id) for one in funding),
        funding_until_ms=10,
    )
    return seen, known


@SOON
@given(agreeing())
def test_a_venue_that_says_what_the_books_say_differs_in_nothing(agreed: tuple[Seen, Known]) -> None:
    assert () == compare(*agreed)


@SOON
@given(POSITIONS, POSITIONS)
def test_the_books_and_the_changes_together_are_what_the_venue_holds(
    there: dict[str, float], here: dict[str, float]
) -> None:
    found = compare(Seen("binance", there), Known(here, STEPS))
    for symbol in SYMBOLS:
        changes = sum(difference.change for difference in found if difference.symbol == symbol)
        assert abs(here.get(symbol, 0.0) + changes - there.get(symbol, 0.0)) < 0.5 * STEP


@SOON
@given(agreeing(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_and_rows_shown_twice_change_nothing(agreed: tuple[Seen, Known], random: object) -> None:
    seen, known = agreed
    emptied = replace(known, fills=frozenset(), funding=frozenset())
    fills, funding = [*seen.fills, *seen.fills], [*seen.funding, *seen.funding]
    random.shuffle(fills)
    random.shuffle(funding)
    assert compare(seen, emptied) == compare(replace(seen, fills=fills, funding=funding), emptied)


@SOON
@given(agreeing(), st.data())
def test_one_disturbance_gives_its_own_difference_and_no_other(agreed: tuple[Seen, Known], data: st.DataObject) -> None:
    seen, known = agreed
    disturbed, expected = data.draw(st.sampled_from(DISTURBANCES))(seen)
    assert [expected] == [(found.kind, found.symbol) for found in compare(disturbed, known)]


NEW = "D/USDT:USDT"
DISTURBANCES = (
    lambda seen: (replace(seen, positions={**seen.positions, NEW: -1.0}), (Kind.EXTRA_POSITION, NEW)),
    lambda seen: (replace(seen, orders=[*seen.orders, (NEW, "")]), (Kind.ORPHAN_ORDER, NEW)),
    lambda seen: (replace(seen, orders=[*seen.orders, (NEW, "stranger")]), (Kind.ORPHAN_ORDER, NEW)),
    lambda seen: (replace(seen, fills=[*seen.fills, fill(NEW, "1")]), (Kind.UNBOOKED_FILL, NEW)),
    lambda seen: (replace(seen, funding=[*seen.funding, paid(NEW, 3, "")]), (Kind.UNBOOKED_FUNDING, NEW)),
)


def kinds(there: float, here: float) -> list[tuple[Kind, float]]:
    symbol = SYMBOLS[0]
    seen = {symbol: there} if there else {}
    found = compare(Seen("binance", seen), Known({symbol: here} if here else {}, STEPS))
    return [(difference.kind, difference.change) for difference in found]


def test_a_leg_that_is_gone_shrank_grew_or_turned_is_told_apart() -> None:
    assert [(Kind.MISSING_LEG, 2.0)] == kinds(0.0, -2.0)
    assert [(Kind.REDUCED_LEG, 0.5)] == kinds(-1.5, -2.0)
    assert [(Kind.EXTRA_POSITION, -1.0)] == kinds(-3.0, -2.0)
    assert [(Kind.EXTRA_POSITION, 3.0)] == kinds(3.0, 0.0)
    assert [(Kind.MISSING_LEG, 2.0), (Kind.EXTRA_POSITION, 1.0)] == kinds(1.0, -2.0)


def test_a_change_that_a_trade_of_the_history_made_is_explained_and_a_bare_one_is_not() -> None:
    symbol = SYMBOLS[0]
    gone = Difference(Kind.MISSING_LEG, "binance", symbol, 2.0)
    traded = [
        Difference(Kind.UNBOOKED_FILL, "binance", symbol, fill=fill(symbol, name, quantity))
        for name, quantity in (("1", 1.5), ("2", 0.5))
    ]
    assert {} == unexplained([gone, *traded], STEPS)
    assert {symbol: 0.5} == unexplained([gone, traded[0]], STEPS)
    assert {symbol: 2.0} == unexplained([gone], STEPS)
    assert {symbol: -1.5} == unexplained([traded[0]], STEPS)


def test_funding_that_is_too_fresh_to_be_booked_is_no_difference() -> None:
    seen = Seen("binance", {}, funding=[paid(SYMBOLS[0], 11, "1")])
    assert () == compare(seen, Known({}, STEPS, funding_until_ms=10))
    assert 1 == len(compare(seen, Known({}, STEPS, funding_until_ms=11)))


def test_a_difference_says_where_it_is_and_what_to_do() -> None:
    text = Difference(Kind.REDUCED_LEG, "okx", "BTC/USDT:USDT", -0.25).text
    assert "okx BTC/USDT:USDT -0.25: a leg is smaller than in the books" in text
