"""Whether a request to OKX v5 bears the account's key, passphrase and signature, and was sent just now: used by
`okx_account`.

Signed is timestamp + METHOD + path with query + body, as HMAC-SHA256 in base64; a timestamp is good for 30 seconds.
Sources: okx.com/docs-v5, "REST Authentication" and "API Class" of its error codes.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from backtest.sandbox.okx_rules import RefusedError

VALID_MS = 30_000
_HEADERS = (
    ("50103", "OK-ACCESS-KEY"),
    ("50104", "OK-ACCESS-PASSPHRASE"),
    ("50106", "OK-ACCESS-SIGN"),
    ("50107", "OK-ACCESS-TIMESTAMP"),
)


def check_signature(
    headers: Mapping[str, str], signed: bytes, *, key: str, secret: str, passphrase: str, wall_ms: int
) -> None:
    """`signed` is the method, the raw path with its query, and the raw body in one; `wall_ms` the time on the wall, ms
    since 1970. Raises RefusedError 50102..50113, each with status 401."""
    for code, name in _HEADERS:
        if not headers.get(name):
            raise _refused(code, f'Request header "{name}" cannot be empty.')
    if not _same(headers["OK-ACCESS-KEY"], key):
        raise _refused("50111", "Invalid OK-ACCESS-KEY.")
    stamp = headers["OK-ACCESS-TIMESTAMP"]
    if abs(_stamp_ms(stamp) - wall_ms) > VALID_MS:
        raise _refused("50102", "Timestamp request expired.")
    if not _same(headers["OK-ACCESS-PASSPHRASE"], passphrase):
        raise _refused("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
    digest = hmac.new(secret.encode(), stamp.encode() + signed, hashlib.sha256).digest()
    if not _same(headers["OK-ACCESS-SIGN"], base64.b64encode(digest).decode()):
        raise _refused("50113", "Invalid signature.")


def _stamp_ms(stamp: str) -> int:
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise _refused("50112", "Invalid OK-ACCESS-TIMESTAMP.")
    return round(when.timestamp() * 1000)


def _same(told: str, expected: str) -> bool:
    return hmac.compare_digest(told.encode(), expected.encode())


def _refused(code: str, message: str) -> RefusedError:
    return RefusedError(code, message, 401)
