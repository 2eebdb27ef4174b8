"""Signatures of Bybit and OKX: what stock ccxt signs is taken, and nothing that differs from it in a single byte."""

import time
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox import bybit_signature, okx_signature
from backtest.sandbox.bybit_rules import RefusedError as BybitRefused
from backtest.sandbox.okx_rules import RefusedError as OkxRefused

KEYS = {"key": "the-key", "secret": "the-secret"}
CLIENT = {"apiKey": KEYS["key"], "secret": KEYS["secret"], "password": "the-pass"}
BYBIT, OKX = ccxt.bybit(CLIENT), ccxt.okx(CLIENT)
TOLD = st.dictionaries(
    st.text("abcXYZ", min_size=1, max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
METHODS = st.sampled_from(["GET", "POST"])


def bybit(told: dict[str, str], method: str) -> tuple[dict[str, str], bytes]:
    """(headers, what is signed) of a request by the stock client."""
    sent = BYBIT.sign("v5/order/create", ["private"], method, told)
    return sent["headers"], (sent["body"] if method == "POST" else sent["url"].partition("?")[2]).encode()


def okx(told: dict[str, str], method: str) -> tuple[dict[str, str], bytes]:
    sent = OKX.sign("trade/order", ["private"], method, told)
    path = sent["url"].partition("okx.com")[2]
    return sent["headers"], f"{method}{path}{sent['body'] or ''}".encode()


def check_bybit(headers: dict[str, str], signed: bytes, now_ms: int | None = None) -> None:
    now_ms = int(headers["X-BAPI-TIMESTAMP"]) if now_ms is None else now_ms
    bybit_signature.check_signature(headers, signed, **KEYS, wall_ms=now_ms)


def check_okx(headers: dict[str, str], signed: bytes, now_ms: int | None = None) -> None:
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    okx_signature.check_signature(headers, signed, **KEYS, passphrase="the-pass", wall_ms=now_ms)


@given(TOLD, METHODS)
def test_what_the_stock_client_signs_is_taken(told: dict[str, str], method: str) -> None:
    check_bybit(*bybit(told, method))
    check_okx(*okx(told | {"clOrdId": "c"}, method))


@given(TOLD, METHODS, st.data())
def test_one_byte_more_or_less_is_refused(told: dict[str, str], method: str, data: Any) -> None:
    for make, check, refused, code in (
        (bybit, check_bybit, BybitRefused, 10004),
        (okx, check_okx, OkxRefused, "50113"),
    ):
        headers, signed = make(told | {"clOrdId": "c"}, method)
        at = data.draw(st.integers(0, len(signed) - 1))
        for other in (signed[:at] + signed[at + 1 :], signed[:at] + b"~" + signed[at:]):
            with pytest.raises(refused) as caught:
                check(headers, other)
            assert code == caught.value.code


@pytest.mark.parametrize(("late_ms", "taken"), [(-1001, False), (-999, True), (5000, True), (5001, False)])
def test_bybit_takes_what_is_a_second_early_or_as_late_as_its_window(late_ms: int, taken: bool) -> None:
    headers, signed = bybit({}, "GET")
    now_ms = int(headers["X-BAPI-TIMESTAMP"]) + late_ms
    if taken:
        check_bybit(headers, signed, now_ms)
    else:
        with pytest.raises(BybitRefused, match=rf"server_timestamp\[{now_ms}\],recv_window\[5000\]") as caught:
            check_bybit(headers, signed, now_ms)
        assert 10002 == caught.value.code


@pytest.mark.parametrize(("off_ms", "taken"), [(-30_001, False), (-30_000, True), (30_000, True), (30_001, False)])
def test_okx_takes_what_is_at_most_thirty_seconds_off(off_ms: int, taken: bool) -> None:
    headers, signed = okx({"clOrdId": "c"}, "GET")
    now_ms = OKX.parse8601(headers["OK-ACCESS-TIMESTAMP"]) + off_ms
    if taken:
        check_okx(headers, signed, now_ms)
    else:
        with pytest.raises(OkxRefused) as caught:
            check_okx(headers, signed, now_ms)
        assert ("50102", 401) == (caught.value.code, caught.value.status)


def test_a_stamp_without_a_zone_is_no_stamp() -> None:
    headers, signed = okx({"clOrdId": "c"}, "GET")
    with pytest.raises(OkxRefused) as caught:
        check_okx(headers | {"OK-ACCESS-TIMESTAMP": "2025-01-01T00:00:00"}, signed)
    assert "50112" == caught.value.code
