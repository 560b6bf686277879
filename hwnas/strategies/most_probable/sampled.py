"""The most probable architectures within a limit where costs do not add up: a search from random samples."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from ...errors import InputError
from ...space.space import Arch
from ..limit import Limit
from .best_first import by_probability

SAMPLES = 2000
"""Architectures that are sampled at a time."""
ROUNDS = 3
"""Times that what options cost is fitted to samples, each nearer to the limit."""
LISTED, OPENED = 200, 10_000
"""Most probable architectures by the sum of such costs, and prefixes that are opened at most to find them."""
KEPT = 16
"""Architectures at least whose single changes are looked at."""

Rows = Sequence[np.ndarray]
"""A number for each option of each slot."""


def sample_most_probable(probs: Rows, limit: Limit, count: int, rng: np.random.Generator) -> list[Arch]:
    """Up to `count` different architectures within `limit`, the most probable that were found first.

    The starts are those that are most probable `_near` the limit, samples of `probs`, and its most probable one; where
    too few of these are within, some are repaired (`Limit.repair`). Then single changes go on for as long as one leads
    to something better.
    """
    logs = [np.log(np.maximum(row, 1e-30)) for row in probs]
    kept = max(count, KEPT)

    def log(arch: Arch) -> float:
        return float(sum(row[i] for row, i in zip(logs, arch, strict=True)))

    def top(archs: set[Arch]) -> list[Arch]:
        return sorted(archs, key=lambda arch: (-log(arch), arch))[:kept]

    starts = {tuple(int(row.argmax()) for row in probs), *_sample(probs, rng), *_near(probs, logs, limit, rng)}
    seen = set(limit.filter(list(starts)))
    if len(seen) < kept:
        seen |= _repair(top(starts - seen), limit, rng)
    best, near = top(seen), seen
    while near:
        worst = log(best[-1]) if len(best) == kept else -np.inf
        near = {other for arch in best for other in limit.space.neighbours(arch) if log(other) > worst} - seen
        seen = seen | near
        best = top({*best, *limit.filter(list(near))})
    return best[:count]


def _near(probs: Rows, logs: Rows, limit: Limit, rng: np.random.Generator) -> Iterator[Arch]:
    """Architectures near `limit`: samples of `_tilt` probabilities, and the most probable by a sum that nearly fits.

    What each option costs is fitted to samples, first uniform ones, then those that the last fit put near the limit.
    """
    costs, rows = [np.zeros(len(row)) for row in logs], [np.ones(len(row)) for row in logs]
    for _ in range(ROUNDS):
        some = _sample(rows, rng)
        yield from some
        costs, spread = _fit_costs(some, limit, costs)
        rows = _tilt(logs, costs, limit)
    yield from _sample(rows, rng)
    yield from islice(by_probability(probs, costs, limit.high + spread, limit.low - spread, OPENED), LISTED)


def _sample(probs: Rows, rng: np.random.Generator) -> list[Arch]:
    columns = [rng.choice(len(row), SAMPLES, p=row / row.sum()).tolist() for row in probs]
    return list(zip(*columns, strict=True))


def _repair(archs: Sequence[Arch], limit: Limit, rng: np.random.Generator) -> set[Arch]:
    """What each of `archs` becomes within `limit`; nothing where the limit allows nothing."""
    try:
        return {limit.repair(arch, rng) for arch in archs}
    except InputError:
        return set()


def _fit_costs(archs: Sequence[Arch], limit: Limit, costs: Rows) -> tuple[list[np.ndarray], float]:
    """`costs` of options changed by as little as makes their sums fit `archs`, and the deviation that remains."""
    choices = limit.space.choices
    ends = np.cumsum(choices)
    chosen = np.zeros((len(archs), ends[-1]))
    np.put_along_axis(chosen, np.array(archs, int) + (ends - np.array(choices, int)), 1.0, axis=1)
    missing = np.asarray(limit.cost(archs), float) - chosen @ np.concatenate(costs)
    change = np.linalg.lstsq(chosen, missing)[0]
    return np.split(np.concatenate(costs) + change, ends[:-1]), float(np.std(missing - chosen @ change))


def _tilt(logs: Rows, costs: Rows, limit: Limit) -> list[np.ndarray]:
    """Probabilities in proportion to p·exp(−μ·cost), with μ such that the expected cost is within the limit.

    Of all distributions with that expectation this is the one nearest to p.
    """

    def rows(mu: float) -> list[np.ndarray]:
        raised = [np.exp(log - mu * cost - (log - mu * cost).max()) for log, cost in zip(logs, costs, strict=True)]
        return [row / row.sum() for row in raised]

    def expected(mu: float) -> float:
        return sum(float(row @ cost) for row, cost in zip(rows(mu), costs, strict=True))

    steepest = 1000 / max(sum(float(np.ptp(cost)) for cost in costs), 1e-12)
    low, high = -steepest, steepest  # the expected cost falls as μ grows
    target = min(max(expected(0.0), limit.low), limit.high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) > target else (low, middle)
    return rows(high)
