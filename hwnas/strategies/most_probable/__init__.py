"""The most probable architectures within a limit: exactly where every slot costs for itself."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from ...space.space import Arch
from ..limit import Limit
from .best_first import by_probability
from .sampled import sample_most_probable

CHECKED = 64
"""Random architectures that show whether costs add up."""


def most_probable_within(probs: np.ndarray, limit: Limit, count: int, seed: int = 0) -> list[Arch]:
    """Up to `count` different architectures within `limit`, the most probable under `probs` (slots, widest slot) first.

    This is exact where everything is allowed, and where the slots are independent and cost a sum over them. Else it is
    a search from random samples of `seed` (`sample_most_probable`): what it finds is within the limit, and most often
    the best.
    """
    rows = [row[:n] for row, n in zip(np.asarray(probs, float), limit.space.choices, strict=True)]
    costs = [np.zeros(len(row)) for row in rows] if limit.free else _separate_costs(limit, seed)
    if costs is None:
        return sample_most_probable(rows, limit, count, np.random.default_rng(seed))
    found = by_probability(rows, costs, limit.high, limit.low)
    return list(islice(_filter(found, limit), count))


def _filter(archs: Iterable[Arch], limit: Limit) -> Iterator[Arch]:
    """Those of `archs` that the limit itself allows: costs may have been rounded otherwise, or hardly not add up."""
    return (arch for arch in archs if limit.allows([arch])[0])


def _separate_costs(limit: Limit, seed: int) -> list[np.ndarray] | None:
    """What each option of each slot costs, a row for each slot, if architectures cost the sum of that; else None."""
    space = limit.space
    if not space.independent:
        return None
    start = (0,) * len(space.choices)
    first, *others = np.asarray(limit.cost([start, *space.neighbours(start)]), float)
    ends = np.cumsum([n - 1 for n in space.choices])[:-1]
    rows = [np.array([0.0, *(part - first)]) for part in np.split(np.array(others), ends)]
    rows[0] += first
    rng = np.random.default_rng(seed)
    some = [space.sample(rng) for _ in range(CHECKED)]
    sums = [sum(row[i] for row, i in zip(rows, arch, strict=True)) for arch in some]
    return rows if np.allclose(sums, limit.cost(some), rtol=1e-6, atol=0) else None
