"""The whole configuration: one frozen model composed of every floor's settings, read from YAML."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from backtest.sandbox.settings import SandboxSettings
from backtest.settings import EnvironmentSettings
from bot.execution_settings import ExecutionSettings
from bot.guard_settings import GuardSettings
from bot.risk_settings import RiskSettings
from bot.service_settings import ServiceSettings
from data.errors import ConfigurationError
from data.fees import fees
from data.settings import DataSettings, Frozen
from pbt_online.settings import LearningSettings


class Settings(Frozen):
    """Everything a user can set."""

    profile: Literal["sandbox", "paper", "live"] = Field(
        "sandbox",
        description="sandbox: simulated venues on this machine; paper: real venues, public data, no orders; live: real "
        "orders, or, with sandbox.url, a rehearsal.",
    )
    var: Path = Field(Path("var"), description="Where everything written at run time goes.")
    seed: int = Field(0, ge=0, description="Seed of the bot's own random numbers.")
    data: DataSettings = Field(default_factory=DataSettings, description="Venues, assets and history.")
    environment: EnvironmentSettings = Field(
        default_factory=EnvironmentSettings, description="Capital, slots, stop-loss, reward."
    )
    risk: RiskSettings = Field(default_factory=RiskSettings, description="Limits on orders.")
    guard: GuardSettings = Field(
        default_factory=GuardSettings,
        description="What is watched at the venues between the hours, where orders are real.",
    )
    execution: ExecutionSettings = Field(
        default_factory=ExecutionSettings, description="How live orders are carried out."
    )
    learning: LearningSettings = Field(
        default_factory=LearningSettings, description="The population, what it is judged by, when it trains."
    )
    service: ServiceSettings = Field(
        default_factory=ServiceSettings, description="How a bot is kept running that nobody sits before."
    )
    sandbox: SandboxSettings = Field(
        default_factory=SandboxSettings, description="The simulated world of the sandbox profile."
    )

    @model_validator(mode="after")
    def _fee_tiers_exist(self) -> Self:
        for name, venue in self.data.venues.items():
            try:
                fees(name, venue)
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _live_accounts_are_plain(self) -> Self:
        if self.profile != "live":
            return self
        if self.environment.rebalance_below > 0:
            raise ValueError("no money is moved between real venues: set environment.rebalance_below to 0")
        if self.environment.execution != "taker":
            raise ValueError("live trading takes from the books: set environment.execution to taker")
        if isolated := [name for name, venue in self.data.venues.items() if venue.margin_mode == "isolated"]:
            raise ValueError(f"live trading uses cross margin: set margin_mode of {', '.join(isolated)} to cross")
        return self

    @property
    def rehearsal(self) -> bool:
        """Whether live trading is rehearsed against a sandbox that is served."""
        return self.profile == "live" and self.sandbox.url is not None

    @model_validator(mode="after")
    def _limits_fit_the_slots(self) -> Self:
        capital, risk = self.environment.initial_capital, self.risk
        leg = capital / self.environment.max_positions
        needed = {
            "max_leg_notional": (leg, risk.max_leg_notional),
            "max_asset_notional": (2 * leg, risk.max_asset_notional),
            "max_venue_notional": (capital, risk.max_venue_notional),
            "max_gross_notional": (2 * capital, risk.max_gross_notional),
        }
        short = [f"risk.{name} ({limit:,.0f})" for name, (least, limit) in needed.items() if least > limit]
        if short:
            raise ValueError(
                f"a leg of {leg:,.0f}, {capital:,.0f} on a venue and {2 * capital:,.0f} in all would be denied by "
                f"{' and '.join(short)}: raise those, or lower environment.initial_capital"
            )
        if self.environment.price_collar_bps > 100 * risk.max_price_collar_pct:
            raise ValueError(
                f"environment.price_collar_bps ({self.environment.price_collar_bps:g}) is wider than "
                f"risk.max_price_collar_pct ({risk.max_price_collar_pct:g} %), which would deny every entry: "
                "raise that, or lower the collar"
            )
        return self


def load_settings(path: Path | None) -> Settings:
    """Settings from a YAML file, or the defaults; raises ConfigurationError naming the file and every wrong key.

    A plain name (`paper`) stands for the configuration of that name that is shipped with the program.
    """
    if path is None:
        return Settings()
    shipped = files("config") / f"{path}.yaml"
    named = path.name == str(path) and shipped.is_file()
    try:
        content = yaml.safe_load((shipped if named else path).read_text()) or {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {str(error).replace(chr(10), ' ')}") from error
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{path}: {problems}") from error


def paper_settings() -> Settings:
    """What `config/paper.yaml` ships: the real venues, and assets that both list and that trade much."""
    assets = (
        "BTC",
        "ETH",
        "SOL",
        "XRP",
        "DOGE",
        "BNB",
        "ADA",
        "AVAX",
        "LTC",
        "DOT",
        "TRX",
        "1000PEPE",
        "SUI",
        "ENA",
        "INJ",
    )
    return Settings(
        profile="paper", data=DataSettings(assets=assets, candles=("last", "mark", "index"), snapshots=True)
    )


def live_settings() -> Settings:
    """What `config/live.example.yaml` ships: the venues with a measured edge, a few large assets, little money."""
    return Settings(
        profile="live",
        data=DataSettings(assets=("BTC", "ETH", "SOL", "XRP", "DOGE")),
        environment=EnvironmentSettings(initial_capital=1_000.0, rebalance_below=0.0),
        risk=RiskSettings(max_leg_notional=500.0, max_gross_notional=2_500.0),
    )


UNUSED: Mapping[str, tuple[str, ...]] = {"sandbox": (), "paper": ("sandbox", "execution"), "live": ("sandbox",)}
"""Parts of the configuration that a profile does not use."""


def to_yaml(settings: Settings, title: str) -> str:
    """Commented YAML of `settings`, every key with its description; without what the profile does not use."""
    unused = UNUSED[settings.profile]
    return f"# {title}\n" + "".join(f"{line}\n" for line in _lines(settings, 0, unused))


def _lines(model: Frozen, depth: int, without: tuple[str, ...] = ()) -> list[str]:
    indent, lines = "  " * depth, []
    for name, field in type(model).model_fields.items():
        if name in without:
            continue
        value = getattr(model, name)
        lines.append(f"{indent}# {field.description}")
        if isinstance(value, Frozen):
            lines += [f"{indent}{name}:", *_lines(value, depth + 1)]
        elif isinstance(value, Mapping):
            lines.append(f"{indent}{name}:")
            for key, entry in value.items():
                lines += _entry(key, entry, depth + 1)
        else:
            lines.append(f"{indent}{name}: {_scalar(model.model_dump(mode='json')[name])}".rstrip())
    return lines


def _entry(key: str, value: Frozen, depth: int) -> list[str]:
    """One entry of a mapping."""
    indent = "  " * depth
    if not value.on_one_line:
        return [f"{indent}{key}:", *_lines(value, depth + 1)]
    told = value.model_dump(mode="json", exclude_defaults=True)
    return [f"{indent}{key}: {{{', '.join(f'{name}: {_scalar(entry)}' for name, entry in told.items())}}}"]


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return str(yaml.safe_dump(value, width=float("inf"), default_flow_style=True, sort_keys=False)).strip()
    return "" if value is None else str(yaml.safe_dump(value, width=float("inf"))).split("\n")[0].strip()
