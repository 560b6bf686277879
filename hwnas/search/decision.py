"""From finalists to one network: the device decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ConfigDict

from ..devices.base import Device
from ..errors import InputError
from ..latency.measure import measure_nets
from ..latency.stats import Estimate
from ..space.space import Arch, SearchSpace

MEASURED_AT_ONCE = 4
"""Finalists that go to the device together, the best first."""
ROUNDS = 3
"""How often new finalists are drawn, at most, where none of the last fits."""


@dataclass(frozen=True)
class Finalist:
    """A candidate for the final choice. `score` is its evaluator's, the larger the better: the share of held-out
    images that are right where the supernet's weights are judged by; ms as usual."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    arch: Arch
    predicted_ms: float
    score: float
    measured: Estimate | None = None


@dataclass(frozen=True)
class Judge:
    """A `device` that is up and measures networks of `space`, told at `pace`, for `time_limit` seconds at a time."""

    device: Device
    space: SearchSpace
    reference_seconds: float
    time_limit: float

    def measured(self, finalists: Sequence[Finalist]) -> list[Finalist]:
        """The same with their measured latency."""
        nets = [self.space.derive(finalist.arch) for finalist in finalists]
        found = measure_nets(self.device, nets, reference_seconds=self.reference_seconds, time_limit=self.time_limit)
        return [replace(finalist, measured=estimate) for finalist, estimate in zip(finalists, found, strict=True)]


def best_of(ranked: Sequence[Finalist], latency_ms: float) -> Finalist:
    """The first finalist of a ranking. Raises `InputError` where there is none."""
    if not ranked:
        raise InputError(
            f"no network that was looked at is predicted to use {latency_ms:g} ms and be within, with room for error: "
            "allow more time, or look at more"
        )
    return ranked[0]


def decide(
    ranked: Sequence[Finalist],
    judge: Judge,
    latency_ms: float,
    least_ms: float,
    draw_more: Callable[[float], Sequence[Finalist]],
) -> tuple[Finalist, list[Finalist]]:
    """The best finalist that takes `least_ms` or more, and whose measured interval ends within the budget; and all
    finalists as then known.

    Measuring goes down the ranking a few at a time. Where none fits, the table flatters this corner of the space, or
    the opposite: `draw_more(ratio)` ranks new finalists, whose prediction times `ratio` (which three in four of those
    measured so far were under) is within the budget. Where nothing fits after three rounds, the best that is fast
    enough is chosen. Raises `InputError` where none is.
    """
    best_of(ranked, latency_ms)
    known: list[Finalist] = []
    for _ in range(ROUNDS):
        seen = {finalist.arch for finalist in known}
        ranked = [finalist for finalist in ranked if finalist.arch not in seen]
        for start in range(0, len(ranked), MEASURED_AT_ONCE):
            some = judge.measured(ranked[start : start + MEASURED_AT_ONCE])
            known += some
            for finalist in some:
                if least_ms <= finalist.measured.ms and finalist.measured.high <= latency_ms:
                    return finalist, _by_score(known + ranked[start + MEASURED_AT_ONCE :])
        ratios = [finalist.measured.high / finalist.predicted_ms for finalist in known]
        ranked = draw_more(float(np.quantile(ratios, 0.75)))
    fast = [finalist for finalist in known if finalist.measured.high <= latency_ms]
    if fast:
        return max(fast, key=lambda finalist: finalist.score), _by_score(known)
    nearest = min(known, key=lambda finalist: finalist.measured.high).measured
    raise InputError(
        f"of {len(known)} finalists none measures within {latency_ms:g} ms (the fastest: {nearest.ms:.4g} ms): "
        "profile the device again, or allow more time"
    )


def _by_score(finalists: Sequence[Finalist]) -> list[Finalist]:
    return sorted(finalists, key=lambda finalist: -finalist.score)
