import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.asked import Asked
from backtest.sandbox.limits import RequestMeter
from backtest.sandbox.venue_limits import LIMITS

VENUES = ("binance", "bybit", "hyperliquid", "okx", "somewhere")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_700_000_040.0  # a whole minute

    def __call__(self) -> float:
        return self.now_s


def meter(clock: Clock, *, refuses: bool = True) -> RequestMeter:
    return RequestMeter(VENUES, clock, refuses=refuses)


def binance(path: str, method: str = "GET", **query: str) -> Asked:
    return Asked("binance", method, f"fapi/v1/{path}", query)


def info(kind: str) -> Asked:
    return Asked("hyperliquid", "POST", f"info/{kind}", {})


def okx(path: str, **query: str) -> Asked:
    return Asked("okx", "GET", f"api/v5/{path}", query)


TICKERS = binance("ticker/24hr")
BYBIT = Asked("bybit", "GET", "v5/market/kline", {})


def statuses(counted: RequestMeter, asked: Asked, number: int) -> list[int]:
    """The status of each of so many requests, 200 for those that pass."""
    return [200 if (refused := counted.charge(asked)) is None else refused.status for _ in range(number)]


@pytest.mark.parametrize(
    ("asked", "bucket", "weight"),
    [
        (binance("ping"), "weight", 1),
        (binance("exchangeInfo"), "weight", 1),
        (binance("depth", limit="50"), "weight", 2),
        (binance("depth", limit="100"), "weight", 5),
        (binance("depth"), "weight", 10),
        (binance("depth", limit="1000"), "weight", 20),
        (binance("klines", limit="99"), "weight", 1),
        (binance("klines", limit="499"), "weight", 2),
        (binance("markPriceKlines"), "weight", 5),
        (binance("indexPriceKlines", limit="1500"), "weight", 10),
        (binance("klines", limit="all"), "weight", 5),
        (binance("ticker/24hr", symbol="BTCUSDT"), "weight", 1),
        (TICKERS, "weight", 40),
        (binance("ticker/bookTicker"), "weight", 5),
        (binance("ticker/bookTicker", symbol="BTCUSDT"), "weight", 2),
        (binance("fundingRate", symbol="BTCUSDT"), "funding", 1),
        (binance("fundingInfo"), "funding", 1),
        (binance("order", "POST"), "weight", 0),
        (binance("order"), "weight", 1),
        (info("l2Book"), "weight", 2),
        (info("metaAndAssetCtxs"), "weight", 20),
        (info("userRole"), "weight", 60),
        (Asked("hyperliquid", "POST", "exchange/order", {}, 1), "weight", 1),
        (Asked("hyperliquid", "POST", "exchange/order", {}, 79), "weight", 2),
        (BYBIT, "requests", 1),
        (okx("market/candles"), "market/candles", 1),
    ],
    ids=str,
)
def test_a_request_weighs_what_the_venue_says(asked: Asked, bucket: str, weight: int) -> None:
    counted = meter(Clock())
    counted.charge(asked)
    used = {name: most["used"] for name, most in counted.shown()[asked.venue]["most_used"].items()}
    assert {bucket: weight} == used


def test_binance_answers_429_until_the_minute_is_over_and_says_how_long_that_is() -> None:
    clock = Clock()
    counted = meter(clock)
    clock.now_s += 18.5
    assert [200] * 60 + [429] == statuses(counted, TICKERS, 61)

    refused = counted.charge(TICKERS)
    assert refused is not None
    assert ("42", -1003) == (refused.headers["Retry-After"], _said(refused)["code"])

    clock.now_s += 42
    assert [200] == statuses(counted, TICKERS, 1)


def test_binance_bans_who_goes_on_and_each_time_for_twice_as_long() -> None:
    clock = Clock()
    counted = meter(clock)
    lengths = []
    for _ in range(3):
        assert [200] * 60 + [429] * 10 + [418] * 5 == statuses(counted, TICKERS, 75)
        refused = counted.charge(TICKERS)
        assert refused is not None
        lengths.append(int(refused.headers["Retry-After"]))
        assert f"banned until {round(1000 * (clock.now_s + lengths[-1]))}" in _said(refused)["msg"]
        clock.now_s += lengths[-1]

    assert [120, 240, 480] == lengths
    assert {"429": 30, "418": 18} == counted.shown()["binance"]["refused"]


def test_a_ban_never_lasts_longer_than_three_days() -> None:
    clock = Clock()
    counted = meter(clock)
    for _ in range(14):
        statuses(counted, TICKERS, 71)
        refused = counted.charge(TICKERS)
        assert refused is not None and refused.status == 418
        clock.now_s += float(refused.headers["Retry-After"])
    assert "259200" == refused.headers["Retry-After"]


def test_who_backs_off_after_each_429_is_never_banned() -> None:
    clock = Clock()
    counted = meter(clock)
    for _ in range(30):
        assert [200] * 60 + [429] == statuses(counted, TICKERS, 61)
        clock.now_s += 60


def test_binance_s_funding_endpoints_share_500_in_five_minutes_and_weigh_nothing_else() -> None:
    counted = meter(Clock())
    assert [200] * 250 == statuses(counted, binance("fundingInfo"), 250)
    assert [200] * 250 + [429] == statuses(counted, binance("fundingRate"), 251)
    assert [200] == statuses(counted, binance("time"), 1)


def test_binance_tells_the_weight_used_in_every_answer() -> None:
    counted, answer = meter(Clock()), web.Response()
    for asked in (TICKERS, binance("depth")):
        counted.charge(asked)
        counted.answered(asked, answer)
    assert "50" == answer.headers["X-MBX-USED-WEIGHT-1M"]


@pytest.mark.parametrize(("kind", "rows", "weight"), [("fundingHistory", 500, 45), ("candleSnapshot", 5000, 104)])
def test_hyperliquid_weighs_the_rows_of_its_answers(kind: str, rows: int, weight: int) -> None:
    counted = meter(Clock())
    counted.charge(info(kind))
    counted.answered(info(kind), web.Response(text=json.dumps([{"time": row} for row in range(rows)])))
    assert weight == counted.shown()["hyperliquid"]["most_used"]["weight"]["used"]


def test_hyperliquid_answers_429_and_forgets_in_a_minute() -> None:
    clock = Clock()
    counted = meter(clock)
    assert [200] * 30 == statuses(counted, info("meta"), 30)
    clock.now_s += 30
    assert [200] * 30 + [429] == statuses(counted, info("meta"), 31)
    clock.now_s += 30.001
    assert [200] * 30 + [429] == statuses(counted, info("meta"), 31)


def test_bybit_answers_403_for_ten_minutes() -> None:
    clock = Clock()
    counted = meter(clock)
    assert [200] * 600 + [403] == statuses(counted, BYBIT, 601)
    clock.now_s += 599
    assert [403] == statuses(counted, BYBIT, 1)
    clock.now_s += 1.001
    assert [200] == statuses(counted, BYBIT, 1)


def test_okx_counts_endpoints_and_instruments_apart() -> None:
    counted = meter(Clock())
    assert [200] * 10 + [429] == statuses(counted, okx("public/funding-rate-history", instId="BTC-USDT-SWAP"), 11)
    assert [200] == statuses(counted, okx("public/funding-rate-history", instId="ETH-USDT-SWAP"), 1)
    assert [200] * 20 + [429] == statuses(counted, okx("market/tickers"), 21)
    refused = counted.charge(okx("market/tickers"))
    assert refused is not None and "50011" == _said(refused)["code"]


def test_without_limits_everything_passes_and_is_counted() -> None:
    counted = meter(Clock(), refuses=False)
    assert [200] * 100 == statuses(counted, TICKERS, 100)
    shown = counted.shown()["binance"]
    assert {"requests": 100, "endpoints": {"fapi/v1/ticker/24hr": 100}, "refused": {}} == {
        name: shown[name] for name in ("requests", "endpoints", "refused")
    }
    assert {"weight": {"used": 4000, "limit": 2400, "seconds": 60}} == shown["most_used"]


def test_a_venue_without_known_limits_is_counted_and_never_refused() -> None:
    counted = meter(Clock())
    assert [200] * 5000 == statuses(counted, Asked("somewhere", "GET", "time", {}), 5000)
    assert 5000 == counted.shown()["somewhere"]["requests"]


@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=120),
    asked=st.sampled_from([okx("public/time"), okx("market/tickers"), okx("public/instruments", instType="SWAP")]),
)
def test_no_stretch_of_time_ever_holds_more_than_the_limit(gaps: list[float], asked: Asked) -> None:
    clock = Clock()
    counted, passed = meter(clock), []
    bucket, _ = LIMITS["okx"].charge(asked)
    for gap in gaps:
        clock.now_s += gap / 10
        if counted.charge(asked) is None:
            passed.append(clock.now_s)
    within = [sum(begin <= stamp < begin + bucket.seconds for stamp in passed) for begin in passed]
    assert max(within) <= bucket.limit


def _said(refused: web.Response) -> dict[str, Any]:
    return dict(json.loads(refused.text or ""))
