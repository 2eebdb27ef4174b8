"""The compiled loops of `FastPPO`: everything between its matrix products.

32-bit arithmetic throughout, as Stable-Baselines3's. tanh is a rational function of its own: torch's takes longer than
half of the products here, and this one is vectorised.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

F32 = np.float32
Floats = NDArray[np.float32]

# Least-squares fit of tanh(x) / x by a ratio of polynomials in x^2, reweighted towards its largest relative error, over
# |x| <= 8.4, beyond which tanh rounds to 1: within 4e-7 of tanh, relative.
LIMIT = F32(8.4)
P0, P1, P2, P3, P4 = F32(0.999999989), F32(0.134195767), F32(0.00354161377), F32(2.13797143e-05), F32(1.44577711e-08)
Q1, Q2, Q3, Q4 = F32(0.467529005), F32(0.0260514257), F32(0.00033614213), F32(8.2199275e-07)
ONE = F32(1)


@compiled
def activate(z: Floats, bias: Floats) -> None:
    """z [B, N] becomes tanh(z + bias)."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            x = z[i, j] + bias[j]
            # Not min and max: a NaN must stay one.
            x = LIMIT if x > LIMIT else x
            x = -LIMIT if x < -LIMIT else x
            u = x * x
            p = P0 + u * (P1 + u * (P2 + u * (P3 + u * P4)))
            q = ONE + u * (Q1 + u * (Q2 + u * (Q3 + u * Q4)))
            z[i, j] = x * p / q


@compiled
def deactivate(da: Floats, a: Floats, db: Floats) -> None:
    """The gradient by a = tanh(z + bias) [B, N] becomes that by z; db [N] that by the bias."""
    db[:] = F32(0)
    for i in range(da.shape[0]):
        for j in range(da.shape[1]):
            d = da[i, j] * (ONE - a[i, j] * a[i, j])
            da[i, j] = d
            db[j] += d


@compiled
def normal(advantages: Floats) -> Floats:
    """Advantages [B] with mean zero and, where there are several, unbiased standard deviation one."""
    count = len(advantages)
    if count < 2:
        return advantages
    mean = 0.0
    for advantage in advantages:
        mean += advantage / count
    square = 0.0
    for advantage in advantages:
        square += (advantage - mean) ** 2
    scaled = np.empty(count, np.float32)
    deviation = math.sqrt(square / (count - 1)) + 1e-8
    for i in range(count):
        scaled[i] = (advantages[i] - mean) / deviation
    return scaled


@compiled
def policy_gradient(
    logits: Floats,
    actions: NDArray[np.int64],
    old: Floats,
    advantages: Floats,
    reference: Floats,
    coefficients: tuple[float, float, float],
    totals: NDArray[np.float64],
) -> None:
    """Logits [B, A] become the gradient of the mean of PPO's clipped loss - ent_coef * entropy + kl_coef * KL.

    `old`: log-probabilities [B] of the actions when collected; `reference`: log-probabilities [B, A] or none [0, A];
    `coefficients`: clip_range, ent_coef, kl_coef. To `totals` are added the sums of loss, entropy, share clipped, the
    estimated KL(old || policy) and KL(reference || policy).
    """
    clip, ent_coef, kl_coef = coefficients
    count, choices = logits.shape
    logp = np.empty(choices)
    for i in range(count):
        top = logits[i, 0]
        for j in range(1, choices):
            top = max(top, logits[i, j])
        total = 0.0
        for j in range(choices):
            logp[j] = logits[i, j] - top
            total += math.exp(logp[j])
        spread = math.log(total)
        entropy = 0.0
        for j in range(choices):
            logp[j] -= spread
            entropy -= math.exp(logp[j]) * logp[j]
        change = logp[actions[i]] - old[i]
        ratio = math.exp(change)
        advantage = advantages[i]
        clipped = min(max(ratio, 1.0 - clip), 1.0 + clip)
        towards = 0.0 if advantage * clipped < advantage * ratio else advantage * ratio
        divergence = 0.0
        for j in range(choices):
            p = math.exp(logp[j])
            gradient = towards * p + ent_coef * p * (logp[j] + entropy)
            if len(reference):
                q = math.exp(reference[i, j])
                divergence += q * (reference[i, j] - logp[j])
                gradient += kl_coef * (p - q)
            logits[i, j] = gradient / count
        logits[i, actions[i]] -= towards / count
        totals[0] -= min(advantage * ratio, advantage * clipped)
        totals[1] += entropy
        totals[2] += abs(ratio - 1.0) > clip
        totals[3] += ratio - 1.0 - change
        totals[4] += divergence


@compiled
def adam(
    weights: Floats, gradient: Floats, moments: tuple[Floats, Floats], scale: float, step: int, rate: float, eps: float
) -> None:
    """One step of Adam (betas .9 and .999) along `scale` * gradient; everything [N], changed in place."""
    first, second = moments
    by, size, small = F32(scale), F32(rate / (1.0 - 0.9**step)), F32(eps)
    unbiased = F32(1.0 / math.sqrt(1.0 - 0.999**step))
    for i in range(len(weights)):
        g = gradient[i] * by
        first[i] += (g - first[i]) * F32(0.1)
        second[i] = second[i] * F32(0.999) + g * g * F32(0.001)
        weights[i] -= size * first[i] / (np.sqrt(second[i]) * unbiased + small)


@compiled
def advantages_of(
    rewards: Floats, values: Floats, starts: Floats, last: Floats, dones: Floats, gamma: float, decay: float
) -> Floats:
    """Generalised advantages [T, B] (Schulman et al. 2016, eq. 16) in the order of SB3's buffer.

    `starts`: 1 where a step begins an episode; `last` [B]: values after the last step, `dones` [B]: 1 where it ended
    one; `decay`: gamma * lambda.
    """
    steps, count = rewards.shape
    result = np.empty((steps, count), np.float32)
    by, down = F32(gamma), F32(decay)
    for b in range(count):
        ahead, following, goes_on = F32(0), last[b], ONE - dones[b]
        for t in range(steps - 1, -1, -1):
            delta = rewards[t, b] + by * following * goes_on - values[t, b]
            ahead = delta + down * goes_on * ahead
            result[t, b] = ahead
            following, goes_on = values[t, b], ONE - starts[t, b]
    return result
