"""Latencies of finalists on the device, measured again where a bad moment may have slowed some of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import hypot, log
from time import sleep

import numpy as np

from ..devices.base import Device
from ..latency.measure import measure_nets
from ..latency.stats import Estimate
from ..progress import Progress, show_progress
from ..space.space import SearchSpace
from .record import Finalist

PAUSES = (0.1, 0.5)
"""Before each time that finalists are measured again, at most: how long to wait, as a share of the seconds that a
measurement may take. Spells in which something else runs last from 0.05 to 3 s (see `latency.measure`), and 20 s are
allowed unless told otherwise."""
RANGE = 3.86
"""The largest of five normal values is within so many standard deviations of the smallest in 95 % of cases: four
finalists, and what they are expected to be."""
LEAST_ERROR = 0.01
"""Relative standard error that any prediction has at least: a table of few networks can show less by luck."""
AGREEMENT = 0.02
"""Relative difference of two measurements of one network, beside their intervals, that is no disturbance."""


@dataclass
class FinalistMeter:
    """A `device` that is up and measures networks of `space` at `reference_seconds`, `seconds` at a time.

    `error` is the relative standard error of predictions. `repeats` counts how often finalists were measured again,
    and `disturbed` those whose first measurement was not confirmed.
    """

    device: Device
    space: SearchSpace
    reference_seconds: float
    seconds: float
    error: float
    progress: Progress = None
    repeats: int = 0
    disturbed: int = 0
    _ratios: list[float] = field(default_factory=list)

    def measure(self, finalists: Sequence[Finalist]) -> list[tuple[Finalist, Estimate]]:
        """Each of `finalists`, with what it measures noted in it.

        Where the ratios of measured to predicted scatter by more than the errors of both explain, among each other or
        round those of earlier finalists, all are measured once more, later; and a third time those whose two
        measurements disagree, of which the middle one counts. A scatter that is confirmed is the predictor's own.
        """
        found = [[estimate] for estimate in self._measure_once(finalists)]
        doubtful = list(range(len(finalists))) if self._scatters(finalists, found) else []
        for pause in PAUSES:
            if not doubtful:
                break
            sleep(pause * self.seconds)
            self.repeats += 1
            again = self._measure_once([finalists[index] for index in doubtful])
            for index, estimate in zip(doubtful, again, strict=True):
                found[index].append(estimate)
            doubtful = [index for index in doubtful if not agree(*found[index][-2:])]
        settled = [middle(estimates) for estimates in found]
        confirmed = [agree(estimates[0], counted) for estimates, counted in zip(found, settled, strict=True)]
        self.disturbed += confirmed.count(False)
        self._learn(finalists, settled)
        return [(replace(one, measured=at), at) for one, at in zip(finalists, settled, strict=True)]

    @property
    def flags(self) -> tuple[str, ...]:
        """What to know of the measurements of finalists, each in a sentence."""
        text = f"latency: {self.disturbed} finalists were measured in a bad moment, and again: {self.repeats} repeats"
        return (text,) if self.disturbed else ()

    def _measure_once(self, finalists: Sequence[Finalist]) -> list[Estimate]:
        nets = [self.space.derive(finalist.arch) for finalist in finalists]
        with show_progress("measure", len(nets), self.progress) as report:
            return measure_nets(
                self.device, nets, reference_seconds=self.reference_seconds, time_limit=self.seconds, report=report
            )

    def _scatters(self, finalists: Sequence[Finalist], found: Sequence[Sequence[Estimate]]) -> bool:
        """Whether the ratios, and what earlier ones let expect, lie further apart than errors explain."""
        first = [estimates[0] for estimates in found]
        apart = self._apart(list(logarithms(finalists, first)))
        return apart > RANGE * hypot(max(self.error, LEAST_ERROR), max(estimate.precision for estimate in first) / 1.96)

    def _apart(self, ratios: Sequence[float]) -> float:
        """The distance between the largest and the smallest of logarithms of ratios and the one that is expected."""
        expected = float(np.median(self._ratios)) if self._ratios else 0.0
        return max(*ratios, expected) - min(*ratios, expected)

    def _learn(self, finalists: Sequence[Finalist], settled: Sequence[Estimate]) -> None:
        """Expect the next ratios where these are, and as far apart."""
        ratios = list(logarithms(finalists, settled))
        self.error = max(self.error, self._apart(ratios) / RANGE)
        self._ratios += ratios


def logarithms(finalists: Sequence[Finalist], found: Sequence[Estimate]) -> Iterator[float]:
    """The logarithm of measured to predicted of each."""
    for finalist, estimate in zip(finalists, found, strict=True):
        yield log(estimate.ms / finalist.predicted_ms)


def agree(first: Estimate, second: Estimate) -> bool:
    """Whether two measurements of one network differ by no more than their intervals, and what is usual, explain."""
    return abs(log(first.ms / second.ms)) <= AGREEMENT + hypot(first.precision, second.precision)


def middle(estimates: Sequence[Estimate]) -> Estimate:
    """The estimate that counts: the middle one of three; of two, which agree, the first."""
    return sorted(estimates, key=lambda estimate: estimate.ms)[1] if len(estimates) > 2 else estimates[0]
