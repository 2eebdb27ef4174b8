"""The commands that hold the bot back, stop it and examine it: they read arguments and hand over."""

from typing import Annotated, Literal

import typer

from bot.cli.arguments import AsJson, Config, Var
from bot.cli.options import Options

safety_app = typer.Typer()


@safety_app.command()
def pause(
    reason: Annotated[str, typer.Option("--reason", help="Shown by `bot status`.")] = "paused by hand",
    config: Config = None,
    var: Var = None,
    as_json: AsJson = False,
) -> None:
    """No entries from now on; positions are held, and closed as ever. `bot resume` lifts it."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.latch import pause_entries

    pause_entries(settings, reason, as_json=as_json)


@safety_app.command()
def resume(
    config: Config = None,
    var: Var = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also what the kill switch left.")] = False,
    as_json: AsJson = False,
) -> None:
    """Allow entries again after a pause or a kill."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.latch import resume_entries

    resume_entries(settings, yes=yes, as_json=as_json)


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
    settings = Options(config=config, var=var).settings()
    from bot.cli.kill import kill_bot

    kill_bot(settings, reason, deadline_s=deadline, grace_s=grace, as_json=as_json)


@safety_app.command()
def telegram(config: Config = None, var: Var = None) -> None:
    """Answer commands and tell news by Telegram, apart from the trader, until Ctrl-C; needs TELEGRAM_BOT_TOKEN."""
    from bot.cli.telegram import serve_telegram

    serve_telegram(Options(config=config, var=var).settings())


@safety_app.command()
def web(
    config: Config = None,
    var: Var = None,
    host: Annotated[str | None, typer.Option("--host", help="Where it listens; others need BOT_WEB_TOKEN.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port; 0: any free one.")] = None,
) -> None:
    """Show the bot in a browser, with a JSON API, predictions and metrics, apart from the trader, until Ctrl-C."""
    settings = Options(config=config, var=var).settings()
    told = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    from bot.cli.web import serve_web

    serve_web(settings.model_copy(update={"web": settings.web.model_copy(update=told)}))


@safety_app.command()
def doctor(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Look at everything that must hold before trading; live trading begins only within an hour of a clean result."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.doctor import examine_all

    examine_all(settings, config, as_json=as_json)


@safety_app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    level: Annotated[Literal["info", "warning", "error"], typer.Option("--level", help="The mildest shown.")] = "info",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of what there is, the newest.")] = 50,
    config: Config = None,
    var: Var = None,
) -> None:
    """What trader, collector and supervisor wrote, in the order in which it happened."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.logs import show_logs

    show_logs(settings, level=level, lines=lines, follow=follow)
