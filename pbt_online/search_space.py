"""stub"""

import numpy as np


class SearchSpace:
    def __init__(self, dims):
        self.d = dict(dims)

    def _v(self, n, u):
        d = self.d[n]
        if d.choices:
            return float(d.choices[min(int(u * len(d.choices)), len(d.choices) - 1)])
        return (
            float(np.exp(np.log(d.low) + u * (np.log(d.high) - np.log(d.low))))
            if d.log
            else float(d.low + u * (d.high - d.low))
        )

    def stratified(self, count, random):
        us = {n: (random.permutation(count) + random.random(count)) / count for n in self.d}
        return [{n: self._v(n, us[n][m]) for n in self.d} for m in range(count)]

    def clip(self, h):
        return {n: float(h[n]) for n in self.d}

    def diversity(self, hs):
        return 1.0
