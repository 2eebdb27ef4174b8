"""Pure functions, and some that misbehave on demand, which tests hand to workers in other processes."""

import os
import signal
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

Matrix = NDArray[np.float32]
_shared: Matrix
"""What this worker was given when it began."""


def take(shared: Matrix) -> None:
    global _shared
    _shared = shared


def take_and_sign(shared: tuple[Matrix, Path]) -> None:
    """Take, and leave a file for every time that this is done."""
    matrix, folder = shared
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    take(matrix)


def refuse(shared: object) -> None:
    raise ValueError("this cannot be taken")


def die(shared: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def learned(seed: int) -> bytes:
    """Weights after a few steps of gradient descent, then a product of numpy's: several threads round otherwise."""
    import torch  # here, since it takes seconds to import and most workers of the tests do without

    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.Tanh(), torch.nn.Linear(256, 128))
    inputs = torch.tensor(_shared)
    for _ in range(5):
        loss = network(inputs).square().mean()
        with torch.no_grad():
            gradients = torch.autograd.grad(loss, [*network.parameters()])
            for weights, gradient in zip(network.parameters(), gradients, strict=True):
                weights -= 0.1 * gradient
    weights = network[0].weight.detach().numpy()
    return weights.tobytes() + (_shared @ weights).tobytes()


def threads(_: int) -> set[int]:
    """Threads of every numerical library."""
    import torch

    return {torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())}


def niceness(_: int) -> int:
    return os.nice(0)


def doubled(number: int) -> int:
    return 2 * number


def process(_: int) -> int:
    return os.getpid()


def refused(path: Path) -> None:
    """Write that it was tried, and raise."""
    with path.open("a") as file:
        file.write("tried\n")
    raise ZeroDivisionError("no such luck", 7)


def learned_after_death(told: tuple[int, Path]) -> bytes:
    """What `learned` gives; the first to come kills its process in the middle of it."""
    seed, marker = told
    result = learned(seed)
    if _first(marker):
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def learned_when_released(told: tuple[int, Path]) -> bytes:
    """What `learned` gives, once there is a file `released`; before, this says on which machine of Ray's it waits."""
    import ray

    seed, folder = told
    (folder / f"{ray.get_runtime_context().get_node_id()}-{seed}").touch()
    while not (folder / "released").exists():
        time.sleep(0.05)
    return learned(seed)


def deadly(number: int) -> int:
    """Seven kills every worker that it is given to."""
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slow_the_first_time(told: tuple[int, Path]) -> int:
    number, marker = told
    if _first(marker):
        asleep(number)
    return number


def asleep(number: int) -> int:
    time.sleep(3600)
    return number


def unpicklable(_: int) -> object:
    return lambda: None


class Stubborn(Exception):
    """An error that cannot be unpickled: its arguments are not what its constructor takes."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def stubborn(_: int) -> None:
    raise Stubborn("a", "b")


def _first(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
