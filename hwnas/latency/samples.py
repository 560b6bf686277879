"""The raw times of a session: what estimates are computed from, and what a checkpoint stores."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..devices.base import DeviceState
from .stats import (
    MIN_QUIET,
    REFERENCE_QUANTILE,
    Estimate,
    Ratio,
    Visit,
    estimate,
    half_width,
    is_quiet,
    quiet_count,
    ratio_of,
    reference_estimate,
    reference_uncertainty,
)

MIN_SECONDS = 3.0
"""A shorter session may have seen nothing but a slow spell, which last up to so long."""


@dataclass
class Samples:
    """Visits by key, every time of the reference network, and the seconds that measuring took so far.

    `readings` are the states of the device, each with the number of visits made by then.
    """

    visits: defaultdict[str, list[Visit]] = field(default_factory=lambda: defaultdict(list))
    reference: list[float] = field(default_factory=list)
    readings: list[tuple[int, DeviceState]] = field(default_factory=list)
    elapsed: float = 0.0
    _ratios: defaultdict[str, list[Ratio]] = field(
        default_factory=lambda: defaultdict(list), init=False, repr=False, compare=False
    )

    @property
    def reference_seconds(self) -> float:
        """Seconds that the reference network takes in this session."""
        return float(np.quantile(self.reference, REFERENCE_QUANTILE))

    def reference_estimate(self) -> Estimate:
        """The reference network's own time, as in a table."""
        return reference_estimate(self.reference)

    @property
    def long_enough(self) -> bool:
        """Whether the session is long enough to have seen the machine quiet."""
        return self.elapsed >= MIN_SECONDS

    def quiet_reference_seconds(self, at: float | None) -> float:
        """Seconds of the reference network on this machine while nothing else runs.

        That of this session, or early on the lower of it and `at`, the reference time of an earlier session.
        """
        return self.reference_seconds if at is None or self.long_enough else min(at, self.reference_seconds)

    def estimates(self, keys: Iterable[str], at: float | None = None) -> dict[str, Estimate]:
        """The estimate of each key, scaled to this session's own reference time, or to that of an earlier one, `at`.

        At its own, the uncertainty of the reference time is part of every interval.
        """
        if at is not None:
            return self._estimates(keys, at)
        uncertainty = reference_uncertainty(self.reference)
        return {key: found.widened(uncertainty) for key, found in self._estimates(keys, at).items()}

    def _estimates(self, keys: Iterable[str], at: float | None) -> dict[str, Estimate]:
        """The same with the reference time taken as exact."""
        quiet_seconds, scale_seconds = self.quiet_reference_seconds(at), self.reference_seconds if at is None else at
        return {key: estimate(self.visits[key], quiet_seconds, scale_seconds) for key in keys}

    def split_half_ms(self, key: str) -> tuple[float, float]:
        """The latency of `key` in ms by every other quiet visit and by the rest: as if measured twice."""
        own = self.reference_seconds
        quiet = [visit for visit in self.visits[key] if is_quiet(visit, own)]
        counted = quiet if len(quiet) > 1 else self.visits[key]
        first, second = (estimate(counted[start::2], own, own).ms for start in (0, 1))
        return first, second

    def pending(self, keys: Iterable[str], precision: float, at: float | None = None) -> list[str]:
        """Those of `keys` that have too few quiet visits, or an interval wider than ±`precision`.

        The reference time counts as exact here: more visits to one of the models would not make it more certain, it is
        the same for all of them, and it cancels wherever figures are compared at one reference time.
        """
        quiet_seconds, scale_seconds = self.quiet_reference_seconds(at), self.reference_seconds if at is None else at
        few, imprecise = [], []
        for key in keys:
            ratios = self._ratios_of(key)
            if quiet_count(ratios, quiet_seconds) < MIN_QUIET:
                few.append(key)
            elif half_width(ratios, quiet_seconds, scale_seconds) > precision:
                imprecise.append(key)
        return few + imprecise

    def _ratios_of(self, key: str) -> list[Ratio]:
        """The ratio of every visit to `key`, each computed once: after every round they are asked for again."""
        known = self._ratios[key]
        known += [ratio_of(visit) for visit in self.visits[key][len(known) :]]
        return known

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form; `from_json` reads it back exactly."""
        visits = {
            key: [[seconds.tolist(), beside] for seconds, beside in visits] for key, visits in self.visits.items()
        }
        readings = [[visits, asdict(state)] for visits, state in self.readings]
        return {"visits": visits, "reference": self.reference, "readings": readings, "elapsed": self.elapsed}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Samples":
        """Read the plain-JSON form. Raises KeyError, TypeError or ValueError for anything else."""
        samples = Samples(reference=list(map(float, value["reference"])), elapsed=float(value["elapsed"]))
        samples.readings = [(int(visits), DeviceState(**state)) for visits, state in value["readings"]]
        for key, visits in value["visits"].items():
            samples.visits[key] = [(np.array(seconds, np.float64), float(beside)) for seconds, beside in visits]
        return samples
