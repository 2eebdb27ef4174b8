"""`bot init`: asks a few questions, writes a commented configuration, says what to do next."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import typer

from bot.cli.answers import (
    CAPITAL,
    DEFAULT_VENUES,
    KINDS,
    Answers,
    checked_capital,
    checked_kind,
    checked_venues,
    configuration_text,
    next_commands,
    rehearsal_keys,
    secret_names,
)
from data.durable import write_whole
from data.errors import ConfigurationError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Given:
    """What the command line answers already; None where it does not."""

    kind: str | None
    venues: str | None
    capital: float | None
    chats: str | None
    var: Path | None


def write_configuration(path: Path, given: Given, *, yes: bool, overwrite: bool) -> None:
    """Ask what is not given (with `yes`: take the default), write, and tell the next command. Raises
    ConfigurationError for answers that cannot be, and before a file would be overwritten without a word."""
    try:
        _may_write(path, yes=yes, overwrite=overwrite)
        answers = _answers(given, ask=not yes)
    except typer.Abort:
        typer.echo(err=True)
        raise ConfigurationError("not every question was answered: nothing was written; --yes takes defaults") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, configuration_text(answers).encode())
    _tell(answers, path)


def _answers(given: Given, *, ask: bool) -> Answers:
    if ask and given.kind is None:
        for name, text in KINDS.items():
            typer.echo(f"  {name:10}{text}", err=True)
    kind = _answer("How to trade", "sandbox", checked_kind, given.kind, ask=ask)
    venues = _answer(
        "Venues, by commas",
        ",".join(DEFAULT_VENUES),
        lambda told: checked_venues(kind, _list(told)),
        given.venues,
        ask=ask,
    )
    capital = _answer(
        "Capital in all, quote currency", f"{CAPITAL[kind]:g}", _capital,
        None if given.capital is None else str(given.capital), ask=ask,
    )  # fmt: skip
    var = _answer(
        "Folder for everything it writes", "var", Path, None if given.var is None else str(given.var), ask=ask
    )
    chats = _answer("Telegram chats that may command it, by commas; none: empty", "", _chats, given.chats, ask=ask)
    return Answers(kind, venues, capital, var, chats)


def _answer(question: str, default: str, read: Callable[[str], Answer], given: str | None, *, ask: bool) -> Answer:
    """What is given, or the default, or what is typed; asked again until `read` takes it."""
    if given is not None or not ask:
        return read(default if given is None else given)
    while True:
        try:
            return read(str(typer.prompt(question, default=default, err=True)))
        except ConfigurationError as error:
            typer.echo(str(error), err=True)


def _capital(told: str) -> float:
    try:
        return checked_capital(float(told))
    except ValueError:
        raise ConfigurationError(f"'{told}' is no amount: write it like 2500") from None


def _chats(told: str) -> tuple[int, ...]:
    try:
        return tuple(int(chat) for chat in _list(told))
    except ValueError:
        raise ConfigurationError(f"'{told}' are no chats: write their numbers like 123456789,-100987654") from None


def _list(told: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in told.split(",") if entry.strip())


def _may_write(path: Path, *, yes: bool, overwrite: bool) -> None:
    if not path.exists() or overwrite:
        return
    if yes:
        raise ConfigurationError(f"{path} is there already: add --overwrite, or choose another --output")
    if not typer.confirm(f"{path} is there already; overwrite it?", err=True):
        raise ConfigurationError(f"{path} was left as it is: choose another --output")


def _tell(answers: Answers, path: Path) -> None:
    typer.echo(f"wrote {path}")
    for owner, names in secret_names(answers).items():
        typer.echo(f"{owner} needs {', '.join(names)}: in the environment, or by `bot secrets set NAME`")
    if answers.kind == "rehearsal":
        keys = " ".join(f"{name}={value}" for name, value in rehearsal_keys(answers).items())
        typer.echo(f"the sandbox's accounts have these, which are no secrets:\n  export {keys}")
    typer.echo("next:")
    for command in next_commands(answers, Path(shlex.quote(str(path)))):
        typer.echo(f"  {command}")
    if not sys.stdout.isatty():
        return
    typer.echo("what went wrong, if it does: docs/troubleshooting.md")
