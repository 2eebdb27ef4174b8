"""The commands for emergencies and before real money, `bot kill` and `bot doctor`: arguments only."""

from typing import Annotated

import typer

from bot.cli.arguments import AsJson, Config, Var
from bot.cli.options import Options

safety_app = typer.Typer()


@safety_app.command()
def kill(
    reason: Annotated[str, typer.Option("--reason", help="Kept with the latch.")] = "killed by hand",
    config: Config = None,
    var: Var = None,
    deadline: Annotated[float, typer.Option("--deadline", min=1, help="Seconds to become flat in.")] = 120.0,
    grace: Annotated[float, typer.Option("--grace", min=0, help="Seconds that the bot has to end by itself.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Stop trading and close everything, now; ends with 0 only once the venues themselves show nothing."""
    from bot.cli.kill import kill_bot

    kill_bot(Options(config=config, var=var).settings(), reason, deadline_s=deadline, grace_s=grace, as_json=as_json)


@safety_app.command()
def doctor(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Look at everything that must hold before trading; live trading begins only within an hour of a clean result."""
    from bot.cli.doctor import examine_all

    examine_all(Options(config=config, var=var).settings(), as_json=as_json)
