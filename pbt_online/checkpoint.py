"""Checkpoints: an agent's weights, Adam's moments and its age as safetensors bytes, for the population and its memory.

Nothing in them is code, so a checkpoint from another machine can be read without trusting it. The same agent gives the
same bytes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from data.errors import CorruptData

if TYPE_CHECKING:
    from stable_baselines3 import PPO

Arrays = dict[str, NDArray[np.generic]]
Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Of a perceptron: weights [inputs, outputs] and biases [outputs]."""

MOMENTS = ("exp_avg", "exp_avg_sq")
ADVICE = "restore it from a backup, or leave it out"


def pack(agent: "PPO") -> bytes:
    """Weights, moments, Adam's step and `num_timesteps`. Raises CorruptData where a number is not finite."""
    state = agent.policy.optimizer.state
    arrays: Arrays = {
        "num_timesteps": np.array([agent.num_timesteps], dtype=np.int64),
        "step": np.zeros(1, dtype=np.float32),
    }
    for name, parameter in agent.policy.named_parameters():
        arrays[f"policy.{name}"] = _array(parameter)
        for moment in MOMENTS:
            known = state[parameter].get(moment) if parameter in state else None
            arrays[f"{moment}.{name}"] = np.zeros(parameter.shape, np.float32) if known is None else _array(known)
        if parameter in state:
            arrays["step"][:] = float(state[parameter]["step"])
    _refuse_infinite(arrays)
    return save(arrays)


def unpack(data: bytes, agent: "PPO") -> None:
    """Give `agent` the weights, moments, step and `num_timesteps` of a checkpoint; its hyperparameters stay as set.

    Raises CorruptData, before anything of the agent changes, where the bytes are not a checkpoint of such a network.
    """
    arrays = _read(data)
    named = dict(agent.policy.named_parameters())
    expected = {f"{part}.{name}": tuple(p.shape) for name, p in named.items() for part in ("policy", *MOMENTS)}
    told = {key: value.shape for key, value in arrays.items() if key not in ("num_timesteps", "step")}
    if expected != told:
        different = sorted(key for key in expected.keys() | told.keys() if expected.get(key) != told.get(key))
        raise CorruptData(f"the checkpoint is of another network ({', '.join(different[:3])} differ): {ADVICE}")
    state = agent.policy.optimizer.state
    for name, parameter in named.items():
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(arrays[f"policy.{name}"]))
        state[parameter].update({m: _like(arrays[f"{m}.{name}"], parameter) for m in MOMENTS})
        state[parameter]["step"] = torch.tensor(float(arrays["step"][0]))
    agent.num_timesteps = int(arrays["num_timesteps"][0])


def weights_hash(data: bytes) -> str:
    """The sha256 of a checkpoint, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def actor_layers(data: bytes) -> Layers:
    """The actor in a checkpoint, layer by layer, as `NetworkPolicy` takes it. Raises CorruptData."""
    arrays = _read(data)
    state = {key.removeprefix("policy."): value for key, value in arrays.items() if key.startswith("policy.")}
    return layers_of_actor(state)


def layers_of_actor(state: Mapping[str, NDArray[np.generic]]) -> Layers:
    """The actor among the arrays of an MlpPolicy's state. Raises CorruptData where they hold none."""
    try:
        return list(_actor(state))
    except KeyError as error:
        raise CorruptData(f"no actor of an MlpPolicy: {error.args[0]} is missing: {ADVICE}") from error


def _actor(state: Mapping[str, NDArray[np.generic]]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    hidden = sorted({int(key.split(".")[2]) for key in state if key.startswith("mlp_extractor.policy_net.")})
    for layer in [*(f"mlp_extractor.policy_net.{number}" for number in hidden), "action_net"]:
        yield np.asarray(state[f"{layer}.weight"], np.float32).T, np.asarray(state[f"{layer}.bias"], np.float32)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def _like(array: NDArray[np.generic], parameter: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(parameter.device)


def _read(data: bytes) -> Arrays:
    try:
        arrays: Arrays = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CorruptData(f"not a checkpoint, or not the whole of one ({error}): {ADVICE}") from error
    if not {"num_timesteps", "step"} <= arrays.keys() or not all(value.size for value in arrays.values()):
        raise CorruptData(f"these tensors are no checkpoint of an agent: {ADVICE}")
    _refuse_infinite(arrays)
    return arrays


def _refuse_infinite(arrays: Arrays) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CorruptData(f"{name} holds a number that is not finite: replace this agent by another")
