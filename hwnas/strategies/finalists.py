"""The most probable architectures within a budget, exactly."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from scipy.optimize import minimize_scalar

from ..space.space import Arch


def most_probable(probs: Sequence[np.ndarray], costs: Sequence[np.ndarray], budget: float, limit: int) -> list[Arch]:
    """The `limit` (or all, if fewer) most probable architectures whose summed cost is at most `budget`, best first.

    `probs` and `costs` hold one row per slot, of that slot's length. This is best-first search over prefixes, A*.
    The bound on what a prefix can still reach is Lagrangian: for any μ ≥ 0, the log-probability of the rest within
    the budget that is left is at most Σ max_i(log p_i − μ·cost_i) + μ·left. The best μ makes it nearly tight, so that
    few prefixes are opened even where the most probable architectures are all over the budget.
    """
    return list(islice(_by_probability(probs, costs, budget), limit))


def _by_probability(probs: Sequence[np.ndarray], costs: Sequence[np.ndarray], budget: float) -> Iterator[Arch]:
    logs = [np.log(np.maximum(row, 1e-30)) for row in probs]
    # With every slot's cheapest candidate subtracted, costs are >= 0 and `budget` is what there is to spend.
    budget = budget - sum(float(row.min()) for row in costs)
    costs = [row - row.min() for row in costs]
    if budget < 0:
        return

    def bound(mu: float) -> float:
        return sum(float((log - mu * cost).max()) for log, cost in zip(logs, costs, strict=True)) + mu * budget

    widest = max(float(cost.max()) for cost in costs) or 1.0
    steepest = max(float(np.ptp(log)) for log in logs) / widest * 100 + 1e-9
    found = minimize_scalar(bound, bounds=(0, steepest), method="bounded", options={"xatol": 1e-9 * steepest})
    mu = min(0.0, float(found.x), key=bound)
    rest = np.cumsum([0.0, *((log - mu * cost).max() for log, cost in zip(logs[::-1], costs[::-1], strict=True))])[::-1]
    heap: list[tuple[float, int, Arch, float, float]] = [(0.0, 0, (), 0.0, budget)]
    while heap:
        _, _, prefix, log, left = heapq.heappop(heap)
        slot = len(prefix)
        if slot == len(logs):
            yield prefix
            continue
        for index in np.flatnonzero(costs[slot] <= left):
            reached, remaining = log + float(logs[slot][index]), left - float(costs[slot][index])
            # A whole architecture has no rest to bound: its priority is its log-probability itself.
            upper = reached + (rest[slot + 1] + mu * remaining if slot + 1 < len(logs) else 0.0)
            # Rounded, so that equals tie and the deeper one is opened first: flat probabilities would else open all.
            heapq.heappush(heap, (-round(upper, 9), -slot, (*prefix, int(index)), reached, remaining))
