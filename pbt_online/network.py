"""A trained network as a policy: weights, schema and scaler together, evaluated without torch.

Starting a bot or a sweep must not wait for torch, and one decision of one account is faster in plain numpy: a network
of [256, 256, 128] is four products of a vector and a matrix.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from backtest.policies import NO_ACTION, Actions, Observations
from backtest.scaler import Scaler
from backtest.schema import Schema
from data.errors import CorruptData

if TYPE_CHECKING:
    from stable_baselines3 import PPO

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights [inputs, outputs] and biases [outputs]."""


class NetworkPolicy:
    """The most likely action of a perceptron with tanh between its layers, after its scaler."""

    def __init__(self, name: str, schema: Schema, layers: Sequence[Layer], scaler: Scaler | None = None) -> None:
        """Raises CorruptData where the layers do not lead from the schema's observation to its actions, or hold
        numbers that are not finite."""
        self.name = name
        self.schema = schema
        self.scaler = scaler
        self._layers = [(np.ascontiguousarray(w, np.float32), np.ascontiguousarray(b, np.float32)) for w, b in layers]
        sizes = [schema.size, *(weights.shape[1] for weights, _ in self._layers)]
        fits = list(pairwise(sizes))
        if [w.shape for w, _ in self._layers] != fits or sizes[-1] != schema.actions:
            shapes = ", ".join(str(w.shape) for w, _ in self._layers)
            raise CorruptData(f"policy {name}: layers {shapes} do not lead from {schema.size} to {schema.actions}")
        if not all(np.isfinite(array).all() for layer in self._layers for array in layer):
            raise CorruptData(f"policy {name}: a weight is not a finite number")

    def decide(self, observations: Observations) -> Actions:
        """The most likely action of each observation [..., O]; NO_ACTION where weights and observation lead to numbers
        that are not finite."""
        logits = self.logits(observations)
        actions: Actions = logits.argmax(axis=-1)
        finite = np.isfinite(logits).all(axis=-1)
        return actions if finite.all() else np.where(finite, actions, NO_ACTION)

    def logits(self, observations: Observations) -> NDArray[np.float32]:
        """[..., A] unnormalised log-probabilities."""
        values = observations if self.scaler is None else self.scaler.apply(observations)
        for number, (weights, biases) in enumerate(self._layers):
            values = values @ weights
            values += biases
            if number < len(self._layers) - 1:
                np.tanh(values, out=values)
        return values

    def save(self, folder: Path) -> None:
        """Write `policy.npz` and `policy.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "policy.npz", *(array for layer in self._layers for array in layer))
        content = {
            "name": self.name,
            "schema": asdict(self.schema),
            "schema_hash": self.schema.hash,
            "scaler": None if self.scaler is None else self.scaler.as_dict(),
        }
        (folder / "policy.json").write_text(json.dumps(content, indent=2))

    @classmethod
    def load(cls, folder: Path) -> "NetworkPolicy":
        """Read what `save` wrote; raises CorruptData where it cannot be read or was made for another observation."""
        try:
            content = json.loads((folder / "policy.json").read_text())
            schema = Schema(**content["schema"])
            with (folder / "policy.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                flat = [arrays[f"arr_{number}"] for number in range(len(arrays.files))]
            name, told, scaler = content["name"], content["schema_hash"], content["scaler"]
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise CorruptData(f"{folder}: no readable policy ({error!r}): restore it from a backup") from error
        if told != schema.hash:
            raise CorruptData(
                f"{folder}: made for observation schema {told}, this program's is {schema.hash}: train anew"
            )
        return cls(
            name,
            schema,
            list(zip(flat[::2], flat[1::2], strict=True)),
            None if scaler is None else Scaler.from_dict(scaler, schema),
        )


def network_of(model: "PPO", name: str, schema: Schema, scaler: Scaler | None = None) -> NetworkPolicy:
    """The actor of a Stable-Baselines3 PPO model with an MlpPolicy and tanh."""
    state = {key: value.detach().cpu().numpy() for key, value in model.policy.state_dict().items()}
    hidden = sorted({int(key.split(".")[2]) for key in state if key.startswith("mlp_extractor.policy_net.")})
    names = [*(f"mlp_extractor.policy_net.{number}" for number in hidden), "action_net"]
    return NetworkPolicy(name, schema, [(state[f"{n}.weight"].T, state[f"{n}.bias"]) for n in names], scaler)
