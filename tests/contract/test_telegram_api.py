"""What Telegram answers, over real HTTP, and what of it may be seen: never the token."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from bot.doctor.finding import Verdict
from bot.doctor.messenger import messenger
from bot.settings import Settings
from bot.telegram.api import BotApi, Message, Refused, SlowDown, TelegramError, Unavailable, bot_api
from bot.telegram.token import VARIABLE, Token, read_token
from data.errors import ConfigurationError
from tests.fakes.bot_api import TOKEN, BotApiServer, Fault, bot_api_server

ANN = 11


@pytest.fixture
def server() -> Iterator[BotApiServer]:
    with bot_api_server(ann=ANN) as one:
        yield one


def asked(url: str, *calls: Callable[[BotApi], Coroutine[Any, Any, Any]], token: str = TOKEN) -> list[Any]:
    """What each call gave, or the failure that it raised."""

    async def ask() -> list[Any]:
        results: list[Any] = []
        async with bot_api(url, Token(token)) as api:
            for call in calls:
                try:
                    results.append(await call(api))
                except TelegramError as error:
                    results.append(error)
        return results

    return asyncio.run(ask())


def hello(api: BotApi) -> Coroutine[Any, Any, None]:
    return api.send(Message(ANN, "hello"))


def test_every_failure_is_one_of_three(server: BotApiServer) -> None:
    faults = [Fault("429", value=7), Fault("status", value=502), Fault("json"), Fault("outage")]
    faults += [Fault("status", value=400), Fault("status", value=403), Fault("status", value=401)]
    server.fail(*faults)
    found = asked(server.url, *[hello] * len(faults))
    assert [SlowDown, *[Unavailable] * 3, *[Refused] * 3] == [type(error) for error in found]
    assert 7 == found[0].wait_s
    assert [] == server.told(ANN)


def test_answers_of_another_shape_are_failures(server: BotApiServer) -> None:
    server.fail(Fault("no result"), Fault("odd"), Fault("no result"), Fault("odd"))
    calls = [lambda api: api.updates(None, 0.0)] * 2 + [hello] * 2
    assert [Unavailable] * 4 == [type(one) for one in asked(server.url, *calls)]


def test_an_update_that_makes_no_sense_hides_no_other(server: BotApiServer) -> None:
    server.say(ANN, "/status")
    server.say_something_odd()
    server.say(ANN, "/help")
    ((last, heard),) = asked(server.url, lambda api: api.updates(None, 0.0))
    assert (1003, ["/status", "/help"]) == (last, [said.text for said in heard])


def test_no_log_no_error_and_no_repr_holds_the_token(server: BotApiServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail(*(Fault(kind) for kind in ("outage", "json", "429")), Fault("status", value=401))
    found = asked(server.url, *[hello] * 5, lambda api: api.updates(None, 0.0), lambda api: api.name())
    nobody = "http://127.0.0.1:9"
    found += asked(nobody, hello, lambda api: asyncio.sleep(0, repr(vars(api)) + repr(api._bot)))
    errors = [one for one in found if isinstance(one, Exception)]
    assert 5 == len(errors)
    traces = "".join("".join(traceback.format_exception(error)) for error in errors)
    assert "/bothidden/sendMessage" in caplog.text, "httpx logs every address: that is what this test is about"
    assert TOKEN not in caplog.text + traces + repr(found) + repr(Token(TOKEN))


def test_a_token_that_is_not_the_bots_is_refused(server: BotApiServer) -> None:
    (error,) = asked(server.url, lambda api: api.name(), token="1:" + "x" * 30)
    assert Refused is type(error)


@pytest.mark.parametrize("value", ["", "  ", "no token", "12:short"])
def test_a_token_that_is_none_is_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match=VARIABLE) as refused:
        read_token({VARIABLE: value})
    assert not value.strip() or value not in str(refused.value)


def test_the_environments_proxy_is_used_but_not_for_this_machine(
    server: BotApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ["funding_bot"] == asked("http://telegram.invalid", lambda api: api.name())
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ["funding_bot"] == asked(server.url, lambda api: api.name())


def test_the_doctor_asks_for_the_token_and_every_chat(server: BotApiServer) -> None:
    told = {"enabled": True, "chats": [ANN, 66], "api_url": server.url}
    settings = Settings.model_validate({"telegram": told})

    def found(environment: dict[str, str]) -> dict[str, Verdict]:
        return {one.check: one.verdict for one in asyncio.run(messenger(settings, environment))}

    ok, warning = Verdict.OK, Verdict.WARNING
    assert {"telegram": ok, f"telegram chat {ANN}": ok, "telegram chat 66": warning} == found({VARIABLE: TOKEN})
    assert {"telegram": warning} == found({VARIABLE: "1:" + "x" * 30})
    assert {"telegram": warning} == found({})
    assert [] == asyncio.run(messenger(Settings(), {}))
