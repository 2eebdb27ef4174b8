import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from backtest.sandbox.settings import SandboxSettings
from backtest.settings import EnvironmentSettings
from bot.cli.options import Options
from bot.configuration import load_settings
from bot.settings import RiskSettings, Settings, paper_settings
from bot.settings_yaml import to_brief_yaml, to_yaml
from data.errors import ConfigurationError
from data.settings import DataSettings, Frozen, SyntheticSettings, VenueSettings

CHANGED = Settings(
    profile="paper",
    var=Path("/somewhere/else"),
    seed=3,
    data=DataSettings(
        venues={"hyperliquid": VenueSettings(taker_fee_bps=1.25), "binance": VenueSettings(base_url="http://[::1]:9")},
        assets=("BTC", "1000PEPE", "NO", "1E3"),
        timeout_s=0.1,
    ),
    environment=EnvironmentSettings(initial_capital=999.5, quality_entry_penalty=-1e-7, full_range=True),
    risk=RiskSettings(max_drawdown_pct=100.0),
)
SANDBOXED = Settings(
    sandbox=SandboxSettings(
        synthetic=SyntheticSettings(seed=11, start=datetime(2024, 2, 29, 5, tzinfo=UTC), episode=False),
        begin=datetime(2024, 4, 1, tzinfo=UTC),
        replay=Path("recordings: all #1"),
        outages=({"venue": "binance", "begin": "2024-03-01T00:00:00Z", "end": "2024-03-02T00:00:00Z"},),
        speed=60.0,
        faults=(
            {"kind": "status", "status": 503, "request": "fapi/v1/[a-k]*, {x}", "body": '{"code": -1, "msg": "a: b"}'},
            {"kind": "down", "begin": "2024-03-01T00:00:00Z", "probability": 0.25},
        ),
    )
)


def written(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text)
    return path


def problem(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert 2 == caught.value.exit_code
    return str(caught.value)


def test_without_a_file_everything_is_as_the_models_say() -> None:
    assert Settings(var=Path("var").absolute()) == Options().settings()


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert Settings() == load_settings(written(tmp_path, "# nothing set\n"))


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    told = load_settings(written(tmp_path, "environment:\n  max_positions: 4\n"))

    assert Settings(environment=EnvironmentSettings(max_positions=4)) == told


def test_a_plain_name_is_a_configuration_that_is_shipped() -> None:
    assert paper_settings() == load_settings(Path("paper"))


@pytest.mark.parametrize(
    "told", [Settings(), paper_settings(), CHANGED, SANDBOXED], ids=["sandbox", "paper", "changed", "sandboxed"]
)
def test_what_is_written_is_read_back_the_same(tmp_path: Path, told: Settings) -> None:
    assert told == load_settings(written(tmp_path, to_yaml(told, "a title", "schema.json")))


@pytest.mark.parametrize(
    "told", [Settings(), paper_settings(), CHANGED, SANDBOXED], ids=["sandbox", "paper", "changed", "sandboxed"]
)
def test_what_is_written_with_defaults_as_comments_is_the_same_and_so_without_the_hashes(
    tmp_path: Path, told: Settings
) -> None:
    brief = to_brief_yaml(told, "a title", "schema.json", {"data.venues"})
    whole = re.sub(r"(?m)^( *)#(?! )", r"\1", brief)

    assert told == load_settings(written(tmp_path, brief))
    assert told == load_settings(written(tmp_path, whole))
    assert len(brief) > len(whole)


NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=8)


@effort(max_examples=30)
@given(
    assets=st.lists(NAMES, max_size=5),
    seed=st.integers(0, 2**40),
    fee=st.none() | st.floats(0, 100),
    horizon=st.integers(1, 168),
    bonus=st.floats(allow_nan=False),
)
def test_any_values_are_read_back_the_same(
    assets: list[str], seed: int, fee: float | None, horizon: int, bonus: float
) -> None:
    venues = {name: VenueSettings(taker_fee_bps=fee) for name in ("binance", "hyperliquid")}
    told = Settings(
        seed=seed,
        data=DataSettings(assets=tuple(assets), venues=venues),
        environment=EnvironmentSettings(horizon_hours=horizon, quality_entry_bonus=bonus),
    )

    assert told == Settings.model_validate(yaml.safe_load(to_yaml(told, "any", "schema.json")))


def test_a_long_path_with_spaces_is_read_back_the_same(tmp_path: Path) -> None:
    told = Settings(var=Path("a folder whose name is long " * 5))

    assert told == load_settings(written(tmp_path, to_yaml(told, "long", "schema.json")))


def documented(lines: list[str], model: type[Frozen]) -> set[str]:
    """The fields of a model, all of which must stand in the YAML right after their description."""
    missing = set()
    for name, field in model.model_fields.items():
        pairs = [(above.strip(), line.strip()) for above, line in zip(lines, lines[1:], strict=False)]
        if not any(above == f"# {field.description}" and line.startswith(f"{name}:") for above, line in pairs):
            missing.add(name)
    return missing


def test_every_key_is_explained_in_the_line_above_it() -> None:
    lines = to_yaml(Settings(), "a title", "schema.json").splitlines()
    models = (
        Settings, DataSettings, VenueSettings, EnvironmentSettings, RiskSettings, SandboxSettings, SyntheticSettings,
    )  # fmt: skip

    assert "# a title" == lines[0]
    assert {model: set() for model in models} == {model: documented(lines, model) for model in models}


def test_the_sandbox_is_left_out_where_it_is_not_used() -> None:
    assert "sandbox" in yaml.safe_load(to_yaml(Settings(), "", ""))
    assert "sandbox" not in yaml.safe_load(to_yaml(paper_settings(), "", ""))


@pytest.mark.parametrize("content", [b"a: [1", b"a: b: c", b"\ta: 1", b"a: \x00", b"\xff\xfe\x00"])
def test_what_is_not_yaml_is_said_in_one_line_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    said = problem(path)

    assert said.startswith(str(path)) and "\n" not in said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert (
        f"{tmp_path / 'none.yaml'} cannot be read: No such file or directory; `bot init` writes a new one"
        == problem(tmp_path / "none.yaml")
    )


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} cannot be read: Is a directory; `bot init` writes a new one" == problem(tmp_path)


def test_the_file_that_is_named_is_the_one_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("seed: 1")
    (tmp_path / "conf.yaml").write_text("seed: 2")

    assert 1 == load_settings(tmp_path / "conf").seed


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"environment": {"initial_capital": 15_001.0}}, "risk.max_leg_notional"),
        (
            {"environment": {"initial_capital": 15_000.0}, "risk": {"max_gross_notional": 29_999.0}},
            "max_gross_notional",
        ),
        ({"risk": {"max_asset_notional": 6_666.0}}, "risk.max_asset_notional: 6,666 would"),
        ({"risk": {"max_venue_notional": 9_999.0}}, "risk.max_venue_notional: 9,999 would"),
        ({"risk": {"max_price_collar_pct": 2.9}}, "risk.max_price_collar_pct: 2.9 % would"),
    ],
)
def test_limits_that_would_deny_every_entry_are_refused_at_once(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    assert named in problem(written(tmp_path, yaml.safe_dump(changes)))


def test_limits_that_just_fit_are_taken(tmp_path: Path) -> None:
    assert (
        15_000.0
        == load_settings(written(tmp_path, "environment:\n  initial_capital: 15000")).environment.initial_capital
    )


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 5  # type: ignore[misc]


def test_isolated_margin_that_would_be_short_at_once_is_refused(tmp_path: Path) -> None:
    venue = "data: {venues: {binance: {margin_mode: isolated, leverage: %s}, hyperliquid: {}}}"
    assert "lower leverage to 5" in problem(written(tmp_path, venue % 10))
    assert load_settings(written(tmp_path, venue % 5)).data.venues["binance"].leverage == 5


def test_a_fee_tier_that_the_venue_does_not_have_is_refused(tmp_path: Path) -> None:
    text = "data: {venues: {binance: {fee_tier: 42}, hyperliquid: {}}}"
    assert "one of 0..9" in problem(written(tmp_path, text))
