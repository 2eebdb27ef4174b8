"""`bot secrets`: which secrets are set, and from where; stores them in the keyring. No value is ever shown."""

import json
import sys
from typing import Annotated

import typer

from bot.cli.arguments import AsJson
from data.errors import ConfigurationError

secrets_app = typer.Typer(help="Keys and tokens: which are set, and from where.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Its name, as the environment variable: BINANCE_API_KEY.")]


@secrets_app.command("set")
def secrets_set(name: Name) -> None:
    """Store a secret in the keyring: asked for without echo, or one line of standard input."""
    from data.secrets import keep, known

    known(name)
    try:
        value = typer.prompt(name, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    except typer.Abort:
        raise ConfigurationError(f"{name} was not given: nothing was stored") from None
    keep(name, str(value))
    typer.echo(f"{name} is in the keyring; where the environment has it too, that one is used")


@secrets_app.command("remove")
def secrets_remove(name: Name) -> None:
    """Remove a secret from the keyring."""
    from data.secrets import forget

    forget(name)
    typer.echo(f"{name} is no longer in the keyring")


@secrets_app.command("list")
def secrets_list(as_json: AsJson = False) -> None:
    """Every name, who wants it, and where it is set; never a value."""
    from data.secrets import SECRETS, has_keyring, origin

    rows = [{"name": name, "for": owner, "from": origin(name)} for name, owner in SECRETS.items()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']:28}{row['for']:14}{row['from'] or 'not set'}")
    if not has_keyring():
        typer.echo("there is no keyring here: the environment alone is looked at", err=True)
