"""Choose networks to measure: at first some over the whole range of the space, then the most uncertain ones."""

from collections.abc import Collection, Sequence

import numpy as np

from ..space.space import Arch, SearchSpace
from .candidates import Candidates
from .predictor import LatencyPredictor

POOL = 1000
"""Random networks from which the most uncertain are chosen."""

MAX_TILT = 8.0
"""How far the options of a sampled network are tilted to light or heavy ones at most, see `sample_architectures`."""


def sample_architectures(space: SearchSpace, count: int, seed: int, even: bool = True) -> list[Arch]:
    """Distinct random architectures; fewer than `count` where chance repeats itself.

    With `even`, every other one is drawn uniformly. The others are tilted to light or to heavy options, each to its own
    degree, and so reach the ends of the range: uniform samples are all much alike, and would leave fast networks, the
    ones that a latency is asked of, to extrapolation.
    """
    rng = np.random.default_rng(seed)
    tilts = rng.uniform(-MAX_TILT, MAX_TILT, count) * (np.arange(count) % 2 if even else 0)
    work = _mean_macs(space)
    return list(dict.fromkeys(_sample_tilted(work, tilt, rng) for tilt in tilts))


def _mean_macs(space: SearchSpace) -> list[np.ndarray]:
    """MACs of each option of each slot: of all positions that it decides on, the mean over what else decides there."""
    work, places = [np.zeros(options) for options in space.choices], Candidates.of(space)
    macs = {block: block.macs for block in space.blocks()}
    for position in places.positions:
        table = np.array([macs.get(block, 0) for block in position.candidates]).reshape(places.shape(position))
        for axis, slot in enumerate(position.slots):
            work[slot] += table.mean(axis=tuple(other for other in range(table.ndim) if other != axis))
    return work


def _sample_tilted(work: Sequence[np.ndarray], tilt: float, rng: np.random.Generator) -> Arch:
    """A random architecture: the odds of an option are exp(`tilt` · its MACs relative to the slot's heaviest)."""
    arch = []
    for macs in work:
        weights = np.exp(tilt * macs / max(macs.max(), 1))
        arch.append(int(rng.choice(len(macs), p=weights / weights.sum())))
    return tuple(arch)


def most_uncertain(
    predictor: LatencyPredictor, count: int, rng: np.random.Generator, measured: Collection[Arch] = ()
) -> list[Arch]:
    """`count` architectures, each of the largest relative deviation among `POOL` random ones, given those before it.

    All are different, and none is among `measured`; they are fewer, or none, where the space has no more. Measuring one
    network makes those like it less uncertain, and by so much they are less likely to be chosen next (greedy D-optimal
    design). No latency is needed for that.
    """
    sampled = dict.fromkeys(predictor.space.sample(rng) for _ in range(POOL))
    pool = [arch for arch in sampled if arch not in measured]
    if not pool:
        return []
    factors, noise = predictor.uncertainty(pool)
    chosen: dict[int, Arch] = {}
    for _ in range(min(count, len(pool))):
        variance = (factors**2).sum(axis=1)
        variance[list(chosen)] = -1.0  # where the noise is large, they would still be the largest
        best = int(variance.argmax())
        chosen[best] = pool[best]
        shared = factors @ factors[best]
        gain = 1 - np.sqrt(noise**2 / (variance[best] + noise**2))
        factors = factors - np.outer(shared, factors[best]) * (gain / max(variance[best], 1e-300))
    return list(chosen.values())
