"""The commands of the first hour, which need neither a market nor a network: they read arguments and hand over."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.arguments import Var, Venues

first_app = typer.Typer()


@first_app.command()
def init(
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("bot.yaml"),
    kind: Annotated[str | None, typer.Option("--kind", help="sandbox, paper, rehearsal or live.")] = None,
    venues: Venues = None,
    capital: Annotated[float | None, typer.Option("--capital", help="Capital in all, quote currency.")] = None,
    chats: Annotated[str | None, typer.Option("--chats", help="Telegram chats, by commas.")] = None,
    var: Var = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: defaults for what no option says.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
) -> None:
    """Ask a few questions and write a configuration, every key explained."""
    from bot.cli.init import Given, write_configuration

    given = Given(kind=kind, venues=venues, capital=capital, chats=chats, var=var)
    write_configuration(output, given, yes=yes, overwrite=overwrite)


@first_app.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from bot.settings_schema import schema_text

    typer.echo(schema_text(), nl=False)
