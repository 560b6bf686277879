"""The raw times of a session: what estimates are made of, and what a checkpoint keeps so that nothing is lost."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .stats import MIN_QUIET, PACE_QUANTILE, Estimate, Visit, estimate, is_quiet, reference_estimate

MIN_SECONDS = 3.0
"""A shorter session could know nothing but a slow spell, which last up to so long."""


@dataclass
class Samples:
    """Visits by key, every time of the reference network, and the seconds that measuring took so far."""

    visits: defaultdict[str, list[Visit]] = field(default_factory=lambda: defaultdict(list))
    reference: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def pace(self) -> float:
        """Seconds that the reference network takes in this session."""
        return float(np.quantile(self.reference, PACE_QUANTILE))

    @property
    def drift(self) -> float:
        """Relative change of the pace from the first half of the session to the second."""
        first, second = (np.quantile(half, PACE_QUANTILE) for half in np.array_split(self.reference, 2))
        return float(second / first - 1)

    def reference_estimate(self) -> Estimate:
        """The reference network's own time, as in a table."""
        return reference_estimate(self.reference)

    @property
    def settled(self) -> bool:
        """Whether the session is long enough to have seen the machine quiet."""
        return self.elapsed >= MIN_SECONDS

    def quiet_pace(self, at: float | None) -> float:
        """Seconds of the reference on this machine when left alone. Early on, an earlier session may know better."""
        return self.pace if at is None or self.settled else min(at, self.pace)

    def estimates(self, keys: Iterable[str], at: float | None = None) -> dict[str, Estimate]:
        """The estimate of each key, told at this session's own pace, or `at` another."""
        pace, told_at = self.quiet_pace(at), self.pace if at is None else at
        return {key: estimate(self.visits[key], pace, told_at) for key in keys}

    def pending(self, keys: Iterable[str], precision: float, at: float | None = None) -> list[str]:
        """Those of `keys` that have too few quiet visits, or an interval wider than ±`precision`."""
        pace = self.quiet_pace(at)
        few = [key for key in keys if sum(is_quiet(visit, pace) for visit in self.visits[key]) < MIN_QUIET]
        exact = self.estimates([key for key in keys if key not in few], at)
        return few + [key for key, found in exact.items() if found.precision > precision]

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form; `from_json` reads it back exactly."""
        visits = {
            key: [[seconds.tolist(), beside] for seconds, beside in visits] for key, visits in self.visits.items()
        }
        return {"visits": visits, "reference": self.reference, "elapsed": self.elapsed}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Samples":
        """Read the plain-JSON form. Raises KeyError, TypeError or ValueError for anything else."""
        samples = Samples(reference=list(map(float, value["reference"])), elapsed=float(value["elapsed"]))
        for key, visits in value["visits"].items():
            samples.visits[key] = [(np.array(seconds, np.float64), float(beside)) for seconds, beside in visits]
        return samples
