"""From raw times on a machine that is never quiet to one figure that repeats, and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import ConfigDict
from scipy.stats import binom

PACE_QUANTILE = 0.1
"""Of the reference's times in a session: low, where a machine is left alone, but not the luck of one run."""


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


@dataclass
class Visits:
    """All that was measured of one model: for each visit its raw seconds, and the reference's time beside it."""

    seconds: list[np.ndarray] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    def add(self, seconds: np.ndarray, beside: float) -> None:
        """Take in one visit."""
        self.seconds.append(seconds)
        self.beside.append(beside)

    def __len__(self) -> int:
        return len(self.seconds)


def pace(reference: Sequence[float]) -> float:
    """The level of the reference's seconds over a session."""
    return float(np.quantile(reference, PACE_QUANTILE))


def median_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """The median and an interval that holds the true one in `level` of all cases whatever the distribution, between
    two order statistics. Under 6 values no two can promise 95 %: it is then all the values, and promises less."""
    ordered = np.sort(values)
    skipped = max(0, int(binom.ppf((1 - level) / 2, len(ordered), 0.5)) - 1)
    return float(np.median(ordered)), float(ordered[skipped]), float(ordered[len(ordered) - 1 - skipped])


def estimate(visits: Visits, pace: float) -> Estimate:
    """The latency where the reference takes `pace` seconds: the median over visits of the ratio to it, times `pace`.

    A visit counts by its quickest run, as the reference beside it does.
    """
    quickest = np.array([seconds.min() for seconds in visits.seconds])
    middle = np.array(median_interval(quickest / np.array(visits.beside))) * pace * 1e3
    raw = np.quantile(np.concatenate(visits.seconds), (0, 0.5, 0.9, 0.99)) * 1e3
    return Estimate(*map(float, middle), *map(float, raw), rounds=len(visits))
