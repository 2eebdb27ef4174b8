"""Who may come in: checked before any request is looked at further. Used by `application`.

- Without a token only names of this machine are served, so that no other site can reach it under a name of its own, and
  nothing that a proxy passes on.
- With a token, everything but the login and the page's own files wants it, as bearer or as cookie.
- What changes something must be JSON from the same origin, by the name that was asked for or by the public one: a form
  or a script of another site can send neither.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.token import Token
from bot.web_settings import LOOPBACK

COOKIE = "funding_bot"
MOST_BYTES = 32_000_000
OPEN = ("/login", "/api/login", "/static/")
PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""What a proxy adds."""
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Doors:
    """ASGI middleware; `public` is the origin that a proxy with TLS serves, if one does."""

    def __init__(self, app: ASGIApp, token: Token | None, public: str | None = None) -> None:
        self._app = app
        self._token = token
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refused(scope["method"], scope["path"], Headers(scope=scope))
        await (refused or self._app)(scope, receive, guarded_send)

    def _refused(self, method: str, path: str, headers: Headers) -> Response | None:
        """Why not; None where nothing speaks against it."""
        if self._token is None and _host(headers) not in LOOPBACK:
            return _problem(403, "no such host here: open the page as http://127.0.0.1 or http://localhost")
        if self._token is None and any(name in headers for name in PASSED_ON):
            return _problem(403, "a proxy passed this on, and no token is set: set BOT_WEB_TOKEN and web.public_url")
        if self._token is not None and not path.startswith(OPEN) and not self._knows(self._token, headers):
            if method == "GET" and path == "/":
                return RedirectResponse("/login", status_code=303)
            return _problem(401, "the token is missing or wrong: send it as `Authorization: Bearer`", bearer=True)
        return None if method in SAFE else _not_ours(headers, self._public)

    def _knows(self, token: Token, headers: Headers) -> bool:
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.is_(value.strip()):
            return True
        cookie = SimpleCookie()
        try:
            cookie.load(headers.get("cookie", ""))
        except CookieError:
            return False
        return COOKIE in cookie and token.is_cookie(cookie[COOKIE].value)


def _not_ours(headers: Headers, public: str | None) -> Response | None:
    """Why something that changes things is not taken."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _problem(415, "send JSON: `Content-Type: application/json`")
    origin = headers.get("origin")
    foreign = origin is not None and origin != public and origin.partition("://")[2] != headers.get("host", "")
    if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return _problem(403, "another site's page sent this: open the bot's own, or name its proxy in web.public_url")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BYTES or "transfer-encoding" in headers:
        return _problem(413, f"too much at once: send at most {MOST_BYTES // 1_000_000} MB, with a Content-Length")
    return None


def _host(headers: Headers) -> str:
    """The name by which it was asked for, without the port."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _problem(status: int, text: str, *, bearer: bool = False) -> Response:
    return JSONResponse({"detail": text}, status, {"www-authenticate": "Bearer"} if bearer else None)
