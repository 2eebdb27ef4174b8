"""What `bot init` writes loads, equals what was answered, and names secrets without holding one."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from bot.cli.answers import KINDS, Answers, Kind, configuration_text, configured, next_commands, secret_names
from bot.configuration import load_settings
from bot.settings import Settings
from bot.yaml_text import read_yaml
from data.credentials import VARIABLES
from data.errors import ConfigurationError
from data.venues import VENUES

ANSWERS = st.builds(
    Answers,
    kind=st.sampled_from(get_args(Kind)),
    venues=st.permutations(sorted(VARIABLES)).flatmap(lambda all_: st.integers(2, 4).map(lambda n: tuple(all_[:n]))),
    capital=st.floats(0.01, 1e9),
    var=st.sampled_from(["var", "/somewhere/else", "with space", "#1: odd"]).map(Path),
)


@effort(max_examples=25)
@given(ANSWERS)
def test_what_is_written_loads_and_is_what_was_answered(
    tmp_path_factory: pytest.TempPathFactory, told: Answers
) -> None:
    path = tmp_path_factory.mktemp("init") / "bot.yaml"
    path.write_text(configuration_text(told))
    loaded = load_settings(path)
    assert configured(told) == loaded
    assert (told.venues, told.capital, told.var) == (
        tuple(loaded.data.venues), loaded.environment.initial_capital, loaded.var,
    )  # fmt: skip
    assert (told.kind == "rehearsal", told.kind in ("live", "rehearsal")) == (
        loaded.rehearsal, loaded.profile == "live",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_of_each_kind_are_near_to_what_is_shipped(kind: Kind) -> None:
    told = configured(Answers(kind, ("binance", "hyperliquid"), 10_000.0, Path("var")))
    assert Settings().risk == told.risk
    assert {"sandbox": "sandbox", "paper": "paper", "rehearsal": "live", "live": "live"}[kind] == told.profile


def test_only_what_was_answered_stands_as_keys() -> None:
    content = read_yaml(configuration_text(Answers("sandbox", ("binance", "okx"), 500.0, Path("v"))).encode()).content
    assert ("sandbox", "v", {"initial_capital": 500.0}) == (content["profile"], content["var"], content["environment"])
    assert {"binance": None, "okx": None} == dict.fromkeys(content["data"]["venues"])
    assert content["guard"] is None


def test_secrets_are_named_by_venue_and_stand_nowhere() -> None:
    told = Answers("live", ("okx", "hyperliquid"), 1000.0, Path("var"))
    text = configuration_text(told)
    assert {"okx": tuple(VARIABLES["okx"].values()), "hyperliquid": tuple(VARIABLES["hyperliquid"].values())} == (
        secret_names(told)
    )
    assert all(f"{venue}: {', '.join(names)}" in text for venue, names in secret_names(told).items())
    assert {} == secret_names(Answers("paper", ("okx", "gate"), 1000.0, Path("var")))


def test_chats_may_command_the_bot_and_its_token_is_named() -> None:
    told = Answers("paper", ("okx", "gate"), 1000.0, Path("var"), (1234, -100987))
    telegram = configured(told).model_dump()["telegram"]
    assert (True, (1234, -100987)) == (telegram["enabled"], telegram["chats"])
    assert {"telegram": ("TELEGRAM_BOT_TOKEN",)} == secret_names(told)


def test_live_is_begun_by_the_doctor() -> None:
    told = Answers("rehearsal", ("okx", "hyperliquid"), 1000.0, Path("var"))
    assert ["bot sandbox --config x --speed 60 &", "bot doctor --config x", "bot run --live --config x"] == (
        next_commands(told, Path("x"))
    )


@pytest.mark.parametrize(
    ("kind", "venues", "capital", "says"),
    [
        ("real", ("binance", "okx"), 1.0, "'real' is no way to trade: choose from sandbox"),
        ("live", ("binance", "kraken"), 1.0, "kraken takes no orders yet: choose from binance, bybit"),
        ("sandbox", ("binance", "gate"), 1.0, "gate is not simulated yet"),
        ("paper", ("binance", "binanse"), 1.0, "unknown venue 'binanse'"),
        ("paper", ("binance", "binance_spot"), 1.0, "binance_spot is a spot venue"),
        ("paper", ("binance",), 1.0, "two different venues"),
        ("paper", ("binance", "binance"), 1.0, "two different venues"),
        ("paper", ("binance", "okx"), 0.0, "above zero"),
        ("paper", ("binance", "okx"), float("nan"), "above zero"),
    ],
)
def test_answers_that_cannot_be_are_refused(kind: Kind, venues: tuple[str, ...], capital: float, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Answers(kind, venues, capital, Path("var"))


def test_every_venue_with_an_account_can_be_chosen() -> None:
    assert set(VARIABLES) <= set(VENUES)
