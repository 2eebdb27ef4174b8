"""The ledger's promises when a process is killed in the midst of its work, in whatever database it lies."""

import random
import signal
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from backtest.accounting import new_books
from bot.ledger.database import Place
from bot.ledger.models import Exact, Run
from bot.ledger.store import Ledger, TickRecord, instruments_from_json, instruments_to_json
from bot.orders import LegFill, LegOrder, Proposal
from data.errors import StateError
from data.types import HOUR_MS, Asset, Instrument
from tests.fakes.endless_hours import endless_hours
from tests.fakes.ledger_places import change, query

TICK = 1_000_000 * HOUR_MS
LEG = Instrument("binance", "1000PEPE/USDT:USDT", Asset("PEPE", 1000), "USDT", 1.0, 1e-7, 5.0, 8)


def start(ledger: Ledger) -> int:
    row = Run(
        world="w", profile="sandbox", description="", episode="", champion="rule", capital=Decimal(1), from_ms=TICK,
        to_ms=None, state="running", instruments=instruments_to_json([LEG]),
    )  # fmt: skip
    return ledger.start_run(row).id


def entry(tick: int = TICK) -> Proposal:
    return Proposal(True, 0, tick, -1, (LegOrder(0, LEG, 0, 0, 3.0, 100.0, 0.03),), (0, 1))


def states(place: Place) -> dict[str, str]:
    return dict(query(place, "select client_id, state from intents"))  # type: ignore[arg-type]


def test_a_process_killed_in_the_middle_of_writing_loses_no_tick_that_it_had_committed(
    place: Place, ledger: Ledger
) -> None:
    run, moments = start(ledger), random.Random(1)
    for _ in range(1 if place.account else 3):
        process = endless_hours(place, run)
        assert process.stdout is not None
        for _ in range(moments.randint(1, 9)):
            committed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        committed = max([committed, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        if place.account:  # the server may be in the midst of what it was told last
            change(place, "LOCK TABLE ticks IN SHARE MODE")

        ticks, curve = ledger.equity(run)
        hours = len(ticks)
        assert committed + 1 <= hours <= committed + 2
        assert [(TICK + number * HOUR_MS, number) for number in range(hours)] == list(zip(ticks, curve, strict=True))
        tick, books = ledger.snapshot(run) or (0, new_books(1, 1, 0.0))
        assert (TICK + (hours - 1) * HOUR_MS, float(hours)) == (tick, float(books.peak))
        assert [(20 * hours,)] == query(place, "select count(*) from events")


def test_a_second_ledger_on_the_same_file_reads_what_the_first_has_committed(place: Place, ledger: Ledger) -> None:
    first, second = ledger, Ledger(place)
    run = start(first)
    for number in range(3):
        first.record_tick(run, TickRecord(TICK + number * HOUR_MS, float(number)), new_books(2, 3, 1.0))

        assert list(range(number + 1)) == second.equity(run)[1].tolist()


def test_intents_of_a_process_that_died_are_unfilled_and_those_that_filled_stay_filled(
    place: Place, ledger: Ledger
) -> None:
    run = start(ledger)
    ledger.record_intents(run, entry(), ("filled",))
    fill = LegFill("filled", 0, 3.0, 101.0, 100.0, 5e-4, 0.0)
    ledger.record_tick(run, TickRecord(TICK, 1.0, fills=[fill]), new_books(2, 3, 1.0))
    ledger.record_intents(run, entry(TICK + HOUR_MS), ("died",))
    assert {"filled": "filled", "died": "pending"} == states(place)
    ledger.expire_pending(run)

    assert {"filled": "filled", "died": "unfilled"} == states(place)


def test_an_intent_is_on_disk_before_its_tick_is(place: Place, ledger: Ledger) -> None:
    ledger.record_intents(start(ledger), entry(), ("a",))

    assert {"a": "pending"} == states(place)
    assert ledger.snapshot(1) is None


@pytest.mark.parametrize("value", [np.float64(1 / 3), np.float64(1e-300)])
def test_a_number_of_numpy_is_kept_like_any_other(value: np.float64) -> None:
    assert str(Decimal(repr(float(value)))) == Exact().process_bind_param(value, None)  # type: ignore[arg-type]


def test_what_the_database_holds_is_the_shortest_exact_notation(place: Place, ledger: Ledger) -> None:
    ledger.record_tick(start(ledger), TickRecord(TICK, 0.1 + 0.2), new_books(2, 3, 1.0))

    assert [("0.30000000000000004",)] == query(place, "select equity from ticks")


def test_instruments_come_back_the_same(place: Place, ledger: Ledger) -> None:
    start(ledger)
    run = ledger.latest()

    assert run is not None
    assert (LEG,) == instruments_from_json(run.instruments)


def test_instruments_of_a_ledger_from_before_contract_sizes_load_with_contracts_of_one_unit() -> None:
    kept = instruments_to_json([LEG])
    for row in kept["instruments"]:
        del row["contract_size"], row["min_quantity"]

    assert (LEG,) == instruments_from_json(kept)


def test_what_is_written_needs_a_run_that_exists(place: Place, ledger: Ledger) -> None:
    run = start(ledger)

    with pytest.raises((StateError, IntegrityError)):
        ledger.record_tick(run + 1, TickRecord(TICK, 1.0), new_books(2, 3, 1.0))
    with pytest.raises((StateError, IntegrityError)):
        ledger.record_intents(run + 1, entry(), ("a",))
    assert [] == query(place, "select tick from ticks union all select tick from intents")
