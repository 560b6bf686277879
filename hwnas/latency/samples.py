"""The raw times of a session: what estimates are made of, and what a checkpoint keeps so that nothing is lost."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .stats import PACE_QUANTILE, Estimate, Visit, estimate, reference_estimate


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

    def estimates(self, keys: Iterable[str], at: float | None = None) -> dict[str, Estimate]:
        """The estimate of each key at this session's own pace, or `at` another."""
        at = self.pace if at is None else at
        return {key: estimate(self.visits[key], at) for key in keys}

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
