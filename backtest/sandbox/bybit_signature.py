"""Whether a request to Bybit v5 bears the account's key and signature, and was sent just now: used by `bybit_account`.

Signed is timestamp + key + receive window + (the query | the body), as HMAC-SHA256 in hexadecimal; a request may be one
second early and as late as its window says. Sources: bybit-exchange.github.io/docs/v5/guide#authentication and
docs/v5/error; the words of 10002 in bybit-exchange/pybit issue 191, of the early second in pixtron/bybit-api issue 6.
"""

import hashlib
import hmac
from collections.abc import Mapping

from backtest.sandbox.bybit_rules import RefusedError

EARLY_MS = 1000
RECEIVE_WINDOW_MS = 5000
"""Unless the request says otherwise."""


def check_signature(headers: Mapping[str, str], signed: bytes, *, key: str, secret: str, wall_ms: int) -> None:
    """`signed` is the raw query of a GET or the raw body of a POST, `wall_ms` the time on the wall, ms since 1970.
    Raises RefusedError 10001 for what is not signed at all, 10003, 10002 or 10004."""
    told_key, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
    window, signature = headers.get("X-BAPI-RECV-WINDOW") or str(RECEIVE_WINDOW_MS), headers.get("X-BAPI-SIGN", "")
    if not (told_key and stamp and signature):
        told = f"apiTimestamp[{stamp}] apiKey[{told_key}] apiSignature[{signature}]"
        raise RefusedError(f"empty value: {told}: openapi sign params error!")
    if not hmac.compare_digest(told_key.encode(), key.encode()):
        raise RefusedError("API key is invalid.", 10003)
    if not _in_time(stamp, window, wall_ms):
        raise RefusedError(
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{stamp}],server_timestamp[{wall_ms}],recv_window[{window}]",
            10002,
        )
    payload = f"{stamp}{key}{window}".encode() + signed
    if not hmac.compare_digest(
        signature.encode(), hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest().encode()
    ):
        raise RefusedError(f"error sign! origin_string[{payload.decode(errors='replace')}]", 10004)


def _in_time(stamp: str, window: str, wall_ms: int) -> bool:
    return stamp.isdecimal() and window.isdecimal() and wall_ms - int(window) <= int(stamp) < wall_ms + EARLY_MS
