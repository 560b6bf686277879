"""All architectures within a budget, the most probable first, where every slot costs for itself."""

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from ...space.space import Arch


def by_probability(
    probs: Sequence[np.ndarray],
    costs: Sequence[np.ndarray],
    budget: float,
    floor: float = -np.inf,
    opened: float = np.inf,
) -> Iterator[Arch]:
    """Every architecture that costs `floor` to `budget`, the most probable first, until `opened` prefixes are.

    `probs` and `costs` hold one row per slot, of that slot's length; the cost of an architecture is the sum. This is
    best-first search over prefixes, A*. The bound on what a prefix can still reach is Lagrangian: the rest costs at
    most `high`, what the prefix leaves of the budget, so for any μ ≥ 0 its log-probability is at most
    Σ max_i(log p_i − μ·cost_i) + μ·high; it costs at least `low`, so for μ < 0 the same holds with `low`. The best μ
    makes the bound nearly tight, so that few prefixes are opened even where all that is probable costs too much.
    """
    logs = [np.log(np.maximum(row, 1e-30)) for row in probs]
    least, most = (_suffix_sums([pick(row) for row in costs]) for pick in (np.min, np.max))
    rounding = 1e-9 * abs(most[0])  # the caller may have added up the very same costs in another order
    floor, budget = floor - rounding, budget + rounding
    low, high = max(floor, least[0]), min(budget, most[0])
    if low > high:
        return

    def slack(mu: float, low: float, high: float) -> float:
        return mu * (high if mu > 0 else low)

    def bound(mu: float) -> float:
        return sum(float((log - mu * cost).max()) for log, cost in zip(logs, costs, strict=True)) + slack(mu, low, high)

    widest = max(float(np.ptp(cost)) for cost in costs) or 1.0
    steepest = max(float(np.ptp(log)) for log in logs) / widest * 100 + 1e-9
    found = minimize_scalar(bound, bounds=(-steepest, steepest), method="bounded", options={"xatol": 1e-9 * steepest})
    mu = min(0.0, float(found.x), key=bound)
    rest = _suffix_sums([(log - mu * cost).max() for log, cost in zip(logs, costs, strict=True)])
    heap: list[tuple[float, int, Arch, float, float]] = [(0.0, 0, (), 0.0, 0.0)]
    while heap and opened > 0:
        opened -= 1
        _, _, prefix, log, spent = heapq.heappop(heap)
        slot = len(prefix)
        if slot == len(logs):
            yield prefix
            continue
        for index, (more_log, more_cost) in enumerate(zip(logs[slot], costs[slot], strict=True)):
            reached, paid = log + float(more_log), spent + float(more_cost)
            if paid + least[slot + 1] > budget or paid + most[slot + 1] < floor:
                continue
            # A whole architecture has no rest to bound: its priority is its log-probability itself.
            whole = slot + 1 == len(logs)
            upper = reached if whole else reached + rest[slot + 1] + slack(mu, low - paid, high - paid)
            # Rounded, so that equals tie and the deeper one is opened first: flat probabilities would else open all.
            heapq.heappush(heap, (-round(upper, 9), -slot, (*prefix, index), reached, paid))


def _suffix_sums(values: Sequence[float]) -> np.ndarray:
    """Element i is the sum of `values` from i on; one more than there are values."""
    return np.cumsum([0.0, *values[::-1]])[::-1]
