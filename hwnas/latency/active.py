"""Which networks to measure: at first some over the whole range of the space, then what the predictor is unsure of."""

from collections.abc import Collection, Sequence

import numpy as np

from ..space.space import Arch, SearchSpace
from .candidates import Candidates
from .predictor import LatencyPredictor

POOL = 1000
"""Random networks that are looked at for each choice."""

LEAN = 8.0
"""How far a drawn network leans at most, see `draw`."""


def draw(space: SearchSpace, count: int, seed: int, even: bool = True) -> list[Arch]:
    """Distinct random architectures; fewer than `count` where chance repeats itself.

    With `even`, every other one is drawn uniformly. The rest lean to light or to heavy options, each in its own
    measure, and so reach the ends of the range: uniform draws are all much alike, and would leave fast networks, the
    ones that budgets are about, to extrapolation.
    """
    rng = np.random.default_rng(seed)
    leanings = rng.uniform(-LEAN, LEAN, count) * (np.arange(count) % 2 if even else 0)
    work = _work(space)
    return list(dict.fromkeys(_leaning(work, leaning, rng) for leaning in leanings))


def _work(space: SearchSpace) -> list[np.ndarray]:
    """MACs of each option of each slot: of all positions that it decides on, the mean over what else decides there."""
    work, places = [np.zeros(options) for options in space.choices], Candidates.of(space)
    macs = {block: block.macs for block in space.blocks()}
    for position in places.positions:
        table = np.array([macs.get(block, 0) for block in position.candidates]).reshape(places.shape(position))
        for axis, slot in enumerate(position.slots):
            work[slot] += table.mean(axis=tuple(other for other in range(table.ndim) if other != axis))
    return work


def _leaning(work: Sequence[np.ndarray], leaning: float, rng: np.random.Generator) -> Arch:
    """A random architecture: options weigh exp(`leaning` · their MACs relative to the slot's heaviest)."""
    arch = []
    for macs in work:
        weights = np.exp(leaning * macs / max(macs.max(), 1))
        arch.append(int(rng.choice(len(macs), p=weights / weights.sum())))
    return tuple(arch)


def least_sure(
    predictor: LatencyPredictor, count: int, rng: np.random.Generator, measured: Collection[Arch] = ()
) -> list[Arch]:
    """`count` architectures, each with the widest relative deviation among `POOL` random ones, given the ones before.

    All are different, and none is among `measured`; they are fewer, or none, where the space has no more.
    Measuring a network also tells of those that are like it: what it would tell is taken off before the next is chosen
    (greedy D-optimal design). Their latencies need not be known for that.
    """
    sampled = dict.fromkeys(predictor.space.sample(rng) for _ in range(POOL))
    pool = [arch for arch in sampled if arch not in measured]
    if not pool:
        return []
    unknown, noise = predictor.unknown(pool)
    chosen: dict[int, Arch] = {}
    for _ in range(min(count, len(pool))):
        variance = (unknown**2).sum(axis=1)
        variance[list(chosen)] = -1.0  # where the noise is large, they would still be the widest
        best = int(variance.argmax())
        chosen[best] = pool[best]
        shared = unknown @ unknown[best]
        gain = 1 - np.sqrt(noise**2 / (variance[best] + noise**2))
        unknown = unknown - np.outer(shared, unknown[best]) * (gain / max(variance[best], 1e-300))
    return list(chosen.values())
