"""Who may ask Binance's signed endpoints: key, time, and a signature over the bytes that were sent."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.binance_rules import RefusedError
from backtest.sandbox.binance_signature import verified

NOW_MS = 1_760_000_000_000
SETTINGS = AccountSettings()
KEY = SETTINGS.key


def signed(text: str, secret: str = SETTINGS.secret) -> str:
    return f"{text}&signature={hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def code(key: str | None = KEY, query: str = "", body: str = "", wall_ms: int = NOW_MS) -> int:
    """What is refused; 0 for what is not."""
    try:
        verified(key, query, body, SETTINGS, wall_ms)
    except RefusedError as refusal:
        return refusal.code
    return 0


@pytest.mark.parametrize("text", ["symbol=BTCUSDT&price=1.50", "a=%2C%20+b", "x=&y=%C3%A9", ""])
def test_a_signature_over_the_raw_bytes_is_believed_in_query_and_body(text: str) -> None:
    sent = signed(f"timestamp={NOW_MS}&{text}")

    assert (0, 0) == (code(query=sent), code(body=sent))


@given(st.text("abc=&%2C", max_size=20), st.integers(0, 40), st.sampled_from("abc019"))
def test_one_other_byte_is_not_believed(text: str, place: int, other: str) -> None:
    sent = signed(f"timestamp={NOW_MS}&a={text}")
    place %= sent.index("signature=")
    altered = sent[:place] + other + sent[place + 1 :]

    assert (altered == sent) == (code(query=altered) == 0)


def test_the_parameters_of_query_and_body_are_read_together() -> None:
    query, body = "symbol=BTCUSDT", f"side=BUY&timestamp={NOW_MS}"
    signature = signed(query + body).rpartition("=")[2]

    told = verified(KEY, query, f"{body}&signature={signature}", SETTINGS, NOW_MS)

    assert ("BTCUSDT", "BUY") == (told["symbol"], told["side"])


@pytest.mark.parametrize(
    ("key", "text", "refused"),
    [
        (None, f"timestamp={NOW_MS}", -2014),
        ("other", f"timestamp={NOW_MS}", -2015),
        (KEY, "symbol=BTCUSDT", -1102),
        (KEY, "timestamp=soon", -1102),
        (KEY, f"timestamp={NOW_MS - 5000}", 0),
        (KEY, f"timestamp={NOW_MS - 5001}", -1021),
        (KEY, f"timestamp={NOW_MS - 5001}&recvWindow=6000", 0),
        (KEY, f"timestamp={NOW_MS}&recvWindow=60001", -1131),
        (KEY, f"timestamp={NOW_MS + 1000}", 0),
        (KEY, f"timestamp={NOW_MS + 1001}", -1021),
    ],
)
def test_key_and_time_are_looked_at(key: str | None, text: str, refused: int) -> None:
    assert refused == code(key, signed(text))


def test_what_is_not_signed_is_refused() -> None:
    assert (-1102, -1022) == (code(query=f"timestamp={NOW_MS}"), code(query=f"timestamp={NOW_MS}&signature=ab"))
    assert -1022 == code(query=signed(f"timestamp={NOW_MS}", secret="another"))
