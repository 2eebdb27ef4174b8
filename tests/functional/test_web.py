"""`bot web` as people use it: over a paper run's ledger, in a browser, at a desk and on a phone, and the kill."""

import asyncio
import http.client
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_core_python
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from bot.configuration import load_settings
from bot.latch import LATCH, LatchFile, LatchState
from bot.run_folder import lake_place
from data.lake import Lake
from data.types import HOUR_MS
from tests.fakes.rehearsal import LONG, SHORT, rehearsed
from tests.functional.browser import Page, browsing, chromium
from tests.functional.commands import bot, eventually, newest_tick, said, small_config, soak, started
from tests.functional.test_bot_kill import HOLD

FROM, HOURS = "2025-01-17T12:00", 8
"""The rule enters a pair after four hours."""
AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
SERIOUS = """axe.run(document, {resultTypes: ['violations']}).then(told => told.violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.html).join(' ')}`))"""

OVERLAID = """[...document.querySelectorAll('.plot')].flatMap(plot => {
    const end = Math.max(...[...plot.querySelectorAll('line')].map(line => line.getBoundingClientRect().right));
    const labels = [...plot.lastElementChild.querySelectorAll('text')];
    return labels.filter(label => label.getBoundingClientRect().left < end + 3).map(label => label.textContent);
})"""
"""Labels of the vertical axis that lie on what is drawn."""


@dataclass(frozen=True)
class Desk:
    """A folder that a paper run has left, and the page over it."""

    var: Path
    config: Path
    url: str

    @property
    def rows(self) -> list[tuple[int, str]]:
        """(tick, action) of every hour that was decided."""
        with closing(sqlite3.connect(self.var / "ledger.sqlite")) as ledger:
            return ledger.execute("SELECT tick, action FROM ticks WHERE action IS NOT NULL ORDER BY tick").fetchall()


@contextmanager
def web(config: Path, var: Path) -> Iterator[str]:
    """Where `bot web` serves."""
    process = started("web", "--config", config, "--var", var, "--port", 0)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("the web page is at http://127.0.0.1:"), line + process.communicate(timeout=60)[1]
        yield line.split()[5].removesuffix(";")
    finally:
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=60)
    assert (0, "") == (process.returncode, words)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("web")
    config, var = small_config(folder), folder / "var"
    said(bot("run", "--paper", "--config", config, "--from", FROM, "--hours", HOURS, "--var", var, "--json"))
    with web(config, var) as url:
        eventually(lambda: asked(f"{url}/api/policy").status_code == 200, 60)
        yield Desk(var, config, url)


def asked(url: str) -> httpx.Response:
    """The machine may be busy, and the first question waits for what is loaded."""
    return httpx.get(url, timeout=120)


def snapshot(desk: Desk, tick: int) -> dict[str, Any]:
    """The market of the run up to a tick, as its lake has it."""
    told = load_settings(desk.config).model_copy(update={"var": desk.var})
    lake, first = Lake(lake_place(told)), tick - (told.data.history_hours + 1) * HOUR_MS
    instruments = lake.instruments(told.data.venues)
    bars, settled = lake.bars(instruments, first, tick), lake.settlements(instruments, first, tick)
    markets = [
        {
            "venue": one.venue, "symbol": one.symbol,
            "bars": list(zip(*(column.tolist() for column in vars(bars[one.key]).values()), strict=True)),
            "settlements": list(zip(*(column.tolist() for column in vars(settled[one.key]).values()), strict=True)),
        }
        for one in instruments
    ]  # fmt: skip
    return {"tick_ms": tick, "markets": markets, "account": "empty"}


def test_a_prediction_is_what_the_trader_decided_on_the_same_market(desk: Desk) -> None:
    """Up to the first entry the account is empty; its observation by itself gives the same answer."""
    decided = []
    for tick, action in desk.rows:
        told = httpx.post(f"{desk.url}/predict", json={"snapshot": snapshot(desk, tick)}, timeout=60).json()
        assert action == str(told["action"]), told
        again = {"observation": told["observation"], "schema_hash": told["schema_hash"]}
        alone = httpx.post(f"{desk.url}/predict", json=again, timeout=60).json()
        assert (told["action"], told["probabilities"]) == (alone["action"], alone["probabilities"])
        decided.append(told["meaning"])
        if told["action"]:
            break
    assert "enter opportunity 1: INJ, long binance, short hyperliquid" == decided[-1]
    assert {"hold"} == set(decided[:-1])


def test_every_route_keeps_to_its_description_whatever_is_sent(desk: Desk) -> None:
    schema = schemathesis.openapi.from_url(f"{desk.url}/api/openapi.json")
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    paths = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        changes = operation.method.upper() == "POST"
        for mode in GenerationMode if changes else (GenerationMode.POSITIVE,):
            if (operation.path, mode) == ("/api/kill", GenerationMode.POSITIVE):
                continue  # it would do it

            @given(operation.as_strategy(mode))
            @settings(max_examples=8 if changes else 1, deadline=None, suppress_health_check=list(HealthCheck))
            def keeps(case: schemathesis.Case) -> None:
                case.call_and_validate(checks=checks)

            keeps()
            paths.add(operation.path)
    assert {"/predict", "/metrics", "/api/state", "/api/kill", "/api/pause"} <= paths
    httpx.post(f"{desk.url}/api/resume", json={"confirm": "resume"}, timeout=60).raise_for_status()


def test_the_page_is_whole_on_a_desk_and_on_a_phone_in_light_and_in_dark(desk: Desk, tmp_path: Path) -> None:
    asyncio.run(_whole(desk, tmp_path / "profile"))


async def _whole(desk: Desk, profile: Path) -> None:
    async with browsing(profile) as page:
        for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
            await page.look(width, dark=dark)
            await page.go(f"{desk.url}/")
            seen = await page.photographed()
            assert seen.width <= width
            assert seen.smallest_text >= 12
            assert ("rgb(13, 17, 23)" if dark else "rgb(246, 247, 249)") == seen.background
            await page.value(AXE.read_text())
            assert [] == await page.value(SERIOUS)
            assert [] == await page.value(OVERLAID)
            await _opened_by_keyboard(page)
            assert [] == await page.value(SERIOUS), "with the dialog open"
        assert [] == page.seen.complaints
        assert [] == [url for url in page.seen.requests if not url.startswith(f"{desk.url}/")]


async def _opened_by_keyboard(page: Page) -> None:
    """The kill dialog: nothing can be killed until the word stands there."""
    for _ in range(10):
        await page.press("Tab")
        if await page.value("document.activeElement.id") == "kill":
            break
    await page.press("Enter")
    assert await page.value("document.activeElement.id") == "kill-word"
    for typed, disabled in (("kil", True), ("l", False)):
        await page.ask("Input.insertText", text=typed)
        assert disabled is await page.value("document.querySelector('#kill-dialog .danger').disabled")


def test_the_page_follows_a_bot_that_runs_and_kills_it(tmp_path: Path) -> None:
    chromium()
    config, var = small_config(tmp_path), tmp_path / "var"
    process = started("run", "--paper", "--config", config, "--from", FROM, "--hours", 3000, "--var", var)
    try:
        with web(config, var) as url:
            eventually(lambda: asked(f"{url}/api/account").status_code == 200, 120, process=process)
            asyncio.run(_followed_and_killed(url, tmp_path / "profile"))
        assert LatchState.KILLED is LatchFile(var / LATCH).read().state
        assert process.poll() is None, "on paper the trader goes on, without entries"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)


async def _followed_and_killed(url: str, profile: Path) -> None:
    async with browsing(profile) as page:
        await page.look(1280, dark=False)
        await page.go(f"{url}/")
        await page.value("window.opened = 'once'")
        hours = set()
        while len(hours) < 3 or not await page.value("document.querySelectorAll('#positions article').length"):
            hours.add(await page.eventually("document.querySelector('#last-hour').dataset.tick"))
            await asyncio.sleep(0.1)
        assert "trading" == await page.value("document.querySelector('#title .pill').textContent")
        await page.value("document.querySelector('#kill').focus()")
        await page.press("Enter")
        await page.ask("Input.insertText", text="kill")
        await page.press("Enter")
        await page.eventually("document.querySelector('#killed')?.textContent.includes('everything is flat')", 120)
        await page.eventually("document.querySelector('#title .pill').textContent === 'killed'")
        await page.eventually("document.querySelectorAll('#positions article').length === 0")
        assert "once" == await page.value("window.opened"), "it was never loaded anew"
        assert [] == page.seen.complaints
        assert [] == [one for one in page.seen.requests if not one.startswith(f"{url}/")]


def test_a_service_keeps_its_page_and_the_page_is_none_of_the_traders_business(tmp_path: Path) -> None:
    config, var = tmp_path / "service.yaml", tmp_path / "var"
    config.write_text(
        small_config(tmp_path).read_text() + "web: {enabled: true, port: 0}\nservice: {restart_s: 0.05}\n"
    )
    process = started("run", "--paper", "--supervised", "--config", config, "--var", var)
    try:
        first = eventually(lambda: addresses(var), 120, process=process)[0]
        assert asked(f"{first}/api/state").status_code == 200
        eventually(lambda: newest_tick(var), 120, process=process)
        os.kill(process_of("bot.web_process", process.pid), signal.SIGKILL)
        again = eventually(lambda: addresses(var)[1:], 120, process=process)[0]
        before = newest_tick(var)
        eventually(lambda: newest_tick(var) != before, 60, process=process)
        assert asked(f"{again}/api/health").json()["trader_running"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=120)
    assert 0 == process.returncode, words


def addresses(var: Path) -> list[str]:
    """Where the page of a service was served, in turn."""
    log = var / "logs" / "web.jsonl"
    lines = [json.loads(line)["text"] for line in log.read_text().splitlines()] if log.exists() else []
    return [text.split()[-1] for text in lines if text.startswith("the web page is at")]


def process_of(module: str, parent: int) -> int:
    """The child that runs it."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"nobody runs {module}")


def test_a_host_that_others_reach_is_refused_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOT_WEB_TOKEN", raising=False)
    told = bot("web", "--var", tmp_path, "--host", "0.0.0.0", "--port", 0)
    assert (2, True) == (told.returncode, "needs a token: set BOT_WEB_TOKEN" in told.stderr)


@soak
def test_a_kill_from_the_page_closes_what_lies_at_the_venues_though_the_trader_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rehearsed(tmp_path, monkeypatch, speed=1.0) as rehearsal, web(rehearsal.config, rehearsal.var) as url:
        trader = subprocess.Popen([sys.executable, "-c", HOLD, rehearsal.var], stdout=subprocess.PIPE, text=True)
        assert trader.stdout is not None
        assert "held\n" == trader.stdout.readline()
        trader.send_signal(signal.SIGSTOP)
        rehearsal.trade(LONG, 40)
        rehearsal.trade(SHORT, -40)
        assert 202 == httpx.post(f"{url}/api/kill", json={"confirm": "kill"}, timeout=60).status_code
        eventually(lambda: asked(f"{url}/api/kill").json()["state"] == "done", 120)
        told = asked(f"{url}/api/kill").json()
        assert (True, {}) == (told["complete"], rehearsal.held())
        assert "killed: everything is flat" == told["lines"][0]
        assert -signal.SIGKILL == trader.wait(5)
        trader.stdout.close()
        assert LatchState.KILLED is LatchFile(rehearsal.var / LATCH).read().state


@soak
def test_eight_clients_at_once_are_answered_within_50_ms(desk: Desk) -> None:
    """The 99th percentile, on a machine with nothing else to do."""
    policy = asked(f"{desk.url}/api/policy").json()
    question = {"observation": [0.1] * policy["size"], "schema_hash": policy["schema_hash"]}

    body, headers = json.dumps(question), {"Content-Type": "application/json"}

    def client(_: int) -> list[float]:
        """By the simplest of clients: all eight share this process."""
        took, connection = [], http.client.HTTPConnection(urlsplit(desk.url).netloc)
        with closing(connection):
            for _ in range(200):
                begun = time.perf_counter()
                connection.request("POST", "/predict", body, headers)
                with connection.getresponse() as answer:
                    assert (200, True) == (answer.status, b"action" in answer.read())
                took.append(time.perf_counter() - begun)
        return took

    with ThreadPoolExecutor(8) as pool:
        took = [one for each in pool.map(client, range(8)) for one in each]
    p99 = 1000 * statistics.quantiles(took, n=100)[-1]
    print(f"p50 {1000 * statistics.median(took):.1f} ms, p99 {p99:.1f} ms")
    assert p99 < 50
