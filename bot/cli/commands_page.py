"""docs/reference/cli.md, made of the commands themselves. Used by `bot.cli.generated`."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import typer.main

from bot.cli.main import app

INTRODUCTION = """\
# The command line

Every command with its arguments and options, as `bot COMMAND --help` tells them; made from `bot/cli`. Global options
come before the command. How they end: [exit codes](../exit_codes.md). What for: [how to](../how_to.md).

"""
WORDS = {int: "INTEGER", float: "NUMBER", Path: "PATH", datetime: "TIME"}
"""What stands for a value, by its type; of any other: TEXT."""


def commands_page() -> str:
    """The page."""
    root: Any = typer.main.get_command(app)
    manual = root.epilog.replace("\b\n", "")
    sections = [
        _section("bot", root) + f"\n```text\n{manual}\n```\n",
        *(_section(name, told) for name, told in commands()),
    ]
    return INTRODUCTION + "\n".join(sections)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by what is typed (`bot data check`), in the order of `bot --help`."""
    for name, told in _below(typer.main.get_command(app)):
        inner = list(_below(told))
        yield from ((f"bot {name} {word}", below) for word, below in inner)
        if not inner:
            yield f"bot {name}", told


def _below(command: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(command, "commands", {}).items()


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    usage = " ".join([name, *(f"[{one.name.upper()}]" for one in arguments), "[OPTIONS]"])
    text = " ".join(command.help.split()) if command.help else ""
    rows = [(f"`{one.name.upper()}`", one.help) for one in arguments]
    rows += [(_shown(one), one.help) for one in options]
    table = "".join(f"| {what} | {_plain(help_)} |\n" for what, help_ in rows)
    return f"## {name}\n\n```text\n{usage}\n```\n\n{text}\n" + (f"\n| | |\n|---|---|\n{table}" if table else "")


def _shown(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} {WORDS.get(option.type_descriptor.annotation, 'TEXT')}"


def _plain(text: str | None) -> str:
    return (text or "").replace("|", "\\|")
