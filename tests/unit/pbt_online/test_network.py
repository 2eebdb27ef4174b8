"""Networks without torch: they decide as the model that they were taken from, and come back from disk as they went."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from backtest.policies import NO_ACTION
from backtest.scaler import fit_scaler
from backtest.schema import Schema
from backtest.settings import Formulation
from data.errors import ConfigurationError, CorruptData
from pbt_online.network import NetworkPolicy, network_of
from pbt_online.vector_environment import FundingArbitrageVecEnv
from tests.unit.pbt_online.networks import layers
from tests.unit.pbt_online.test_vector_environment import tape

SCHEMA = Schema(slots=3, opportunities=5)


@pytest.mark.parametrize("variant", ["ranked", "by pair"])
def test_it_decides_as_the_model_that_it_was_taken_from(variant: str) -> None:
    env = FundingArbitrageVecEnv(tape(variant), 4, seed=1)
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=32, seed=0, device="cpu", policy_kwargs={"net_arch": [32, 16]})
    model.learn(16 * env.num_envs)
    network = network_of(model, "taken", tape(variant).schema)
    seen = np.concatenate([env.step(np.zeros(env.num_envs, dtype=np.int64))[0] for _ in range(30)])
    with torch.no_grad():
        logits = model.policy.get_distribution(torch.as_tensor(seen)).distribution.logits.numpy()
    ours = network.logits(seen)
    assert logits == pytest.approx(ours - np.log(np.exp(ours).sum(axis=1, keepdims=True)), abs=1e-4)
    assert model.predict(seen, deterministic=True)[0].tolist() == network.decide(seen).tolist()


@pytest.mark.parametrize(("variant", "formulation"), [("ranked", "ranked"), ("by pair", "pairs")])
def test_it_comes_back_from_disk_with_its_scaler(tmp_path: Path, variant: str, formulation: Formulation) -> None:
    told = tape(variant)
    scaler = fit_scaler(told, told.first, told.first + 100)
    policy = NetworkPolicy("kept", told.schema, layers(told.schema.size, 8, told.schema.actions), scaler)
    policy.save(tmp_path)
    back = NetworkPolicy.load(tmp_path)
    seen = FundingArbitrageVecEnv(told, 3, seed=2).reset()
    assert policy.logits(seen).tobytes() == back.logits(seen).tobytes()
    assert ("kept", formulation) == (back.name, back.schema.formulation)


def test_layers_that_do_not_fit_the_schema_are_refused() -> None:
    with pytest.raises(CorruptData, match="do not lead from 124 to 9"):
        NetworkPolicy("odd", SCHEMA, layers(124, 16, 8))


def test_an_answer_that_is_no_number_is_no_action_and_others_beside_it_stay() -> None:
    huge = np.full(9, 3e38)
    policy = NetworkPolicy("huge", SCHEMA, [(np.ones((124, 1)), np.zeros(1)), (np.diag(huge)[:1], huge)])
    seen = np.stack([np.full(124, -10.0), np.full(124, 10.0)]).astype(np.float32)
    with np.errstate(over="ignore"):
        assert [1, NO_ACTION] == policy.decide(seen).tolist()


def test_weights_that_are_not_finite_are_refused() -> None:
    broken = layers(124, 9)
    broken[0][0][3, 3] = np.nan
    with pytest.raises(CorruptData, match="not a finite number"):
        NetworkPolicy("nan", SCHEMA, broken)


def test_a_policy_of_another_observation_is_refused(tmp_path: Path) -> None:
    NetworkPolicy("old", SCHEMA, layers(124, 9)).save(tmp_path)
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_hash": "0" * 16}))
    with pytest.raises(CorruptData, match="train anew"):
        NetworkPolicy.load(tmp_path)


def test_a_scaler_of_another_observation_is_refused(tmp_path: Path) -> None:
    told = tape("ranked")
    scaler = fit_scaler(told, told.first, told.first + 100)
    NetworkPolicy("old", told.schema, layers(124, 9), scaler).save(tmp_path)
    path = tmp_path / "policy.json"
    content = json.loads(path.read_text())
    content["scaler"]["schema"] = "0" * 16
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="train anew"):
        NetworkPolicy.load(tmp_path)


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, damage: str) -> None:
    NetworkPolicy("hurt", SCHEMA, layers(124, 9)).save(tmp_path)
    weights = tmp_path / "policy.npz"
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(CorruptData, match="no readable policy"):
        NetworkPolicy.load(tmp_path)
