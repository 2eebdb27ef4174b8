"""The perceptrons of an MlpPolicy with forward and backward written out, for `FastPPO` on a processor.

All parameters become views of one vector, as do their gradients and Adam's moments, so that clipping and Adam are one
pass each, and the policy, its optimizer and what they save keep working as they did.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from data.errors import CorruptData
from pbt_online.fast_kernels import Floats, activate, adam, deactivate


@dataclass(frozen=True)
class Dense:
    """One layer: weights [outputs, inputs] and biases [outputs], and their gradients."""

    weight: Tensor
    bias: Tensor
    d_weight: Tensor
    d_bias: Tensor


class Perceptron:
    """Dense layers with tanh between them. Not for several threads: it keeps the activations of its last batch."""

    def __init__(self, layers: Sequence[Dense]) -> None:
        self._layers = list(layers)
        self._buffers = _Room([torch.empty(0)], [])
        self._rooms: dict[int, _Room] = {}

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [B, N] of inputs [B, O]; overwritten by the next forward."""
        outputs = self._room(len(inputs)).outputs
        values = inputs
        for layer, output in zip(self._layers[:-1], outputs, strict=False):
            torch.mm(values, layer.weight.t(), out=output)
            activate(output.numpy(), layer.bias.numpy())
            values = output
        head = self._layers[-1]
        return torch.addmm(head.bias, values, head.weight.t(), out=outputs[-1])

    def backward(self, inputs: Tensor, d_outputs: Tensor) -> None:
        """Fill the layers' gradients from those by the outputs [B, N] of the last forward, which was of `inputs`."""
        room = self._room(len(inputs))
        below, head = [inputs, *room.outputs[:-1]], self._layers[-1]
        torch.sum(d_outputs, 0, out=head.d_bias)
        following = d_outputs
        for number in range(len(self._layers) - 1, -1, -1):
            layer = self._layers[number]
            torch.mm(following.t(), below[number], out=layer.d_weight)
            if number:
                gradient = torch.mm(following, layer.weight, out=room.gradients[number - 1])
                deactivate(gradient.numpy(), below[number].numpy(), self._layers[number - 1].d_bias.numpy())
                following = gradient

    def _room(self, rows: int) -> "_Room":
        """The first `rows` of every buffer, which grow where they are too short."""
        if rows > len(self._buffers.outputs[0]):
            widths = [len(layer.bias) for layer in self._layers]
            outputs = [torch.empty(rows, width) for width in widths]
            self._buffers = _Room(outputs, [torch.empty(rows, width) for width in widths[:-1]])
            self._rooms.clear()
        if rows not in self._rooms:
            outputs, gradients = self._buffers.outputs, self._buffers.gradients
            self._rooms[rows] = _Room([b[:rows] for b in outputs], [b[:rows] for b in gradients])
        return self._rooms[rows]


@dataclass(frozen=True)
class _Room:
    """Where a batch's activations [B, width] and their gradients are written, layer by layer."""

    outputs: list[Tensor]
    gradients: list[Tensor]


class FlatNetwork:
    """Actor and critic of `policy`, whose parameters are views of one vector from now on."""

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._policy = policy
        self._parameters = list(policy.parameters())
        sizes = [parameter.numel() for parameter in self._parameters]
        self.weights, self.gradient, self.first, self.second = (torch.zeros(sum(sizes)) for _ in range(4))
        self._views = list(
            zip(*(self._split(v, sizes) for v in (self.weights, self.gradient, self.first, self.second)), strict=True)
        )
        self.step = 0
        for parameter, (view, *_) in zip(self._parameters, self._views, strict=True):
            view.copy_(parameter.data)
            parameter.data = view
        extractor = policy.mlp_extractor
        self.actor = self._perceptron([*extractor.policy_net, policy.action_net])
        self.critic = self._perceptron([*extractor.value_net, policy.value_net])

    def holds(self, policy: ActorCriticPolicy) -> bool:
        """Whether it is still this policy whose numbers it holds."""
        return policy is self._policy and all(
            parameter.data_ptr() == view.data_ptr()
            for parameter, (view, *_) in zip(self._parameters, self._views, strict=True)
        )

    def take_moments(self) -> None:
        """Read Adam's state, which others may have replaced, and make it views."""
        state = self._policy.optimizer.state
        self.step = 0
        for parameter, (_, _, first, second) in zip(self._parameters, self._views, strict=True):
            known = state[parameter]
            for name, view in (("exp_avg", first), ("exp_avg_sq", second)):
                view.copy_(known.get(name, torch.zeros_like(view)))
                known[name] = view
            self.step = int(known.get("step", torch.tensor(0.0)))

    def hand_step(self) -> None:
        """Tell Adam's state how many steps were made."""
        for parameter in self._parameters:
            self._policy.optimizer.state[parameter]["step"] = torch.tensor(float(self.step))

    def descend(self, max_grad_norm: float, learning_rate: float, eps: float) -> None:
        """Clip the gradient to a norm, then one step of Adam. Raises CorruptData where it is not finite."""
        norm = math.sqrt(float(torch.dot(self.gradient, self.gradient)))
        refuse_infinite(norm)
        self.step += 1
        scale = min(1.0, max_grad_norm / (norm + 1e-6))
        moments = (self.first.numpy(), self.second.numpy())
        adam(self.weights.numpy(), self.gradient.numpy(), moments, scale, self.step, learning_rate, eps)

    def _split(self, vector: Tensor, sizes: list[int]) -> list[Tensor]:
        parts = torch.split(vector, sizes)
        return [part.view(parameter.shape) for part, parameter in zip(parts, self._parameters, strict=True)]

    def _perceptron(self, modules: Sequence[nn.Module]) -> Perceptron:
        place = {id(parameter): number for number, parameter in enumerate(self._parameters)}
        layers = []
        for module in modules:
            if isinstance(module, nn.Linear):
                weight, bias = (self._views[place[id(parameter)]] for parameter in (module.weight, module.bias))
                layers.append(Dense(weight[0], bias[0], weight[1], bias[1]))
        return Perceptron(layers)


def refuse_infinite(norm: float) -> None:
    """Raises CorruptData where the gradient's norm is not finite."""
    if not np.isfinite(norm):
        raise CorruptData("the gradient is not finite, the agent has diverged: replace it by another")


def log_softmax_of(layers: Sequence[tuple[Floats, Floats]], inputs: Tensor) -> NDArray[np.float32]:
    """Log-probabilities [B, A] of a perceptron given as weights [inputs, outputs] and biases, for inputs [B, O]."""
    values = inputs
    for weights, biases in layers[:-1]:
        values = torch.addmm(_on(biases, inputs), values, _on(weights, inputs)).tanh_()
    weights, biases = layers[-1]
    outputs = torch.addmm(_on(biases, inputs), values, _on(weights, inputs))
    return torch.log_softmax(outputs, dim=1).cpu().numpy()


def _on(array: Floats, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)
