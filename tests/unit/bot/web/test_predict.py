"""What `/predict` answers: the champion's own decision, with how sure it is, or what to send instead."""

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.policies import CarryRule, RandomLegal
from backtest.schema import Schema, schema_of
from bot.ledger.store import Ledger
from bot.opened_ledger import ledger_path
from bot.run_folder import registry_of
from bot.settings import Settings
from bot.succession import STAND_IN
from bot.web.probabilities import probabilities
from pbt_online.ensemble import Ensemble
from pbt_online.manifest import Origin
from pbt_online.network import NetworkPolicy
from tests.fakes.account_ledger import begun, happen
from tests.fakes.web_served import web_served, web_settings
from tests.functional.commands import eventually

SCHEMA = schema_of(Settings().environment)


def network(seed: int, schema: Schema = SCHEMA) -> NetworkPolicy:
    random = np.random.default_rng(seed)
    sizes = [schema.size, 8, schema.actions]
    layers = [
        (random.normal(0, 0.3, (a, b)).astype(np.float32), random.normal(0, 0.3, b).astype(np.float32))
        for a, b in zip(sizes, sizes[1:], strict=False)
    ]
    return NetworkPolicy(f"net{seed}", schema, layers)


def seen(seed: int) -> list[float]:
    return np.random.default_rng(seed).normal(0, 2, SCHEMA.size).astype(np.float32).astype(float).tolist()


def question(observation: object, schema_hash: str = SCHEMA.hash) -> dict[str, object]:
    return {"observation": observation, "schema_hash": schema_hash}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return web_settings(tmp_path_factory.mktemp("predict"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    registry_of(settings).champion(SCHEMA)
    with web_served(settings) as client:
        eventually(lambda: client.get("/api/policy").status_code == 200, 30)
        yield client


@pytest.mark.parametrize("seed", range(5))
def test_the_first_champion_is_the_rule_and_answers_as_it(client: httpx.Client, seed: int) -> None:
    told = client.post("/predict", json=question(seen(seed))).json()
    wanted = int(CarryRule(SCHEMA).decide(np.array([seen(seed)], dtype=np.float32))[0])
    assert (wanted, 1.0) == (told["action"], told["probabilities"][wanted])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "give either an observation with its schema_hash, or a snapshot"),
        ({"observation": seen(0)}, "give the schema_hash"),
        (question(seen(0), "0" * 16), f"the champion's is {SCHEMA.hash}: GET /api/policy"),
        (question(seen(0)[:-1]), "wants 124 numbers: GET /api/policy names each"),
        (question([seen(0)]), "wants 124 numbers"),
        (question([math.nan, *seen(0)[1:]]), "finite number"),
        (question([math.inf, *seen(0)[1:]]), "finite number"),
        (question([1e300, *seen(0)[1:]]), "beyond 32-bit floats"),
        (question(["x", *seen(0)[1:]]), "valid number"),
        (question([None, *seen(0)[1:]]), "valid number"),
        (question(seen(0)) | {"more": 1}, "Extra inputs"),
        ({"snapshot": {"tick_ms": 0, "markets": []}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_decided_on_is_refused_with_what_to_do(
    client: httpx.Client, body: dict[str, object], says: str
) -> None:
    told = client.post("/predict", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert 422 == told.status_code, told.text
    assert says in " ".join(one["msg"] for one in told.json()["detail"])


def test_a_market_is_not_decided_on_before_the_account_has_instruments(client: httpx.Client) -> None:
    markets = [{"venue": "binance", "symbol": "BTC/USDT:USDT", "bars": []}]
    told = client.post("/predict", json={"snapshot": {"tick_ms": 3_600_000, "markets": markets}})
    assert (409, True) == (told.status_code, "start with `bot run --paper`" in told.json()["detail"])


def test_another_champion_answers_as_soon_as_it_trades(client: httpx.Client, settings: Settings) -> None:
    registry = registry_of(settings)
    nets = [registry.register_network(network(seed), Origin(), name=f"net{seed}") for seed in range(3)]
    vote = registry.register_ensemble([one.name for one in nets], Origin(), name="vote")
    for version in (nets[0], vote):
        registry.promote(version.name, None, "a test")
        eventually(lambda name=version.name: client.get("/api/policy").json()["champion"] == name, 30)
        policy = registry.policy(version, settings.environment, settings.seed)
        for seed in range(5):
            observation = np.array([seen(seed)], dtype=np.float32)
            told = client.post("/predict", json=question(seen(seed))).json()
            assert int(policy.decide(observation)[0]) == told["action"]
            assert probabilities(policy, observation)[0].tolist() == told["probabilities"]


@given(st.integers(0, 2**32 - 1))
def test_chances_add_up_and_the_likeliest_is_what_is_done(seed: int) -> None:
    observation = np.array([seen(seed % 997)], dtype=np.float32)
    net, vote = network(seed), Ensemble("vote", [network(seed + number) for number in range(3)])
    chances = probabilities(net, observation)
    assert int(net.decide(observation)[0]) == int(chances.argmax())
    votes = probabilities(vote, observation)[0]
    assert {round(3 * share, 9) for share in votes} <= {0.0, 1.0, 2.0, 3.0}
    decided = int(vote.decide(observation)[0])
    assert votes[decided] == votes.max() or decided == 0
    for one in (chances, votes, probabilities(RandomLegal(SCHEMA, 0), observation)):
        assert 1.0 == pytest.approx(one.sum())


def test_nobody_predicts_for_a_champion_while_somebody_stands_in(tmp_path: Path) -> None:
    settings = web_settings(tmp_path)
    registry_of(settings).champion(SCHEMA)
    with closing(Ledger(ledger_path(settings))) as ledger:
        happen(ledger, begun(ledger), 0, [])
    with closing(sqlite3.connect(ledger_path(settings))) as ledger, ledger:
        ledger.execute("UPDATE runs SET champion = ?", (STAND_IN,))
    with web_served(settings) as client:
        eventually(lambda: f"{STAND_IN} trades until a champion is sound" in client.get("/api/policy").text, 30)
        assert 200 != client.post("/predict", json=question(seen(1))).status_code
