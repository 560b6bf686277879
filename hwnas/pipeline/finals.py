"""From probabilities to one network: finalists by probability, ranked by accuracy, decided by the device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ConfigDict

from ..devices.base import Device
from ..errors import InputError
from ..latency.measure import measure_nets
from ..latency.predictor import LatencyPredictor
from ..latency.stats import Estimate
from ..nn.supernet import Supernet
from ..progress import Report
from ..space.space import Arch, SearchSpace
from ..strategies.finalists import most_probable
from ..training.batches import Batches
from ..training.data import Dataset, Split
from ..training.evaluate import recalibrate, top1

MEASURED_AT_ONCE = 4
"""Finalists that go to the device together, the most accurate first."""

USED = 0.95
"""Part of the budget that half of the finalists use."""


@dataclass(frozen=True)
class Finalist:
    """A candidate for the final choice. `accuracy` (0 to 1) is held-out, with the supernet's weights; ms as usual."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    arch: Arch
    probability: float
    predicted_ms: float
    accuracy: float | None = None
    measured: Estimate | None = None


def draw(predictor: LatencyPredictor, probs: np.ndarray, within_ms: float, count: int) -> list[Finalist]:
    """The `count` most probable architectures under `probs` (slots, widest slot) predicted within `within_ms`, and
    the `count` most probable that also need `USED` of it.

    A short search leaves the probabilities broad. The single most probable architectures are then far from the
    expected latency that the search was steered to, and would leave much of the budget, and so accuracy, unused.
    """
    rows = [(probs[slot, :n], predictor.costs[slot, :n]) for slot, n in enumerate(predictor.space.choices)]
    chances, costs = [p for p, _ in rows], [cost for _, cost in rows]
    archs: dict[Arch, None] = {}
    for least in (-np.inf, USED * within_ms):
        found = most_probable(chances, costs, within_ms - predictor.fixed, count, least - predictor.fixed)
        archs |= dict.fromkeys(found)
    return [
        Finalist(arch, float(np.prod([p[i] for (p, _), i in zip(rows, arch, strict=True)])), float(ms))
        for arch, ms in zip(archs, predictor.cost(list(archs)) if archs else (), strict=True)
    ]


def rank(
    finalists: Sequence[Finalist],
    supernet: Supernet,
    dataset: Dataset,
    recalibration: Batches,
    images: int,
    held: Split,
    report: Report,
) -> list[Finalist]:
    """`finalists` with their held-out accuracy, the most accurate first; BatchNorm is recalibrated over `images`."""
    ranked = []
    for done, finalist in enumerate(finalists, 1):
        child = recalibrate(supernet.extract(finalist.arch), recalibration, images)
        ranked.append(replace(finalist, accuracy=top1(child, held, dataset)))
        report(done, "")
    return sorted(ranked, key=lambda finalist: -finalist.accuracy)


@dataclass(frozen=True)
class Judge:
    """A `device` that is up and measures networks of `space`, told at `pace`, for `time_limit` seconds at a time."""

    device: Device
    space: SearchSpace
    pace: float
    time_limit: float

    def measured(self, finalists: Sequence[Finalist]) -> list[Finalist]:
        """The same with their measured latency."""
        nets = [self.space.derive(finalist.arch) for finalist in finalists]
        found = measure_nets(self.device, nets, pace=self.pace, time_limit=self.time_limit)
        return [replace(finalist, measured=estimate) for finalist, estimate in zip(finalists, found, strict=True)]


def most_accurate(ranked: Sequence[Finalist], budget_ms: float) -> Finalist:
    """The first finalist of a ranking. Raises `InputError` where there is none."""
    if not ranked:
        raise InputError(f"no network is predicted to be within {budget_ms:g} ms with room for error: allow more time")
    return ranked[0]


def decide(
    ranked: Sequence[Finalist],
    judge: Judge,
    budget_ms: float,
    draw_more: Callable[[float], Sequence[Finalist]],
) -> tuple[Finalist, list[Finalist]]:
    """The most accurate finalist whose measured interval ends within the budget, and all finalists as then known.

    Measuring goes down the ranking a few at a time. Where none fits, the table flatters this corner of the space:
    `draw_more(ratio)` ranks new finalists, whose prediction times `ratio` (the median of measured over predicted so
    far) is still within. Raises `InputError` if those do not fit either.
    """
    most_accurate(ranked, budget_ms)
    known: list[Finalist] = []
    for _ in range(3):
        if not ranked:
            break
        for start in range(0, len(ranked), MEASURED_AT_ONCE):
            some = judge.measured(ranked[start : start + MEASURED_AT_ONCE])
            known += some
            for finalist in some:
                if finalist.measured.high <= budget_ms:
                    return finalist, known + list(ranked[start + MEASURED_AT_ONCE :])
        ratios = [finalist.measured.high / finalist.predicted_ms for finalist in known]
        ranked = draw_more(float(np.median(ratios)))
    nearest = min(known, key=lambda finalist: finalist.measured.high).measured
    raise InputError(
        f"of {len(known)} finalists none measures within {budget_ms:g} ms (the fastest: {nearest.ms:.4g} ms): "
        "profile the device again, or allow more time"
    )
