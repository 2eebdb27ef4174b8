"""Small networks with random weights, for the tests of whoever keeps or plays them."""

import numpy as np
from numpy.typing import NDArray


def layers(*sizes: int, seed: int = 0) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Weights and biases that lead from the first size to the last."""
    random = np.random.default_rng(seed)
    return [
        (random.normal(0, 0.1, (before, after)), random.normal(0, 0.1, after))
        for before, after in zip(sizes, sizes[1:], strict=False)
    ]
