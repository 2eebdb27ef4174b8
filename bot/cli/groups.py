"""The commands below `bot data` and `bot champion`: they read arguments and hand over."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.arguments import AsJson, Assets, Config, From, Replay, SandboxUrl, Seed, Var, Venues
from bot.cli.options import Options

data_app = typer.Typer(help="What is wrong with the collected data, and what it lacks.", no_args_is_help=True)


@data_app.command("check")
def data_check(
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    seed: Seed = None,
    sandbox_url: SandboxUrl = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="Move what cannot be trusted to quarantine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look the collected data over: gaps, doubles, frozen prices, outliers, slips of unit; ends with 4 for bad rows."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, sandbox_url=sandbox_url
    )
    settings = options.settings()
    from bot.cli.lake import check_lake

    check_lake(settings, set_aside=set_aside, as_json=as_json)


@data_app.command("gaps")
def data_gaps(
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    venues: Venues = None,
    assets: Assets = None,
    first: From = None,
    seed: Seed = None,
    sandbox_url: SandboxUrl = None,
    fix: Annotated[bool, typer.Option("--fix", help="Ask the venues again for what is missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is missing within the collected series."""
    options = Options(
        config=config, var=var, replay=replay, venues=venues, assets=assets, seed=seed, sandbox_url=sandbox_url,
        first=first,
    )  # fmt: skip
    settings = options.settings()
    from bot.cli.lake import show_gaps

    show_gaps(settings, options.bounds(), fix=fix, as_json=as_json)


@data_app.command("import")
def data_import(
    folder: Annotated[Path, typer.Argument(help="Folder with funding.parquet and ohlcv_1h.parquet.")],
    config: Config = None,
    var: Var = None,
    venues: Venues = None,
    assets: Assets = None,
    as_json: AsJson = False,
) -> None:
    """Take recorded files into the collected data."""
    settings = Options(config=config, var=var, venues=venues, assets=assets).settings()
    from bot.cli.lake import import_files

    import_files(settings, folder, as_json=as_json)


@data_app.command("compact")
def data_compact(config: Config = None, var: Var = None, replay: Replay = None, seed: Seed = None) -> None:
    """Move everything into the files of its month, for pandas, polars and DuckDB."""
    settings = Options(config=config, var=var, replay=replay, seed=seed).settings()
    from bot.cli.lake import compact

    compact(settings)


champion_app = typer.Typer(help="Which versions there are, and which one trades.", no_args_is_help=True)


@champion_app.command("list")
def champion_list(
    config: Config = None, var: Var = None, replay: Replay = None, seed: Seed = None, as_json: AsJson = False
) -> None:
    """Every version of the registry."""
    settings = Options(config=config, var=var, replay=replay, seed=seed).settings()
    from bot.cli.champion import list_versions

    list_versions(settings, as_json=as_json)


@champion_app.command("show")
def champion_show(
    name: Annotated[str | None, typer.Argument(help="A version's name; none: the champion.")] = None,
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """A version's manifest, and every champion so far."""
    settings = Options(config=config, var=var, replay=replay, seed=seed).settings()
    from bot.cli.champion import show_version

    show_version(settings, name, as_json=as_json)


@champion_app.command("promote")
def champion_promote(
    name: Annotated[str, typer.Argument(help="A version's name.")],
    config: Config = None,
    var: Var = None,
    replay: Replay = None,
    seed: Seed = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also if the gate has not vouched for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a version trade; a running bot follows at its next hour."""
    settings = Options(config=config, var=var, replay=replay, seed=seed).settings()
    from bot.cli.champion import promote

    promote(settings, name, yes=yes, as_json=as_json)


@champion_app.command("rollback")
def champion_rollback(
    config: Config = None, var: Var = None, replay: Replay = None, seed: Seed = None, as_json: AsJson = False
) -> None:
    """Let the champion before this one trade again."""
    settings = Options(config=config, var=var, replay=replay, seed=seed).settings()
    from bot.cli.champion import roll_back

    roll_back(settings, as_json=as_json)
