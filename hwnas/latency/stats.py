"""From raw times on a machine that is never quiet to one figure that repeats, and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from pydantic import ConfigDict
from scipy.stats import binom
from scipy.stats import t as student

REFERENCE_QUANTILE = 0.1
"""Of the reference's times in a session: low, where a machine is left alone, but not the luck of one run."""

QUIET = 1.08
"""A visit is quiet while the reference beside it takes at most so many times its level of the session."""

MIN_QUIET = 12
"""Quiet visits that an estimate needs. Measuring stops when an interval happens to be narrow; at 8 visits such an
interval held the truth of a noisy device in 87 % of cases, at 12 in 92 %."""

BLOCKS = 4
"""Parts of a session that a resampling leaves whole. Few and long, as the clock wanders over many seconds: with 4 the
intervals of two sessions met in 93 % of cases here, with 12 in 61 %."""


@dataclass(frozen=True)
class Estimate:
    """A latency in milliseconds.

    `ms` is the estimate and (`low`, `high`) its 95 % interval, scaled to a reference time, see `estimate`. `minimum`,
    `p50`, `p90` and `p99` are the raw times over all runs of all `rounds`. `outliers` is the share of the visits that
    were not counted, 0 to 1, since the machine was not quiet in them.
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
    outliers: float = 0.0

    @property
    def precision(self) -> float:
        """Half the width of the interval, relative to the estimate."""
        return (self.high - self.low) / 2 / self.ms

    def both_clocks(self, pace: str = "the table's") -> str:
        """The estimate, at `pace` of the reference network, and the median that a stopwatch would show today: a machine
        may be slower than when its table was measured."""
        at_pace = f"{self.ms:.4f} ms ({self.low:.4f} to {self.high:.4f}) at {pace} pace"
        return f"{at_pace}; today, at {self.p50 / self.ms:.2f} of it, {self.p50:.4f} ms"

    def widened(self, uncertainty: float) -> "Estimate":
        """The same where a factor of it is known to ±`uncertainty` only, in the logarithm and independently."""
        below, above = (np.exp(np.hypot(np.log(end / self.ms), uncertainty)) for end in (self.low, self.high))
        return replace(self, low=float(self.ms / below), high=float(self.ms * above))


Visit = tuple[np.ndarray, float]
"""Raw seconds of each run of one visit, and the reference's seconds beside it."""


def quantile_interval(
    values: Sequence[float] | np.ndarray, q: float = 0.5, level: float = 0.95
) -> tuple[float, float, float]:
    """The `q`-quantile, and the bootstrap interval of it (Efron 1979, percentiles) without any resampling.

    Of n values drawn with replacement, those up to the k-th smallest of the originals are binomial in number, with n
    and k/n; so the distribution of a resampled order statistic is known. Where the quantile lies between two of them,
    as a median of an even number does, the interval reaches from the lower end of one to the upper end of the other.
    """
    ordered = np.sort(values)
    low, high = _ends(len(ordered), q, level)
    return float(np.quantile(ordered, q)), float(ordered[low]), float(ordered[high])


@lru_cache(maxsize=4096)
def _ends(count: int, q: float, level: float) -> tuple[int, int]:
    """Which of `count` ordered values are the ends of the bootstrap interval of their `q`-quantile."""
    below, above = np.floor(q * (count - 1)), np.ceil(q * (count - 1))
    up_to = np.arange(1, count + 1) / count
    low = np.argmax(binom.sf(below, count, up_to) >= (1 - level) / 2)
    high = np.argmax(binom.sf(above, count, up_to) >= (1 + level) / 2)
    return int(low), int(high)


def reference_uncertainty(seconds: Sequence[float]) -> float:
    """The relative half-width of the 95 % interval of the reference time, from its `seconds` (`BLOCKS` at least) in
    order.

    By a bootstrap of whole blocks of the session, since a wandering clock and slow spells make neighbours alike; there
    are so few that every resample is computed. A machine that was slow throughout the session looks certain.
    """
    values = np.asarray(seconds)
    order = np.argsort(values)
    block = (np.arange(len(values)) * BLOCKS // len(values))[order]
    resampled = []
    for drawn in product(range(BLOCKS), repeat=BLOCKS):
        up_to = np.cumsum(np.bincount(drawn, minlength=BLOCKS)[block])
        resampled.append(values[order[np.searchsorted(up_to, REFERENCE_QUANTILE * up_to[-1])]])
    few = student.ppf(0.975, BLOCKS - 1) * np.sqrt(BLOCKS / (BLOCKS - 1))  # a spread of few is itself uncertain
    return float(few * np.std(np.log(resampled)))


def is_quiet(visit: Visit, reference_seconds: float) -> bool:
    """Whether nothing else ran during this visit; the reference network takes `reference_seconds` then."""
    return visit[1] <= QUIET * reference_seconds


def estimate(visits: Sequence[Visit], quiet_seconds: float, scale_seconds: float) -> Estimate:
    """The latency on a quiet machine, scaled to a reference time of `scale_seconds`.

    It is the median ratio of a visit's quickest run to the reference beside it, times `scale_seconds`, over the quiet
    visits: those where the reference takes about `quiet_seconds`. Where too few are quiet, the quietest `MIN_QUIET`
    are used.
    """
    counted = _counted([ratio_of(visit) for visit in visits], quiet_seconds)
    middle = np.array(_median_interval(counted)) * scale_seconds * 1e3
    return _with_raw(middle, np.concatenate([seconds for seconds, _ in visits]), len(visits), len(counted))


Ratio = tuple[float, float]
"""What an estimate takes of a visit: its quickest run over the reference beside it, and the reference's seconds."""


def ratio_of(visit: Visit) -> Ratio:
    """The ratio of a visit."""
    seconds, beside = visit
    return float(seconds.min() / beside), beside


def quiet_count(ratios: Sequence[Ratio], quiet_seconds: float) -> int:
    """How many of the visits are quiet, see `is_quiet`."""
    most = QUIET * quiet_seconds
    return sum(beside <= most for _, beside in ratios)


def half_width(ratios: Sequence[Ratio], quiet_seconds: float, scale_seconds: float) -> float:
    """The `precision` of the `estimate` of these visits, without its raw times, which take 50 times as long."""
    ms, low, high = (end * scale_seconds * 1e3 for end in _median_interval(_counted(ratios, quiet_seconds)))
    return (high - low) / 2 / ms


def _counted(ratios: Sequence[Ratio], quiet_seconds: float) -> list[float]:
    """The ratios of the visits that count: the quiet ones, or where they are too few the quietest `MIN_QUIET`."""
    quietest = sorted(ratios, key=lambda ratio: ratio[1])
    return [ratio for ratio, _ in quietest[: max(MIN_QUIET, quiet_count(ratios, quiet_seconds))]]


def _median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """`quantile_interval` of the median, in Python: of 60 values, numpy's quantile takes ten times as long."""
    ordered = sorted(values)
    low, high = _ends(len(ordered), 0.5, 0.95)
    below, above = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return above - (above - below) * 0.5, ordered[low], ordered[high]  # as numpy rounds it


def reference_estimate(seconds: Sequence[float]) -> Estimate:
    """The estimate of the reference network itself: a low quantile over the session, as there is nothing to compare it
    with, and the interval of that."""
    reference_seconds = float(np.quantile(seconds, REFERENCE_QUANTILE))
    quiet = sum(one <= QUIET * reference_seconds for one in seconds)
    level = np.full(3, reference_seconds * 1e3)
    return _with_raw(level, seconds, len(seconds), quiet).widened(reference_uncertainty(seconds))


def _with_raw(middle: np.ndarray, seconds: Sequence[float] | np.ndarray, rounds: int, counted: int) -> Estimate:
    """The estimate and its interval `middle` (3,), beside the raw times, where `counted` of `rounds` visits count."""
    ms, low, high = middle.tolist()
    minimum, p50, p90, p99 = (np.quantile(seconds, (0, 0.5, 0.9, 0.99)) * 1e3).tolist()
    return Estimate(ms, low, high, minimum, p50, p90, p99, rounds, outliers=1 - counted / rounds)
