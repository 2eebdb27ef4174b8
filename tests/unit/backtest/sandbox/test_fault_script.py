from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from backtest.sandbox.asked import Asked
from backtest.sandbox.fault_script import FaultScript
from backtest.sandbox.faults import Fault
from data.errors import ConfigurationError

VENUES = ("binance", "hyperliquid")
KLINES = Asked("binance", "GET", "fapi/v1/klines", {})
BOOK = Asked("hyperliquid", "POST", "info/l2Book", {})
ORDER = Asked("binance", "POST", "fapi/v1/order", {})


def fault(kind: str = "down", **told: Any) -> Fault:
    return TypeAdapter(Fault).validate_python({"kind": kind} | told)  # type: ignore[return-value]


def script(*faults: Fault) -> FaultScript:
    made = FaultScript(VENUES, lambda: 0, lambda: 0.0)
    made.add(faults)
    return made


@given(
    seed=st.integers(),
    probability=st.floats(0.05, 1.0),
    every=st.integers(1, 5),
    asked=st.lists(st.sampled_from([KLINES, BOOK, ORDER]), max_size=60),
)
def test_what_is_struck_depends_on_the_order_of_the_requests_alone(
    seed: int, probability: float, every: int, asked: list[Asked]
) -> None:
    told = (
        fault("reset", seed=seed, probability=probability, request="klines"),
        fault(seed=seed, probability=probability, every=every),
    )
    first, again = script(*told), script(*told)

    assert [first.strike(request) for request in asked] == [again.strike(request) for request in asked]
    assert first.shown() == again.shown()


@given(every=st.integers(1, 7), times=st.integers(1, 7), requests=st.integers(0, 60))
def test_every_so_many_th_request_is_struck_until_it_is_enough(every: int, times: int, requests: int) -> None:
    scripted = script(fault(every=every, times=times))

    struck = [number for number in range(1, requests + 1) if scripted.strike(KLINES)]

    assert list(range(every, requests + 1, every))[:times] == struck


def test_two_faults_of_one_seed_do_not_draw_alike() -> None:
    scripted = script(fault("empty", probability=0.5), fault("html", probability=0.5))
    kinds = [None if (met := scripted.strike(KLINES)) is None else met.kind for _ in range(200)]
    assert {None, "empty", "html"} == set(kinds)


def test_a_request_meets_the_first_fault_that_strikes_and_the_next_do_not_see_it() -> None:
    scripted = script(fault("reset", times=1), fault("empty", times=1))

    kinds = [None if (met := scripted.strike(KLINES)) is None else met.kind for _ in range(3)]

    assert ["reset", "empty", None] == kinds
    assert [1, 1] == [entry["matched"] for entry in scripted.shown()]


@pytest.mark.parametrize(
    ("told", "struck"),
    [
        ({"kind": "down"}, [KLINES, BOOK, ORDER]),
        ({"kind": "down", "venue": "binance"}, [KLINES, ORDER]),
        ({"kind": "reset", "request": "klines"}, [KLINES]),
        ({"kind": "reset", "request": "*lines"}, [KLINES]),
        ({"kind": "reset", "request": "lines"}, []),
        ({"kind": "reset", "request": "fapi/v1/*"}, [KLINES, ORDER]),
        ({"kind": "reset", "request": "l2Book"}, [BOOK]),
        ({"kind": "reset", "request": "info/*"}, [BOOK]),
        ({"kind": "reset", "method": "POST"}, [BOOK, ORDER]),
        ({"kind": "reset", "method": "POST", "venue": "binance"}, [ORDER]),
    ],
)
def test_a_fault_strikes_where_it_says(told: dict[str, Any], struck: list[Asked]) -> None:
    scripted = script(fault(**told))
    assert struck == [asked for asked in (KLINES, BOOK, ORDER) if scripted.strike(asked)]


def test_windows_of_market_time_and_of_real_time_must_both_be_open() -> None:
    market_ms, real_s = iter([0, 10_000, 10_000, 20_000]), iter([0.0, 1.0, 1.0, 5.0, 5.0])
    scripted = FaultScript(VENUES, _next(market_ms), _next(real_s))
    scripted.add([fault(begin="1970-01-01T00:00:10Z", end="1970-01-01T00:00:20Z", from_s=5)])

    assert [None, None, "down", None] == [(met := scripted.strike(KLINES)) and met.kind for _ in range(4)]


def _next(values: Iterator[Any]) -> Any:
    return lambda: next(values)


def test_an_unknown_venue_changes_nothing() -> None:
    scripted = script(fault("empty"))
    for tell in (scripted.add, scripted.replace):
        with pytest.raises(ConfigurationError, match="names kraken, .* choose from binance, hyperliquid"):
            tell([fault("html"), fault(venue="kraken")])
    assert ["empty"] == [entry["kind"] for entry in scripted.shown()]


@pytest.mark.parametrize("kind", ["empty", "html", "timeout", "reset", "cut", "cut_json", "down"])
def test_what_a_fault_does_not_have_is_an_error(kind: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        fault(kind, retry_after_s=1)
