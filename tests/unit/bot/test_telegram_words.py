"""What people read: Telegram takes every text, whatever is in it, and a phone shows every table without breaking it."""

import html as markup
import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.alerts import Kind
from bot.answers.text import WIDTH, ago, table
from bot.execution.flatten import Flattened
from bot.killer import Killed
from bot.ledger.feed import News
from bot.settings import Settings, live_settings, paper_settings
from bot.telegram.commands import MEANINGS, Command, parsed
from bot.telegram.controls import helped
from bot.telegram.digest import FULL, digest
from bot.telegram.kill import outcome
from bot.telegram_settings import LoudnessSettings, TelegramSettings
from tests.fakes.bot_api import read_html

news = st.builds(News, st.integers(1, 10**6), st.just(0), st.sampled_from(list(Kind)), st.text(max_size=400))


@settings(max_examples=40)
@given(st.lists(news, min_size=1, max_size=60), st.lists(st.text(min_size=1, max_size=400), max_size=3))
def test_telegram_takes_every_digest_and_no_event_is_left_uncounted(events: list[News], facts: list[str]) -> None:
    text = read_html(digest(events, facts))
    assert 0 < len(text) <= 4096
    distinct = {(one.kind, one.text) for one in events}
    assert ("… and " in digest(events, facts)) >= (len(distinct) > FULL)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=8), st.text(max_size=8)), max_size=20))
def test_a_table_is_never_wider_than_a_phone(rows: list[tuple[str, str, str]]) -> None:
    flat = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    shown = read_html(table(flat) or "x")
    assert all(len(line) <= WIDTH for line in shown.split("\n"))


@pytest.mark.parametrize(("seconds", "expected"), [(60, "1 min ago"), (7200, "2 h ago"), (4 * 86_400, "4 days ago")])
def test_times_ago_are_told_in_their_unit(seconds: float, expected: str) -> None:
    assert expected == ago(seconds)


def killed(*, flat: bool, trouble: str = "") -> bytes:
    one = Flattened("binance", flat, {"A<b>": 3.0}, {"A<b>": -3.0}, {} if flat else {"A<b>": 1.0}, 0, trouble, 1.25)
    told = Killed("kill1", "killed", "the bot <x> was ended", (), (one,))
    return json.dumps(asdict(told) | {"complete": told.complete}).encode()


def test_the_outcome_of_a_kill_is_what_the_venues_show() -> None:
    good = read_html(outcome(killed(flat=True), b""))
    assert "🟢 killed: everything is flat\nthe bot <x> was ended\n🟢 binance: flat, 1.2 s\n    closed A<b> -3" in good
    bad = read_html(outcome(killed(flat=False, trouble="no <answer>"), b""))
    assert "🔴 not everything is flat" in bad
    assert "🔴 binance: NOT PROVEN flat, 1.2 s\n    closed A<b> -3\n    left A<b> +1\n    no <answer>" in bad


def test_on_paper_and_where_the_kill_switch_itself_fails_that_is_said() -> None:
    paper = {"complete": False, "latched": True, "positions": 2, "text": "2 are closed later", "troubles": []}
    said = read_html(outcome(json.dumps(paper).encode(), b""))
    assert said.startswith("🟡 killed; open on paper\n2 are closed later\n")
    refused = outcome(json.dumps(paper | {"latched": False, "troubles": ["no room"]}).encode(), b"")
    assert read_html(refused).startswith("🔴 not everything is flat and stopped: look at the venues, then /kill again")
    failed = read_html(outcome(b"", b"bot: keys <missing>\n"))
    assert "the kill switch failed: look at the venues, then /kill again\nbot: keys <missing>" in failed


def test_every_command_has_a_meaning_that_fits_the_menu() -> None:
    assert list(Command) == list(MEANINGS)
    assert all(len(text) <= 256 for text in MEANINGS.values())
    assert list(Command) == [told[0] for line in read_html(helped()).split("\n") if (told := parsed(line, "b"))]


def test_a_loudness_is_set_for_every_kind_of_event_and_off_is_not_false() -> None:
    assert {kind.value for kind in Kind} <= set(LoudnessSettings.model_fields)
    assert "off" == LoudnessSettings.model_validate({"entered": False}).entered


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"enabled": True}, "nobody is listed in telegram.chats"),
        ({"api_url": "http://api.telegram.org"}, "api_url must begin with https"),
        ({"api_url": "nonsense"}, "api_url must begin with https"),
        ({"loudness": {"entered": "shout"}}, "'loud', 'silent' or 'off'"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_line_that_says_why(told: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TelegramSettings.model_validate(told)


@pytest.mark.parametrize("told", [Settings(), paper_settings(), live_settings()])
def test_the_kill_switch_is_handed_the_very_same_settings(told: Settings) -> None:
    assert told == Settings.model_validate(json.loads(json.dumps(told.model_dump(mode="json"))))


def test_markup_is_read_as_telegram_reads_it() -> None:
    assert "a < b & c" == read_html(f"<b>{markup.escape('a < b')}</b> &amp; c")
    for wrong in ("a & b", "a < b", "<b>open", "<b><i>crossed</b></i>", "<table>"):
        with pytest.raises(ValueError, match="escaped|tag"):
            read_html(wrong)
