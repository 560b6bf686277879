"""Which networks to measure next: those that the predictor is least sure of, and not twice the same question."""

import numpy as np

from ..space.space import Arch
from .predictor import LatencyPredictor

POOL = 1000
"""Random networks that are looked at for each choice."""


def least_sure(predictor: LatencyPredictor, count: int, rng: np.random.Generator) -> list[Arch]:
    """`count` architectures, each with the widest relative deviation among `POOL` random ones, given the ones before.

    Measuring a network also tells of those that are like it: what it would tell is taken off before the next is chosen
    (greedy D-optimal design). Their latencies need not be known for that.
    """
    pool = [predictor.space.sample(rng) for _ in range(POOL)]
    unknown, noise = predictor.unknown(pool)
    chosen: list[Arch] = []
    for _ in range(count):
        variance = (unknown**2).sum(axis=1)
        best = int(variance.argmax())
        chosen.append(pool[best])
        shared = unknown @ unknown[best]
        gain = 1 - np.sqrt(noise**2 / (variance[best] + noise**2))
        unknown = unknown - np.outer(shared, unknown[best]) * (gain / max(variance[best], 1e-300))
    return chosen
