"""The commands that train a population and show where it comes from: they read arguments and hand over."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.arguments import AsJson, Assets, Config, From, Replay, Seed, To, Var, Venues
from bot.cli.options import Options

learning_app = typer.Typer()


@learning_app.command()
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
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Train next to nothing: say how long a cycle would take.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train the population through cycles, each ended by the gate's verdict; goes on with one that was broken off."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, first=first, last=last
    )
    settings = options.settings()
    from bot.cli.train import changed, train

    learning = changed(settings, size=population, timesteps=timesteps, perturbation_interval=interval, workers=workers)
    if estimate:
        from bot.cli.estimate import show_estimate

        show_estimate(learning, options.bounds(), output, fresh=fresh, as_json=as_json)
        return
    train(learning, options.bounds(), output, cycles=cycles, fresh=fresh, as_json=as_json)


@learning_app.command()
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
    settings = options.settings()
    from bot.cli.lineage import retrace_member, show_lineage

    if member is None:
        show_lineage(settings, output, picture, as_json=as_json)
    else:
        retrace_member(settings, options.bounds(), output, member, as_json=as_json)
