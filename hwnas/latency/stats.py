"""From raw times on a machine that is never quiet to one figure that repeats, and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ConfigDict
from scipy.stats import binom

PACE_QUANTILE = 0.1
"""Of the reference's times in a session: low, where a machine is left alone, but not the luck of one run."""

QUIET = 1.08
"""A visit is quiet while the reference beside it takes at most so many times its pace."""

MIN_QUIET = 8
"""Quiet visits that an estimate needs: fewer give no 95 % interval worth the name."""


@dataclass(frozen=True)
class Estimate:
    """A latency in milliseconds.

    `ms` is the estimate and (`low`, `high`) its 95 % interval, both at the pace of the reference network that they
    are told at. `minimum`, `p50`, `p90` and `p99` are what the clock said over all runs of all `rounds`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    ms: float
    low: float
    high: float
    minimum: float
    p50: float
    p90: float
    p99: float
    rounds: int

    @property
    def precision(self) -> float:
        """Half the width of the interval, relative to the estimate."""
        return (self.high - self.low) / 2 / self.ms


Visit = tuple[np.ndarray, float]
"""Raw seconds of each run of one visit, and the reference's seconds beside it."""


def quantile_interval(values: Sequence[float], q: float = 0.5, level: float = 0.95) -> tuple[float, float, float]:
    """The `q`-quantile, and two of `values` between which the true one lies in `level` of cases, whatever the
    distribution (binomial order statistics). Of too few values (under 6 for a median) it is all, and promises less."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    below, above = binom.ppf(((1 - level) / 2, (1 + level) / 2), len(ordered), q)
    low, high = ordered[max(0, int(below) - 1)], ordered[min(last, int(above))]
    return float(np.quantile(ordered, q)), float(low), float(high)


def is_quiet(visit: Visit, pace: float) -> bool:
    """Whether the machine was left alone in this visit, where the reference takes `pace` seconds if it is."""
    return visit[1] <= QUIET * pace


def estimate(visits: Sequence[Visit], pace: float, told_at: float) -> Estimate:
    """The latency of a quiet machine whose pace is `pace`, told where the reference takes `told_at` seconds.

    It is the median ratio of a visit's quickest run to the reference beside it, over the quiet visits, times
    `told_at`. Where too few are quiet, the quietest `MIN_QUIET` have to do.
    """
    quietest = sorted(visits, key=lambda visit: visit[1])
    count = max(MIN_QUIET, sum(is_quiet(visit, pace) for visit in visits))
    ratios = np.array([seconds.min() / beside for seconds, beside in quietest[:count]])
    middle = np.array(quantile_interval(ratios)) * told_at * 1e3
    raw = np.quantile(np.concatenate([seconds for seconds, _ in visits]), (0, 0.5, 0.9, 0.99)) * 1e3
    return Estimate(*map(float, middle), *map(float, raw), rounds=len(visits))


def reference_estimate(seconds: Sequence[float]) -> Estimate:
    """Of the reference itself: its level over a session is a low quantile, as there is nothing to compare it with."""
    level = np.array(quantile_interval(seconds, PACE_QUANTILE)) * 1e3
    raw = np.quantile(seconds, (0, 0.5, 0.9, 0.99)) * 1e3
    return Estimate(*map(float, level), *map(float, raw), rounds=len(seconds))
