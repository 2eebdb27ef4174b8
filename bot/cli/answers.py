"""What `bot init` wants to know, and the configuration, the secrets and the commands that follow from it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.settings import MAJORS, Settings, live_settings, paper_settings
from bot.settings_schema import schema_address
from bot.settings_yaml import to_brief_yaml
from data.credentials import VARIABLES
from data.errors import ConfigurationError
from data.secrets import TELEGRAM_TOKEN
from data.venues import venue_profile

Kind = Literal["sandbox", "paper", "rehearsal", "live"]
KINDS: Mapping[Kind, str] = {
    "sandbox": "simulated venues on this machine: no keys, no network",
    "paper": "real venues by their public data, orders on paper: no keys",
    "rehearsal": "live trading at the sandbox's accounts: real code, no money",
    "live": "real orders, real money",
}
REHEARSAL_URL = "http://127.0.0.1:8900"
"""Where `bot sandbox` serves by default."""
DEFAULT_VENUES = ("binance", "hyperliquid")
CAPITAL: Mapping[Kind, float] = {"sandbox": 10_000.0, "paper": 10_000.0, "rehearsal": 10_000.0, "live": 1_000.0}
BASES: Mapping[Kind, Callable[[], Settings]] = {
    "sandbox": Settings,
    "paper": paper_settings,
    "rehearsal": live_settings,
    "live": live_settings,
}
LIMITS = ("max_leg_notional", "max_asset_notional", "max_venue_notional", "max_gross_notional")
_PARTS = {
    "apiKey": "key", "secret": "secret", "password": "passphrase", "walletAddress": "wallet",
    "privateKey": "private_key",
}  # fmt: skip
"""ccxt's name of a credential -> the setting of the sandbox's accounts that it must equal."""


@dataclass(frozen=True)
class Answers:
    """What was answered. Made by `bot init`; raises ConfigurationError for what cannot be."""

    kind: Kind
    venues: tuple[str, ...]
    capital: float
    """Quote currency."""
    var: Path
    chats: tuple[int, ...] = ()
    """Telegram's numbers of the chats that may command the bot; none: no Telegram."""

    def __post_init__(self) -> None:
        checked_kind(self.kind)
        checked_venues(self.kind, self.venues)
        checked_capital(self.capital)


def checked_kind(told: str) -> Kind:
    """A way to trade by its name."""
    for kind in KINDS:
        if told == kind:
            return kind
    raise ConfigurationError(f"'{told}' is no way to trade: choose from {', '.join(KINDS)}")


def checked_venues(kind: Kind, venues: tuple[str, ...]) -> tuple[str, ...]:
    """Venues that this way to trade knows, two of them at least."""
    if len(set(venues)) < 2 or len(set(venues)) != len(venues):
        raise ConfigurationError("two different venues are needed at least, e.g. binance,hyperliquid")
    for venue in venues:
        if venue_profile(venue).spot:
            raise ConfigurationError(f"{venue} is a spot venue, and funding is paid on perpetual futures alone")
        if kind != "paper" and venue not in VARIABLES:
            what = "is not simulated" if kind == "sandbox" else "takes no orders"
            raise ConfigurationError(f"{venue} {what} yet: choose from {', '.join(sorted(VARIABLES))}")
    return venues


def checked_capital(amount: float) -> float:
    """An amount of money."""
    if not 0 < amount < math.inf:
        raise ConfigurationError("the capital must be an amount above zero")
    return amount


def configured(answers: Answers) -> Settings:
    """The settings that the answers ask for; limits on orders stand to the capital as the defaults do."""
    told: dict[str, Any] = BASES[answers.kind]().model_dump()
    told["var"] = answers.var
    told["data"]["venues"] = {venue: {} for venue in answers.venues}
    if set(answers.venues) != set(DEFAULT_VENUES) and answers.kind != "sandbox":
        told["data"]["assets"] = MAJORS
    told["environment"]["initial_capital"] = answers.capital
    default = Settings()
    for limit in LIMITS:
        share = getattr(default.risk, limit) / default.environment.initial_capital
        told["risk"][limit] = round(share * answers.capital, 2)
    if answers.kind == "rehearsal":
        told["sandbox"]["url"] = REHEARSAL_URL
        told["sandbox"]["accounts"]["balance"] = answers.capital / len(answers.venues)
    if answers.chats:
        told["telegram"] = {"enabled": True, "chats": answers.chats}
    return Settings.model_validate(told)


def configuration_text(answers: Answers) -> str:
    """The YAML of it: what was answered as keys, defaults as comments."""
    chosen = {"profile", "var", "data.venues", "data.assets", "environment.initial_capital"}
    chosen |= {f"risk.{limit}" for limit in LIMITS}
    lines = [
        f"{answers.kind}: {KINDS[answers.kind]}. Made by `bot init`.",
        "A line such as `#name: value` is a default: remove the # to change it. A section may stay empty.",
    ]
    if names := secret_names(answers):
        lines.append("Secrets never stand here, but in the environment or the keyring (`bot secrets set NAME`):")
        lines += [f"  {owner}: {', '.join(named)}" for owner, named in names.items()]
    return to_brief_yaml(configured(answers), "\n".join(lines), schema_address(), chosen)


def secret_names(answers: Answers) -> dict[str, tuple[str, ...]]:
    """By who wants them: the names of the secrets that must be set."""
    names: dict[str, tuple[str, ...]] = {}
    if answers.kind in ("rehearsal", "live"):
        names = {venue: tuple(VARIABLES[venue].values()) for venue in answers.venues}
    return names | ({"telegram": (TELEGRAM_TOKEN,)} if answers.chats else {})


def rehearsal_keys(answers: Answers) -> dict[str, str]:
    """The keys of the sandbox's accounts, by environment variable: they open nothing but what is simulated here."""
    accounts = configured(answers).sandbox.accounts
    return {
        variable: str(getattr(accounts, _PARTS[part]))
        for venue in answers.venues
        for part, variable in VARIABLES[venue].items()
    }


def next_commands(answers: Answers, path: Path) -> list[str]:
    """What to type now, in order."""
    config = f"--config {path}"
    if answers.kind in ("sandbox", "paper"):
        return [f"bot doctor {config}", f"bot run --paper {config}"]
    served = [f"bot sandbox {config} --speed 60 &"] if answers.kind == "rehearsal" else []
    return [*served, f"bot doctor {config}", f"bot run --live {config}"]
