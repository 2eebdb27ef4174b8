"""Who may come in: the names of this machine, the token, and nothing that another site sends."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from bot.latch import LATCH, LatchFile, LatchState
from bot.settings import Settings
from bot.web.doors import COOKIE
from bot.web.token import Token, read_token
from bot.web_settings import WebSettings
from data.errors import ConfigurationError
from data.secrets import WEB_TOKEN
from tests.fakes.web_served import web_served, web_settings

TOKEN = "a-token-of-thirty-characters-12"
PAUSE = {"reason": "a test"}
PUBLIC = "https://bot.example.org"


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def client(var: Path) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(WEB_TOKEN, raising=False)
        with web_served(web_settings(var)) as client:
            yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(WEB_TOKEN, TOKEN)
        with web_served(web_settings(tmp_path_factory.mktemp("guarded"))) as client:
            yield client


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(var=tmp_path_factory.mktemp("public"), web=WebSettings(port=0, public_url=PUBLIC))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(WEB_TOKEN, TOKEN)
        with web_served(settings) as client:
            yield client


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example", "", "[", "[::1"])
def test_another_sites_name_for_this_machine_is_not_served(client: httpx.Client, host: str) -> None:
    assert 403 == client.get("/api/health", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "[::1]:99"])
def test_names_of_this_machine_are_served(client: httpx.Client, host: str) -> None:
    assert 200 == client.get("/api/health", headers={"Host": host}).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_what_another_site_could_send_changes_nothing(
    client: httpx.Client, var: Path, headers: dict[str, str], status: int
) -> None:
    for path, body in (("/api/pause", PAUSE), ("/api/kill", {"confirm": "kill"})):
        assert status == client.post(path, json=body, headers=headers).status_code
    assert LatchState.NONE is LatchFile(var / LATCH).read().state


def test_a_body_that_is_too_long_is_not_waited_for(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(str(client.base_url.host), client.base_url.port)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "999999999")
    connection.endheaders()
    assert 413 == connection.getresponse().status
    connection.close()


def test_a_body_of_unknown_length_is_not_read(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert 413 == client.post("/predict", content=iter([b"{", b"}"]), headers=headers).status_code


def test_a_page_asks_for_nothing_elsewhere_and_is_framed_by_nobody(client: httpx.Client) -> None:
    told = client.get("/")
    policy = told.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert [] == [what for what in ("<style", "style=", "onclick", "http://", "https://") if what in told.text]
    assert ("nosniff", "DENY") == (told.headers["x-content-type-options"], told.headers["x-frame-options"])


def test_without_the_token_nothing_is_told_but_how_to_come_in(guarded: httpx.Client) -> None:
    assert (303, "/login") == ((told := guarded.get("/")).status_code, told.headers["location"])
    for path in ("/api/state", "/metrics", "/api/openapi.json", "/nowhere", "/api/login/../state"):
        assert 401 == guarded.get(path).status_code, path
    assert 401 == guarded.post("/api/kill", json={"confirm": "kill"}).status_code
    for path in ("/login", "/static/page.css", "/static/login.js"):
        assert 200 == guarded.get(path).status_code


@pytest.mark.parametrize("wrong", ["x", TOKEN[:-1], TOKEN + "x", "\xe4"])
def test_a_wrong_token_opens_nothing(guarded: httpx.Client, wrong: str) -> None:
    bearer = {"Authorization": f"Bearer {wrong}".encode("latin-1")}
    assert 401 == guarded.get("/api/health", headers=bearer).status_code
    assert 401 == guarded.get("/api/health", headers={"Cookie": f"{COOKIE}={wrong}".encode("latin-1")}).status_code


def test_neither_is_the_cookie_a_token_nor_the_token_a_cookie(guarded: httpx.Client) -> None:
    bearer = {"Authorization": f"Bearer {Token(TOKEN).cookie}"}
    for headers in (bearer, {"Cookie": f"{COOKIE}={TOKEN}"}):
        assert 401 == guarded.get("/api/health", headers=headers).status_code


def test_the_token_opens_as_a_bearer_or_once_as_a_login(guarded: httpx.Client) -> None:
    assert 200 == guarded.get("/api/health", headers={"Authorization": f"Bearer {TOKEN}"}).status_code
    assert 401 == guarded.post("/api/login", json={"token": "wrong"}).status_code
    told = guarded.post("/api/login", json={"token": TOKEN})
    cookie = told.headers["set-cookie"]
    guarded.cookies.clear()
    assert (204, True, False) == (
        told.status_code,
        "HttpOnly" in cookie and "SameSite=strict" in cookie,
        TOKEN in cookie,
    )
    kept = {"Cookie": cookie.partition(";")[0]}
    assert 200 == guarded.get("/", headers=kept).status_code
    assert 403 == guarded.post("/api/pause", json=PAUSE, headers=kept | {"Origin": "http://evil"}).status_code


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"]
)
def test_without_a_token_nothing_is_served_through_a_proxy_and_with_one_everything(
    client: httpx.Client, guarded: httpx.Client, var: Path, header: str
) -> None:
    passed_on = {header: "203.0.113.7"}
    told = client.get("/api/state", headers=passed_on)
    assert (403, True) == (told.status_code, "set BOT_WEB_TOKEN" in told.text)
    for path, body in (("/api/pause", PAUSE), ("/api/kill", {"confirm": "kill"})):
        assert 403 == client.post(path, json=body, headers=passed_on).status_code
    assert LatchState.NONE is LatchFile(var / LATCH).read().state
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert 200 == guarded.get("/api/health", headers=passed_on | bearer).status_code


@pytest.mark.parametrize("host", ["bot.example.org", "127.0.0.1:8780", "bot.example.org:443"])
def test_behind_a_proxy_with_tls_a_browser_logs_in_and_sends_its_cookie_by_tls_alone(
    public: httpx.Client, host: str
) -> None:
    browser = {"Host": host, "Origin": PUBLIC, "Sec-Fetch-Site": "same-origin", "X-Forwarded-For": "203.0.113.7"}
    told = public.post("/api/login", json={"token": TOKEN}, headers=browser)
    cookie = told.headers["set-cookie"]
    public.cookies.clear()
    assert (204, True) == (told.status_code, "Secure" in cookie.split("; "))
    kept = browser | {"Cookie": cookie.partition(";")[0]}
    assert 200 == public.post("/api/pause", json=PAUSE, headers=kept).status_code
    for foreign in ("https://evil.example", "http://bot.example.org.evil", f"{PUBLIC}.evil", "null", f"{PUBLIC}:444"):
        assert 403 == public.post("/api/pause", json=PAUSE, headers=kept | {"Origin": foreign}).status_code
    assert 403 == public.post("/api/pause", json=PAUSE, headers=kept | {"Sec-Fetch-Site": "cross-site"}).status_code


def test_a_page_without_a_proxy_keeps_its_cookie_on_plain_http(guarded: httpx.Client) -> None:
    told = guarded.post("/api/login", json={"token": TOKEN})
    assert "Secure" not in told.headers["set-cookie"].split("; ")
    tls = {"Host": "bot.example.org", "Origin": PUBLIC}
    told = guarded.post("/api/login", json={"token": TOKEN}, headers=tls)
    assert "Secure" in told.headers["set-cookie"].split("; "), "a browser that came by TLS says so by its origin"
    guarded.cookies.clear()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("https://bot.example.org", "https://bot.example.org"),
        ("https://Bot.Example.org/", "https://bot.example.org"),
        ("https://bot.example.org:443", "https://bot.example.org"),
        ("https://bot.example.org:8443/", "https://bot.example.org:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_the_public_address_is_kept_as_browsers_name_it(told: str, expected: str) -> None:
    assert expected == WebSettings(public_url=told).public_url


@pytest.mark.parametrize(
    "told",
    ["", "bot.example.org", "http://bot.example.org", "https://", "https://a/bot", "https://u:p@a", "https://a:port",
     "https://a?x", "https://[::1"],
)  # fmt: skip
def test_what_is_no_public_address_is_refused(told: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        WebSettings(public_url=told)


def test_a_public_page_needs_a_token_wherever_it_listens() -> None:
    with pytest.raises(ConfigurationError, match=r"web\.public_url https://bot\.example\.org .* set BOT_WEB_TOKEN"):
        read_token(WebSettings(public_url=PUBLIC), {})


def test_elsewhere_than_on_this_machine_a_token_is_needed_and_a_long_one() -> None:
    for host in ("0.0.0.0", "192.168.0.7", "::"):
        with pytest.raises(ConfigurationError, match="set BOT_WEB_TOKEN"):
            read_token(WebSettings(host=host), {})
    with pytest.raises(ConfigurationError, match="too short"):
        read_token(WebSettings(), {WEB_TOKEN: "short"})
    assert read_token(WebSettings(), {}) is None
    told = read_token(WebSettings(host="0.0.0.0"), {WEB_TOKEN: TOKEN})
    assert told == Token(TOKEN)
    assert TOKEN not in repr(told)
