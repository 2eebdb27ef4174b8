"""stub"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    member: int
    score: float
    scores: object
    hyperparameters: dict
    failed: bool
    history: tuple = ()


@dataclass(frozen=True)
class Decision:
    member: int
    donor: object
    hyperparameters: dict
    reason: str
    fresh: bool = False


class Scheduler:
    def __init__(self, settings, space):
        self.s = settings
        self.space = space

    def alike(self, st):
        return False

    def decide(self, round, st, random):
        order = sorted(st, key=lambda s: (-(s.score if s.score == s.score else -1e9), s.member))
        k = max(1, len(st) // 4) if len(st) > 1 else 0
        out = {s.member: Decision(s.member, None, s.hyperparameters, "continued") for s in st}
        for i in range(k):
            w = order[-1 - i]
            d = order[i]
            h = {
                n: v * float(random.choice([0.8, 1.2])) if n == "learning_rate" else v
                for n, v in d.hyperparameters.items()
            }
            out[w.member] = Decision(w.member, d.member, h, "truncation")
        return [out[m] for m in sorted(out)]
