"""The `bot` command: reads arguments, hands over, prints, and ends with an exit code that means something.

Heavy imports happen inside the commands, so that help and mistakes answer at once.

    exit codes   0 done   1 a defect of the bot   2 configuration or arguments   3 a venue cannot be used
                 4 market data   5 what is on disk does not fit (another bot, another world)   6 training
                 130 Ctrl-C in what does not go on by itself (`collect`)
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

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
from bot.cli.groups import champion_app, data_app
from bot.cli.options import Options
from bot.cli.safety import safety_app
from data.errors import ConfigurationError, FundingBotError, StateError

app = typer.Typer(
    help="Funding-rate arbitrage across venues. Start with: bot run --paper",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(champion_app, name="champion")
app.add_typer(safety_app)


@app.callback()
def root(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
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
    from bot.cli.live import confirm
    from bot.supervisor.service import serve, wants_supervision

    settings, bounds = options.settings(), options.bounds()
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
    from bot.cli.collect import collect_history

    collect_history(options.settings(), options.bounds(), days, as_json=as_json)


@app.command()
def backtest(
    policy: Annotated[
        str, typer.Option("--policy", help="rule, flat, random, champion, ensemble, or a version.")
    ] = "rule",
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
    if walk_forward:
        from bot.cli.walk_forward import walk

        walk(options.settings(), options.bounds(), fresh=fresh, arms=compare, as_json=as_json)
        return
    from bot.cli.backtest import play, show_yardsticks

    if yardsticks:
        show_yardsticks(options.settings(), options.bounds(), late_listings=late_listings, as_json=as_json)
    else:
        play(
            options.settings(), options.bounds(), policy, fills=fills, late_listings=late_listings,
            list_trades=trades, as_json=as_json,
        )  # fmt: skip


@app.command()
def train(
    population: Annotated[int | None, typer.Option("--population", min=1, help="Members.")] = None,
    timesteps: Annotated[int | None, typer.Option("--timesteps", min=1, help="Steps of each member per cycle.")] = None,
    interval: Annotated[
        int | None, typer.Option("--perturbation-interval", min=1, help="Steps of each member per round.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output-dir", help="Where the population lives.")] = None,
    cycles: Annotated[int, typer.Option("--cycles", min=1, help="Cycles, the last one with the newest data.")] = 1,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes.")] = None,
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    last: To = None,
    seed: Seed = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin with a new population.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train the population through cycles, each ended by the gate's verdict; goes on with one that was broken off."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first, last=last
    )
    from bot.cli.train import changed, train

    settings = changed(
        options.settings(), size=population, timesteps=timesteps, perturbation_interval=interval, workers=workers
    )
    train(settings, options.bounds(), output, cycles=cycles, fresh=fresh, as_json=as_json)


@app.command()
def lineage(
    output: Annotated[Path | None, typer.Option("--output-dir", help="Where the population lives.")] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Draw it to this .svg or .png file.")] = None,
    member: Annotated[
        int | None, typer.Option("--retrace", min=0, help="Train this member again along its schedule, and compare.")
    ] = None,
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    last: To = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Where the members of a population come from: who copied whom, with which hyperparameters."""
    options = Options(config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, last=last)
    from bot.cli.lineage import retrace_member, show_lineage

    if member is None:
        show_lineage(options.settings(), output, picture, as_json=as_json)
    else:
        retrace_member(options.settings(), options.bounds(), output, member, as_json=as_json)


@app.command()
def status(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Equity, P&L, positions and champion of the newest run."""
    from bot.cli.inspect import show_status

    show_status(Options(config=config, var=var).settings(), as_json=as_json)


@app.command()
def positions(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Open positions with both legs."""
    from bot.cli.inspect import show_positions

    show_positions(Options(config=config, var=var).settings(), as_json=as_json)


@app.command()
def trades(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Closed positions of the newest run."""
    from bot.cli.inspect import show_trades

    show_trades(Options(config=config, var=var).settings(), as_json=as_json)


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
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")] = 8900,
) -> None:
    """Serve the simulated venues on loopback until Ctrl-C, for any ccxt client."""
    options = Options(config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first)
    from bot.cli.sandbox import serve

    serve(options.settings(), options.bounds(), speed=speed, port=port)


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
    from bot.cli.evaluate import compare_versions, evaluate_version

    if version is None:
        compare_versions(options.settings(), options.bounds(), as_json=as_json)
    else:
        evaluate_version(options.settings(), options.bounds(), version, output, as_json=as_json)


def main() -> None:
    """Entry point: expected failures become one line on stderr and their exit code."""
    debug = "--debug" in sys.argv[1:]
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--debug"])
    except FundingBotError as error:
        if debug:
            raise
        typer.secho(f"bot: {error}", err=True, fg=typer.colors.RED)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if debug:
            raise
        typer.secho(f"bot: {error}: make room or mend the permissions, and start again", err=True, fg=typer.colors.RED)
        raise SystemExit(StateError.exit_code) from None
