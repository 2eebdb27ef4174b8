"""What the API tells of an account that has lived, and what it does to the latch."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.latch import HALT, LATCH, LatchFile, LatchState
from bot.opened_ledger import looked_at_ledger
from bot.settings import Settings
from bot.status import read_status
from tests.fakes.account_ledger import lived
from tests.fakes.web_served import web_served, web_settings
from tests.functional.commands import eventually


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = web_settings(tmp_path_factory.mktemp("api"))
    lived(settings)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    with web_served(settings) as client:
        yield client


def test_the_account_is_what_the_status_command_tells(client: httpx.Client, settings: Settings) -> None:
    with closing(looked_at_ledger(settings)) as ledger:
        told = read_status(ledger)
    account, (position,) = client.get("/api/account").json(), client.get("/api/positions").json()
    assert (told.equity, told.pnl, told.drawdown_pct) == (account["equity"], account["pnl"], account["drawdown_pct"])
    (held,) = told.positions
    assert (held.pnl, held.long.mark, held.short.venue) == (
        position["pnl"], position["long"]["mark"], position["short"]["venue"],
    )  # fmt: skip
    curve = client.get("/api/equity").json()
    assert 1 == len({len(column) for column in curve.values()})
    assert (told.equity, account["tick_ms"]) == (curve["equity"][-1], curve["tick_ms"][-1])


def test_the_population_is_told_with_its_lineage(client: httpx.Client) -> None:
    population = client.get("/api/learning").json()["population"]
    assert (1, 2, 4, 8) == (
        population["cycle"], population["round"], population["members"], len(population["rounds"]),
    )  # fmt: skip
    assert "NaN" == population["rounds"][-1]["failure"]


def test_the_page_shows_it_and_nothing_that_others_wrote_is_taken_for_html(client: httpx.Client) -> None:
    told = client.get("/")
    assert [True] * 4 == [
        words in told.text for words in ("1000PEPE", "sandbox &lt;at&gt; home &amp; away", "odd &lt;b&gt;episode", "#3")
    ]
    assert "<b>episode" not in told.text


def test_a_page_that_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    tag = eventually(lambda: client.get("/").headers["etag"])
    assert 304 == client.get("/", headers={"If-None-Match": tag}).status_code


def test_prometheus_reads_the_figures(client: httpx.Client) -> None:
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(told.text)}
    account = client.get("/api/account").json()
    assert (account["equity"], account["gross"], 1.0) == tuple(
        families[f"funding_bot_{name}"].samples[0].value for name in ("equity", "exposure", "positions")
    )
    latch = {one.labels["state"]: one.value for one in families["funding_bot_latch"].samples}
    assert {"none": 1.0, "paused": 0.0, "killed": 0.0, "unreadable": 0.0} == latch
    assert {"drawdown_ratio", "hours_since_last_tick", "troubles", "training_cycle", "gate_verdicts", "orders"} <= {
        name.removeprefix("funding_bot_") for name in families
    }


def test_a_pause_is_set_and_lifted(client: httpx.Client, settings: Settings) -> None:
    told = client.post("/api/pause", json={"reason": "lunch"})
    assert (200, "paused", "lunch (from the web page)") == (
        told.status_code, told.json()["state"], told.json()["reason"],
    )  # fmt: skip
    assert LatchState.PAUSED is LatchFile(settings.var / LATCH).read().state
    assert "lunch" in client.get("/").text
    assert "none" == client.post("/api/resume", json={}).json()["state"]


@pytest.mark.parametrize("name", [LATCH, HALT])
def test_more_than_a_pause_is_lifted_by_the_word_only(client: httpx.Client, settings: Settings, name: str) -> None:
    latch = LatchFile(settings.var / name)
    latch.kill("a test")
    refused = client.post("/api/resume", json={})
    assert (409, LatchState.KILLED) == (refused.status_code, latch.read().state)
    assert "type resume" in refused.json()["detail"]
    assert 200 == client.post("/api/resume", json={"confirm": "resume"}).status_code
    assert LatchState.NONE is latch.read().state


@pytest.mark.parametrize("body", [{}, {"confirm": ""}, {"confirm": "yes"}, {"confirm": "kill", "more": 1}, [], "kill"])
def test_nothing_is_killed_without_the_word(client: httpx.Client, settings: Settings, body: object) -> None:
    assert 422 == client.post("/api/kill", json=body).status_code
    assert "idle" == client.get("/api/kill").json()["state"]
    assert LatchState.NONE is LatchFile(settings.var / LATCH).read().state


def test_an_empty_folder_is_told_as_such_until_something_runs(tmp_path: Path) -> None:
    with web_served(web_settings(tmp_path / "var")) as client:
        assert "Nothing to show yet" in client.get("/").text
        for path in ("/api/account", "/api/policy"):
            told = client.get(path)
            assert (409, True) == (told.status_code, "start" in told.json()["detail"])
        assert (None, []) == ((state := client.get("/api/state").json())["account"], state["positions"])
        lived(web_settings(tmp_path / "var"))
        eventually(lambda: client.get("/api/account").status_code == 200, 30)


def test_a_ledger_that_cannot_be_read_is_told_and_hides_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    with web_served(web_settings(tmp_path)) as client:
        health = client.get("/api/health").json()
        assert [True] == ["restore it" in "".join(health["problems"])]
        assert 200 == client.get("/").status_code == client.get("/metrics").status_code
