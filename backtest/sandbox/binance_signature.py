"""How Binance USD-M knows who asks: key, time and HMAC-SHA256 over the bytes that were sent. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, general info: endpoint security; error codes. Time is wall time,
as stock clients sign with theirs; the signature is looked at before the time, and the key before both.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.binance_rules import RefusedError, required

AHEAD_MS = 1000
"""A request may be stamped so much later than the venue's time."""
LONGEST_WINDOW_MS = 60_000


def verified(key: str | None, query: str, body: str, settings: AccountSettings, wall_ms: int) -> Mapping[str, str]:
    """The parameters of a signed request, of the raw query and body together. Raises RefusedError -2014, -2015, -1102,
    -1022, -1021 or -1131."""
    if not key:
        raise RefusedError(-2014, "API-key format invalid.")
    if key != settings.key:
        raise RefusedError(-2015, "Invalid API-key, IP, or permissions for action.")
    parameters = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(body, keep_blank_values=True))
    sent = required(parameters, "signature")
    stamp = required(parameters, "timestamp")
    signed = hmac.new(settings.secret.encode(), _signed(query, body).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signed, sent):
        raise RefusedError(-1022, "Signature for this request is not valid.")
    _check_time(stamp, parameters.get("recvWindow", str(settings.recv_window_ms)), wall_ms)
    return parameters


def _signed(query: str, body: str) -> str:
    """The bytes that are signed: query and body, one after the other, without the signature, which comes last."""
    return "".join(part.rpartition("signature=")[0].removesuffix("&") if "signature=" in part else part
                   for part in (query, body))  # fmt: skip


def _check_time(stamp: str, window: str, wall_ms: int) -> None:
    if not stamp.isdecimal():
        raise RefusedError(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
    if not window.isdecimal() or int(window) > LONGEST_WINDOW_MS:
        raise RefusedError(-1131, "recvWindow must be less than 60000")
    if int(stamp) > wall_ms + AHEAD_MS:
        raise RefusedError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if wall_ms - int(stamp) > int(window):
        raise RefusedError(-1021, "Timestamp for this request is outside of the recvWindow.")
