"""Secrets come from the environment or the keyring, the environment first, and are never shown."""

from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.errors import KeyringLocked

from data.credentials import credentials
from data.errors import ConfigurationError
from data.secrets import SECRETS, Secrets, forget, has_keyring, keep, origin
from tests.fakes.keyring_file import FileKeyring

NAME = "BINANCE_API_KEY"


class Locked(FileKeyring):
    """One that nobody has unlocked."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the collection is locked")


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A keyring of this test's own, and an environment without secrets."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield
    keyring.set_keyring(before)


def test_what_is_kept_is_found() -> None:
    keep(NAME, " k \n")
    assert ("k", "keyring", [NAME]) == (Secrets()[NAME], origin(NAME), list(Secrets()))


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(NAME, "kept")
    monkeypatch.setenv(NAME, "told")
    assert ("told", "environment") == (Secrets()[NAME], origin(NAME))


def test_what_is_forgotten_is_gone() -> None:
    keep(NAME, "kept")
    forget(NAME)
    assert (None, 0) == (origin(NAME), len(Secrets()))
    with pytest.raises(ConfigurationError, match=f"the keyring holds no {NAME}"):
        forget(NAME)


def test_a_venue_signs_with_what_the_keyring_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(NAME, "key")
    monkeypatch.setenv("BINANCE_API_SECRET", "secret")
    assert {"apiKey": "key", "secret": "secret"} == credentials("binance", Secrets()).parts


@pytest.mark.parametrize("name", ["BINANCE_KEY", "PATH"])
def test_other_names_are_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no secret is named {name}: did you mean [A-Z_]+"):
        keep(name, "x")


def test_nothing_is_not_stored() -> None:
    with pytest.raises(ConfigurationError, match="nothing was stored"):
        keep(NAME, "\n")


def test_without_a_keyring_the_environment_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())
    monkeypatch.setenv(NAME, "told")
    assert (False, "told", None) == (has_keyring(), Secrets()[NAME], origin("BINANCE_API_SECRET"))
    with pytest.raises(ConfigurationError, match="there is no keyring here"):
        keep(NAME, "x")


def test_a_keyring_that_keeps_nothing_is_told() -> None:
    keyring.set_keyring(keyring.backends.null.Keyring())
    with pytest.raises(ConfigurationError, match=f"the keyring did not keep {NAME}"):
        keep(NAME, "x")


def test_a_locked_keyring_is_told_and_not_taken_for_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(Locked())
    with pytest.raises(ConfigurationError, match="the collection is locked.*unlock it"):
        origin(NAME)
    monkeypatch.setenv(NAME, "told")
    assert "told" == Secrets()[NAME]


def test_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "s3cr3t")
    assert "s3cr3t" not in repr(Secrets())
