"""The whole configuration: one frozen model composed of every floor's settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from backtest.sandbox.settings import SandboxSettings
from backtest.settings import EnvironmentSettings
from bot.execution_settings import ExecutionSettings
from bot.guard_settings import GuardSettings
from bot.ledger_settings import LedgerSettings
from bot.risk_settings import RiskSettings
from bot.service_settings import ServiceSettings
from bot.telegram_settings import TelegramSettings
from bot.web_settings import WebSettings
from data.errors import ConfigurationError
from data.fees import fees
from data.settings import DataSettings, Frozen
from pbt_online.settings import LearningSettings

DISAGREEMENT = "disagreement"
"""The kind of pydantic's error where values do not fit together; its context has (key, what is wrong) of each."""


class Settings(Frozen):
    """Everything a user can set."""

    model_config = ConfigDict(hide_input_in_errors=True)  # what is wrong may be a password

    profile: Literal["sandbox", "paper", "live"] = Field(
        "sandbox",
        description="sandbox: simulated venues on this machine; paper: real venues, public data, no orders; live: real "
        "orders, or, with sandbox.url, a rehearsal.",
    )
    var: Path = Field(Path("var"), description="Where everything written at run time goes.")
    ledger: LedgerSettings = Field(default_factory=LedgerSettings, description="Where the ledger is kept.")
    seed: int = Field(0, ge=0, description="Seed of the bot's own random numbers.")
    data: DataSettings = Field(
        default_factory=DataSettings, description="Venues, assets and history; docs/venue.md, docs/lake.md."
    )
    environment: EnvironmentSettings = Field(
        default_factory=EnvironmentSettings,
        description="Capital, slots, stop-loss, reward; docs/observation.md, docs/reward.md.",
    )
    risk: RiskSettings = Field(default_factory=RiskSettings, description="Limits on orders; docs/risk.md.")
    guard: GuardSettings = Field(
        default_factory=GuardSettings,
        description="What is watched at the venues between the hours, where orders are real; docs/safety.md.",
    )
    execution: ExecutionSettings = Field(
        default_factory=ExecutionSettings, description="How live orders are carried out; docs/live.md."
    )
    learning: LearningSettings = Field(
        default_factory=LearningSettings,
        description="The population, what it is judged by, when it trains; docs/pbt.md, docs/gate.md.",
    )
    telegram: TelegramSettings = Field(default_factory=TelegramSettings, description="Commands and alerts by Telegram.")
    web: WebSettings = Field(
        default_factory=WebSettings, description="A page in the browser, its API and its metrics; docs/web.md."
    )
    service: ServiceSettings = Field(
        default_factory=ServiceSettings,
        description="How a bot is kept running that nobody sits before; docs/service.md.",
    )
    sandbox: SandboxSettings = Field(
        default_factory=SandboxSettings, description="The simulated world of the sandbox profile; docs/sandbox.md."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problems := [*_no_tiers(self), *_not_for_live(self), *_limits_in_the_way(self)]:
            told = "; ".join(f"{key}: {text}" for key, text in problems)
            raise PydanticCustomError(DISAGREEMENT, "{told}", {"told": told, "problems": problems})
        return self

    @property
    def rehearsal(self) -> bool:
        """Whether live trading is rehearsed against a sandbox that is served."""
        return self.profile == "live" and self.sandbox.url is not None


Problems = Iterator[tuple[str, str]]
"""(key, what is wrong and what to do) of settings that do not fit together."""


def _no_tiers(settings: Settings) -> Problems:
    for name, venue in settings.data.venues.items():
        try:
            fees(name, venue)
        except ConfigurationError as error:
            yield f"data.venues.{name}", str(error)


def _not_for_live(settings: Settings) -> Problems:
    if settings.profile != "live":
        return
    environment = settings.environment
    if environment.rebalance_below > 0:
        yield "environment.rebalance_below", "no money is moved between real venues: set it to 0"
    for name, venue in settings.data.venues.items():
        if venue.margin_mode == "isolated":
            yield f"data.venues.{name}.margin_mode", "live trading uses cross margin: set it to cross"


def _limits_in_the_way(settings: Settings) -> Problems:
    environment, risk = settings.environment, settings.risk
    capital = environment.initial_capital
    leg = capital / environment.max_positions
    needed = {
        "max_leg_notional": (leg, "a leg"),
        "max_asset_notional": (2 * leg, "the two legs on an asset"),
        "max_venue_notional": (capital, "the legs on a venue"),
        "max_gross_notional": (2 * capital, "all legs"),
    }
    for name, (least, what) in needed.items():
        if least > (limit := getattr(risk, name)):
            text = f"{limit:,.0f} would deny every entry, as {what} may come to {least:,.0f}: raise it, or lower "
            yield f"risk.{name}", text + "environment.initial_capital"
    if environment.price_collar_bps > 100 * risk.max_price_collar_pct:
        yield (
            "risk.max_price_collar_pct",
            f"{risk.max_price_collar_pct:g} % would deny every entry, as environment.price_collar_bps is "
            f"{environment.price_collar_bps:g}: raise it, or lower the collar",
        )


MAJORS = ("BTC", "ETH", "SOL", "XRP", "DOGE")
"""Assets that every venue lists."""


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
        data=DataSettings(assets=MAJORS),
        environment=EnvironmentSettings(initial_capital=1_000.0, rebalance_below=0.0),
        risk=RiskSettings(max_leg_notional=500.0, max_gross_notional=2_500.0),
    )
