"""The quality of predictions: errors on held-out labels, the noise of the labels, and calibrated intervals."""

from dataclasses import dataclass

import numpy as np
from pydantic import ConfigDict
from scipy.stats import norm, spearmanr


@dataclass(frozen=True)
class Quality:
    """Errors of a predictor at `labels` networks that it had not seen (cross-validated).

    `rmspe` is the root mean square of the relative errors, `within_10` the share within ±10 %. No predictor can beat
    the noise of the labels themselves: `noise` is their relative standard deviation, and `ceiling` the rank
    correlation that a perfect predictor would reach, both from measuring twice (None where nothing was).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    labels: int
    spearman: float
    rmspe: float
    within_10: float
    noise: float | None = None
    ceiling: float | None = None

    def __str__(self) -> str:
        most = "" if self.noise is None else f" (noise of the measurements: {self.noise:.1%})"
        best = "" if self.ceiling is None else f" (at best {self.ceiling:.3f})"
        return (
            f"held-out error {self.rmspe:.1%}{most}, Spearman {self.spearman:.3f}{best}, "
            f"{self.within_10:.0%} within ±10 %, of {self.labels} networks"
        )


def errors(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float, float]:
    """Spearman rank correlation, RMSPE and share within ±10 % of predictions, all in the same unit."""
    relative = predicted / measured - 1
    return _rank(predicted, measured), float(np.sqrt(np.mean(relative**2))), float(np.mean(np.abs(relative) <= 0.1))


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation; 0 where all values of one are the same, which ranks nothing."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def noise_of(halves: np.ndarray) -> tuple[float, float]:
    """Relative noise of labels that are each the mean of two, `halves` (N, 2), and the best possible Spearman.

    The mean of two has half the deviation of their difference. Its reliability follows from theirs by the formula of
    Spearman and Brown; no prediction correlates with a label better than the root of it.
    """
    first, second = halves.T
    relative = 2 * (first - second) / (first + second)
    between = max(0.0, _rank(first, second))
    return float(np.sqrt(np.mean(relative**2)) / 2), float(np.sqrt(2 * between / (1 + between)))


PRIOR_SCORES = norm.ppf(0.5 + 0.5 * np.array([1, 3, 5]) / 6)
"""Scores added to those of the labels, as if three more had errors as large as the model expects: ten that all happen
to be right must not make an interval narrow. They change nothing once there are more."""


def conformal(scores: np.ndarray, level: float) -> float:
    """How many predicted deviations either side make an interval that holds `level` of new measurements.

    `scores` are |error| / predicted deviation of held-out labels. The ⌈(n + 1) · level⌉-th smallest keeps the promise
    whatever the distribution of the errors (split conformal prediction: 1604.04173, §2). Where n labels are too few
    for the level asked for, their largest is carried on along the tail of a normal distribution.
    """
    ordered = np.sort(np.append(scores, PRIOR_SCORES))
    count = len(ordered)
    rank = int(np.ceil((count + 1) * level))
    if rank <= count:
        return float(ordered[rank - 1])
    reached = norm.ppf(0.5 + 0.5 * count / (count + 1))
    return float(ordered[-1] * norm.ppf(0.5 + 0.5 * level) / reached)
