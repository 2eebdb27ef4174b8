"""The names that orders bear at the venues: short enough for all of them, and never the same twice."""

from hypothesis import given
from hypothesis import strategies as st

from backtest.accounting import OPEN
from bot.assembly import SALT_LETTERS
from bot.execution.live.desk import Work, client_id
from bot.kill_journal import is_kill
from bot.ledger.executions import Task
from bot.orders import Proposal
from data.types import HOUR_MS

LONGEST = 32
RUNS = st.builds(
    lambda number, salt: f"{number}{salt}",
    st.integers(1, 999),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=SALT_LETTERS, max_size=SALT_LETTERS),
)
PLACES = st.tuples(
    RUNS, st.integers(0, 900_000), st.integers(0, 99), st.integers(0, 999), st.integers(0, 999), st.booleans(),
    st.integers(0, 1), st.integers(1, 99),
)  # fmt: skip


def name(run: str, hour: int, slot: int, long: int, short: int, entry: bool, leg: int, attempt: int) -> str:
    proposal = Proposal(entry, slot, hour * HOUR_MS, OPEN, (), (long, short))
    return client_id(run, Work(Task(1, proposal, proposal.tick), (), 0, attempt=attempt), leg)


@given(PLACES, PLACES)
def test_orders_that_differ_in_anything_have_different_names_that_every_venue_takes(
    one: tuple[str, int, int, int, int, bool, int, int], other: tuple[str, int, int, int, int, bool, int, int]
) -> None:
    first, second = name(*one), name(*other)
    assert (one == other) == (first == second)
    assert len(first) <= LONGEST and first.isalnum() and first.isascii() and not is_kill(first)
