"""The `bot` command: reads arguments, hands over, prints, and ends with an exit code that means something.

Heavy imports happen inside the commands, after the configuration was read, so that help and mistakes answer at once.
The exit codes are in docs/exit_codes.md.
"""

import gc
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bot.cli.arguments import (
    NEXT,
    AsJson,
    Assets,
    Config,
    From,
    Hours,
    Replay,
    SandboxUrl,
    Seed,
    Timing,
    To,
    Var,
    Venues,
)
from bot.cli.db import db_app
from bot.cli.first import first_app
from bot.cli.groups import champion_app, data_app
from bot.cli.learning import learning_app
from bot.cli.manual import manual
from bot.cli.options import Options
from bot.cli.safety import safety_app
from bot.cli.secrets import secrets_app
from data.errors import ConfigurationError, ExitCode, FundingBotError

LOADED = 50_000
"""Objects more before Python looks for cycles among them: what a start loads has none to free, and to look for them all
the same, again and again, takes up to a tenth of a second."""

app = typer.Typer(
    help="Funding-rate arbitrage across venues. Start with: bot run --paper, or bot init",
    epilog=manual(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time that help takes is spent on loading what draws its frames
)
app.add_typer(first_app)
app.add_typer(learning_app)
app.add_typer(safety_app)
app.add_typer(data_app, name="data")
app.add_typer(champion_app, name="champion")
app.add_typer(db_app, name="db")
app.add_typer(secrets_app, name="secrets")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"funding-bot {version('funding-bot')}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Which this is.")
    ] = False,
) -> None:
    """Global options come before the command."""


@app.command()
def run(
    paper: Annotated[bool, typer.Option("--paper", help="Trade on paper.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Send orders, with --config; asks for a phrase first.")] = False,
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    last: To = None,
    hours: Hours = None,
    seed: Seed = None,
    sandbox_url: SandboxUrl = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of continuing an unfinished run.")] = False,
    supervised: Annotated[
        bool | None,
        typer.Option("--supervised/--no-supervised", help="Trade as a process that is watched and started again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Collect and trade, hour by hour, until the bound or Ctrl-C; a restart continues where it stopped."""
    if paper == live:
        raise ConfigurationError("say how to trade: --paper, or --live with --config FILE")
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, sandbox_url=sandbox_url,
        first=first, last=last, hours=hours,
    )  # fmt: skip
    settings, bounds = options.settings(), options.bounds()
    from bot.cli.live import confirm
    from bot.supervisor.service import serve, wants_supervision

    confirm(settings, live=live)
    if wants_supervision(settings, bounds.hours, supervised):
        raise typer.Exit(serve(settings, asdict(bounds), fresh=fresh))
    from bot.cli.run import trade

    trade(settings, bounds, fresh=fresh, as_json=as_json)


@app.command()
def collect(
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    hours: Hours = None,
    seed: Seed = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days of history; none: what decisions need.")
    ] = None,
    sandbox_url: SandboxUrl = None,
    as_json: AsJson = False,
) -> None:
    """Fill the lake with settled funding and candles: the history, then `--hours` more as they pass."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, sandbox_url=sandbox_url,
        first=first, hours=hours,
    )  # fmt: skip
    settings = options.settings()
    from bot.cli.collect import collect_history

    collect_history(settings, options.bounds(), days, as_json=as_json)


@app.command()
def backtest(
    policy: Annotated[
        str | None, typer.Option("--policy", help="rule (default), flat, random, champion, ensemble, or a version.")
    ] = None,
    config: Config = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    last: To = None,
    hours: Hours = None,
    seed: Seed = None,
    fills: Annotated[Timing, typer.Option("--fills", help="When decisions fill; only next_open can be had.")] = NEXT,
    late_listings: Annotated[bool, typer.Option("--late-listings", help="Trade also what is listed later on.")] = False,
    trades: Annotated[bool, typer.Option("--trades", help="List every trade.")] = False,
    yardsticks: Annotated[bool, typer.Option("--yardsticks", help="Compare rule, flat, random, hindsight.")] = False,
    walk_forward: Annotated[
        bool, typer.Option("--walk-forward", help="Live through the window: learn on schedule, trade what passed.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Walk too: no gate, a vote, one PPO, no exploit; other costs.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Walk anew what was walked before.")] = False,
    var: Var = None,
    as_json: AsJson = False,
) -> None:
    """Play a policy over the same market that `run` would meet, without servers."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first, last=last,
        hours=hours,
    )  # fmt: skip
    if (compare or fresh) and not walk_forward:
        raise ConfigurationError("--compare and --fresh belong to a walk forward: add --walk-forward")
    if walk_forward and (policy is not None or fills != NEXT or late_listings or trades or yardsticks):
        raise ConfigurationError(
            "a walk forward trades what passes the gate, and its report has the trades and yardsticks: leave out "
            "--policy, --fills, --late-listings, --trades and --yardsticks"
        )
    if not walk_forward:
        gc.disable()  # it takes half a second, of which 15 ms would go on looking for cycles
    settings = options.settings()
    if walk_forward:
        from bot.cli.walk_forward import walk

        walk(settings, options.bounds(), fresh=fresh, arms=compare, as_json=as_json)
        return
    from bot.cli.backtest import play, show_yardsticks

    if yardsticks:
        show_yardsticks(settings, options.bounds(), late_listings=late_listings, as_json=as_json)
    else:
        play(
            settings, options.bounds(), policy or "rule", fills=fills, late_listings=late_listings,
            list_trades=trades, as_json=as_json,
        )  # fmt: skip


@app.command()
def status(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Equity, P&L, positions and champion of the newest run."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.inspect import show_status

    show_status(settings, as_json=as_json)


@app.command()
def positions(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Open positions with both legs."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.inspect import show_positions

    show_positions(settings, as_json=as_json)


@app.command()
def trades(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Closed positions of the newest run."""
    settings = Options(config=config, var=var).settings()
    from bot.cli.inspect import show_trades

    show_trades(settings, as_json=as_json)


@app.command()
def sandbox(
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    seed: Seed = None,
    speed: Annotated[float, typer.Option("--speed", min=0, help="Market seconds per second; 0: by request.")] = 60.0,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; none: of sandbox.url, or 8900; 0: any free."),
    ] = None,
) -> None:
    """Serve the simulated venues on loopback until Ctrl-C, for any ccxt client."""
    options = Options(config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first)
    settings = options.settings()
    from bot.cli.sandbox import serve

    serve(settings, options.bounds(), speed=speed, port=port)


@app.command()
def evaluate(
    version: Annotated[
        str | None, typer.Argument(help="A version's name, champion, ensemble, rule, flat, random.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Compare every version of the registry.")] = False,
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    last: To = None,
    hours: Hours = None,
    seed: Seed = None,
    output: Annotated[Path | None, typer.Option("--output", help="CSV of all trades; none: below var/reports.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge saved versions on the market that `backtest` plays: key figures, best trades, all trades as CSV."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first, last=last,
        hours=hours,
    )  # fmt: skip
    if every == (version is not None) or (every and output is not None):
        raise ConfigurationError("name one version, with --output FILE if you like, or give --all alone")
    settings = options.settings()
    from bot.cli.evaluate import compare_versions, evaluate_version

    if version is None:
        compare_versions(settings, options.bounds(), as_json=as_json)
    else:
        evaluate_version(settings, options.bounds(), version, output, as_json=as_json)


def main() -> None:
    """Entry point: expected failures become a line each on stderr, and their exit code."""
    debug = "--debug" in sys.argv[1:]
    gc.set_threshold(LOADED)
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--debug"], prog_name="bot")
    except FundingBotError as error:
        if debug:
            raise
        _fail(str(error), error.exit_code)
    except OSError as error:
        if debug:
            raise
        _fail(f"{error}: make room or mend the permissions, and start again", ExitCode.STATE)
    finally:
        gc.freeze()  # else the interpreter looks through everything for cycles, several times, on its way out


def _fail(message: str, code: ExitCode) -> NoReturn:
    for line in message.splitlines():
        typer.secho(f"bot: {line}", err=True, fg=typer.colors.RED)
    raise SystemExit(code.value) from None
