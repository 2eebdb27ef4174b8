"""Which streams, and which requests that open one, meet a scripted fault."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from backtest.sandbox.asked import Asked
from backtest.sandbox.fault_script import FaultScript
from backtest.sandbox.stream_faults import AnyFault

KLINES = Asked("binance", "GET", "fapi/v1/klines", {})
OPENING = Asked("binance", "GET", "public/ws/0", {}, opens_stream=True)


def script(*faults: dict[str, Any]) -> FaultScript:
    made = FaultScript(("binance", "hyperliquid"), lambda: 0, lambda: 0.0)
    made.add(TypeAdapter(tuple[AnyFault, ...]).validate_python(faults))
    return made


@pytest.mark.parametrize("kind", ["stale", "drop"])
def test_a_fault_of_streams_concerns_no_request(kind: str) -> None:
    scripted = script({"kind": kind})
    assert [None, None] == [scripted.strike(asked) for asked in (KLINES, OPENING)]


@pytest.mark.parametrize("kind", ["down", "reset", "cut", "html"])
def test_a_fault_of_requests_concerns_no_open_stream(kind: str) -> None:
    assert script({"kind": kind}).strike_stream("binance") is None


def test_a_stream_meets_the_faults_of_its_venue_so_often_as_they_say() -> None:
    scripted = script({"kind": "stale", "venue": "binance", "every": 2, "times": 1}, {"kind": "drop", "times": 1})

    told = [scripted.strike_stream(venue) for venue in ("binance", "hyperliquid", "binance", "binance")]

    assert ["drop", None, "stale", None] == [None if fault is None else fault.kind for fault in told]
    assert {"binance": {"drop": 1, "stale": 1}, "hyperliquid": {}} == scripted.injected


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        ({"kind": "status", "status": 503}, True),
        ({"kind": "reset", "request": "ws/*"}, True),
        ({"kind": "down"}, True),
        ({"kind": "reset", "after": True}, False),
        ({"kind": "cut"}, False),
        ({"kind": "cut_json"}, False),
    ],
)
def test_a_request_that_opens_a_stream_has_no_answer_to_lose(fault: dict[str, Any], met: bool) -> None:
    assert met == (script(fault).strike(OPENING) is not None)
    assert script(fault | {"request": "*"} if fault["kind"] != "down" else fault).strike(KLINES) is not None


def test_a_fault_of_streams_has_no_request() -> None:
    with pytest.raises(ValidationError):
        script({"kind": "stale", "request": "ws"})
