"""The policy that trades, loaded again when the champion changes, and what it answers. Used by `POST /predict`.

It decides by the trader's own path: `make_features`, `bot.decision`, the policy of the registry.
"""

from dataclasses import dataclass

import numpy as np

from backtest.accounting import Books, new_books
from backtest.observation import Features, make_features
from backtest.policies import Observations, Policy
from backtest.schema import Schema
from bot.decision import decide, shown
from bot.run_folder import registry_of
from bot.settings import Settings
from bot.succession import STAND_IN
from bot.web.account import Seen
from bot.web.predict_models import PolicyView, Prediction, PredictRequest, Snapshot
from bot.web.probabilities import probabilities
from bot.web.snapshot import snapshot_panel
from data.errors import DataError, StateError
from pbt_online.manifest import Version

BY_PAIR = ("keep", "in", "flat")


class NotUnderstood(DataError):
    """What was sent cannot be decided on; the message says what to send instead."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part
        """Of the request's body."""


@dataclass(frozen=True)
class Loaded:
    """A version and its policy."""

    version: Version
    policy: Policy
    schema_hash: str
    """Made once: making it takes longer than deciding. The same goes for `size`."""
    size: int


class Champion:
    """Follows who trades: the newest run's champion, or the registry's where nothing has run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = registry_of(settings)
        self._loaded: Loaded | None = None
        self._stands_in = False

    @property
    def loaded(self) -> Loaded:
        """Who decides now. Raises StateError before there is anybody."""
        if self._stands_in:
            raise StateError(f"{STAND_IN} trades until a champion is sound: `bot champion show` says what is wrong")
        if self._loaded is None:
            raise StateError("there is no champion yet: the first start of the bot crowns the rule")
        return self._loaded

    def follow(self, seen: Seen) -> None:
        """Load whoever trades, unless it is loaded. Raises FundingBotError, and who was loaded stays."""
        name = self._named() if seen.run is None else seen.run.champion
        self._stands_in = name == STAND_IN
        if name is None or self._stands_in or (self._loaded is not None and self._loaded.version.name == name):
            return
        version = self._registry.version(name)
        policy = self._registry.policy(version, self._settings.environment, self._settings.seed)
        self._loaded = Loaded(version, policy, policy.schema.hash, policy.schema.size)

    def _named(self) -> str | None:
        history = self._registry.history()
        return history[-1].name if history else None

    def view(self) -> PolicyView:
        """Who decides. Raises StateError."""
        loaded = self.loaded
        schema = loaded.policy.schema
        return PolicyView(
            champion=loaded.version.name, kind=loaded.version.kind, formulation=schema.formulation,
            schema_hash=schema.hash, size=schema.size, features=schema.names,
            actions=tuple(_meaning(schema, action) for action in range(schema.actions)),
        )  # fmt: skip

    def on_observation(self, request: PredictRequest) -> Prediction:
        """The answer to an observation. Raises NotUnderstood where it is not of the champion's schema."""
        loaded = self.loaded
        return _answer(loaded, _checked(request, loaded))

    def on_snapshot(self, snapshot: Snapshot, seen: Seen) -> Prediction:
        """The answer to a market. Raises NotUnderstood for one that cannot be true, StateError before the first run."""
        loaded, settings = self.loaded, self._settings
        if seen.run is None:
            raise StateError("nothing has run here yet, so no instruments are known: start with `bot run --paper`")
        panel = snapshot_panel(snapshot, seen.instruments, settings.data)
        features = make_features(panel, settings.data.venues, settings.environment, newest=1)
        books = self._books(snapshot, seen)
        capital = float(seen.run.capital)
        seen_by_policy = shown(loaded.policy.schema, books, features, snapshot.tick_ms, capital)
        return _answer(loaded, seen_by_policy, _names(features, seen), told=seen_by_policy)

    def _books(self, snapshot: Snapshot, seen: Seen) -> Books:
        if snapshot.account == "current" and seen.books is not None:
            return seen.books
        environment = self._settings.environment
        return new_books(len(self._settings.data.venues), environment.max_positions, environment.initial_capital)


def _checked(request: PredictRequest, loaded: Loaded) -> Observations:
    """[1, O], or by pair [1, P, F]."""
    schema_hash, size = loaded.schema_hash, loaded.size
    if request.schema_hash != schema_hash:
        raise NotUnderstood(
            "schema_hash",
            f"made for schema {request.schema_hash}, the champion's is {schema_hash}: GET /api/policy tells its "
            "features, docs/observation.md what they are",
        )
    by_pair = loaded.policy.schema.formulation == "pairs"
    rows = request.observation or []
    vectors = [row for row in rows if isinstance(row, list)] if by_pair else [rows]
    if (by_pair and len(vectors) != len(rows)) or any(len(one) != size for one in vectors):
        what = f"a list of vectors of {size} numbers, one for each pair" if by_pair else f"{size} numbers"
        raise NotUnderstood("observation", f"the champion's schema wants {what}: GET /api/policy names each")
    with np.errstate(over="ignore"):
        observations = np.array([vectors] if by_pair else vectors, dtype=np.float32)
    if not np.isfinite(observations).all():
        raise NotUnderstood("observation", "a number is beyond 32-bit floats: send finite ones")
    return observations


def _answer(
    loaded: Loaded, observations: Observations, names: list[str] | None = None, told: Observations | None = None
) -> Prediction:
    policy, schema = loaded.policy, loaded.policy.schema
    actions = decide(policy, observations)[0].tolist()
    chances = probabilities(policy, observations)[0].tolist()
    meanings = [_meaning(schema, action, names) for action in actions]
    single = schema.formulation != "pairs"
    return Prediction(
        champion=loaded.version.name,
        schema_hash=loaded.schema_hash,
        action=actions[0] if single else actions,
        meaning=meanings[0] if single else meanings,
        probabilities=chances,
        observation=None if told is None else told[0].tolist(),
    )


def _meaning(schema: Schema, action: int, names: list[str] | None = None) -> str:
    """An action in words; `names` are those of the ranked opportunities."""
    if not 0 <= action < schema.actions:
        return "no action"
    if schema.formulation == "pairs":
        return BY_PAIR[action]
    if action == 0:
        return "hold"
    if action <= schema.opportunities:
        known = f": {names[action - 1]}" if names and action <= len(names) else ""
        return f"enter opportunity {action}{known}"
    return f"exit slot {action - schema.opportunities - 1}"


def _names(features: Features, seen: Seen) -> list[str]:
    """The ranked opportunities, for people."""
    found = []
    for pair in features.ranked[-1]:
        if pair >= 0:
            columns = features.legs[pair][:: int(features.direction[-1, pair])]
            long, short = (seen.instruments[int(column)] for column in columns)
            found.append(f"{long.asset}, long {long.venue}, short {short.venue}")
    return found
