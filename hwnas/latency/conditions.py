"""The state of a device during a session, as it reports it and as the times show it, and the flags that follow."""

from collections.abc import Iterator
from itertools import combinations, pairwise
from time import monotonic
from typing import TypeVar

import numpy as np

from ..devices.base import Device, DeviceState
from .samples import Samples
from .stats import MIN_QUIET, QUIET, REFERENCE_QUANTILE, Visit, is_quiet, quantile_interval

T = TypeVar("T")

EVERY = 0.5
"""Seconds of measuring from one reading of the device's state to the next."""

COST = 0.01
"""Share of a session that readings may take, so that a state that is slow to read is read less often."""

PARTS = 4
"""A session's readings are compared in so many parts, of at least `FEW` each: a single one may be an outlier."""

FEW = 3

CLOCK = 0.05
"""A change of the device's clock that is worth a flag."""

DRIFT = 0.05
"""A change of the reference time, or of a model's relative to it, that is worth a flag."""

HOTTER, SLOWER = 5.0, 0.03
"""So many °C more, and the reference so much slower then: together these are worth a flag."""

DISTURBED = 0.4
"""Share of the visits that a session can lose and still count as quiet. Undisturbed ones lose a tenth here."""


class Conditions:
    """Read the state of `device` into `samples`, seldom enough to cost nothing."""

    def __init__(self, device: Device, samples: Samples) -> None:
        self.device, self.samples = device, samples
        self._due = 0.0

    def read(self) -> None:
        """Read the state now. Right after a visit, as an idle core clocks down at once."""
        started = monotonic()
        state = self.device.state()
        self.samples.readings.append((len(self.samples.reference), state))
        self._due = self.samples.elapsed + max(EVERY, (monotonic() - started) / COST)

    def read_if_due(self) -> None:
        """Read the state if the last time is long enough ago."""
        if self.samples.elapsed >= self._due:
            self.read()


def flags(samples: Samples, reference_seconds: float | None) -> Iterator[str]:
    """What was not as it should be while `samples` were taken, each in a sentence that begins with a word for it.

    `reference_seconds` is the earlier reference time that the estimates are scaled to, if any.
    """
    if reference_seconds is None and not samples.long_enough:
        yield f"short: in {samples.elapsed:.1f} s of measuring there may have been nothing but a slow spell"
    yield from _clock(samples)
    yield from _throttled(samples)
    yield from _drift(samples)
    yield from _disturbed(samples, reference_seconds)
    yield from _changed(samples, reference_seconds)


def _clock(samples: Samples) -> Iterator[str]:
    states = [state.mhz for _, state in samples.readings if state.mhz is not None]
    clocks = [float(np.median(part)) for part in _parts(states)]
    if clocks and max(clocks) > (1 + CLOCK) * min(clocks):
        yield f"clock: it was at {max(clocks):.0f} MHz in one part of the session and at {min(clocks):.0f} in another"


def _throttled(samples: Samples) -> Iterator[str]:
    """The device says so, or gets hotter and slower at once."""
    said = [state.throttled for _, state in samples.readings if state.throttled is not None]
    if any(said):
        yield f"throttled: the device says that it held its clock back, in {sum(said)} of {len(said)} readings"
        return
    for before, after in combinations(_parts([one for one in samples.readings if one[1].celsius is not None]), 2):
        hotter, slower = _heat(after) - _heat(before), _slowness(samples, after) / _slowness(samples, before) - 1
        if hotter >= HOTTER and slower > SLOWER:
            yield f"throttled: the device got {hotter:.0f} °C hotter and the reference network {slower:.1%} slower"
            return


Reading = tuple[int, DeviceState]
"""A state, and the number of visits made by then."""


def _heat(readings: list[Reading]) -> float:
    return float(np.median([state.celsius for _, state in readings if state.celsius is not None]))


def _slowness(samples: Samples, readings: list[Reading]) -> float:
    """Seconds of the reference while `readings` were taken."""
    end = max(1, readings[-1][0])
    start = min(end - 1, readings[0][0])
    return float(np.quantile(samples.reference[start:end], REFERENCE_QUANTILE))


def _parts(readings: list[T]) -> list[list[T]]:
    """`readings` in order, in as many parts as there are enough of them for."""
    ends = np.linspace(0, len(readings), min(PARTS, len(readings) // FEW) + 1).astype(int)
    return [readings[start:end] for start, end in pairwise(ends)]


def _drift(samples: Samples) -> Iterator[str]:
    """The first third against the last: a disturbance that begins near the middle leaves no half quiet or slow."""
    first, _, last = (np.quantile(third, REFERENCE_QUANTILE) for third in np.array_split(samples.reference, 3))
    if abs(last / first - 1) > DRIFT:
        yield f"drift: the reference network took {last / first - 1:+.1%} at the end of the session"


def _disturbed(samples: Samples, reference_seconds: float | None) -> Iterator[str]:
    own = samples.quiet_reference_seconds(reference_seconds)
    lost = 1 - np.mean([is_quiet(visit, own) for visits in samples.visits.values() for visit in visits])
    if lost > DISTURBED:
        yield f"disturbed: {lost:.0%} of the visits found the reference slower than when quiet, and do not count"
    if reference_seconds is not None and samples.reference_seconds > QUIET * reference_seconds:
        times = samples.reference_seconds / reference_seconds
        slower = f"the reference network took {times:.2f} times what it did in the earlier session"
        yield f"slower: {slower}: another clock, or something else ran all the time"


def _changed(samples: Samples, reference_seconds: float | None) -> Iterator[str]:
    """Models that something slowed in one half of the session, but not the reference: use of the cache or memory."""
    own = samples.quiet_reference_seconds(reference_seconds)
    count = sum(_halves_differ([v for v in visits if is_quiet(v, own)]) for visits in samples.visits.values())
    if count:
        of = len(samples.visits)
        yield f"changed: {count} of {of} models, against the reference, in the second half of their visits"


def _halves_differ(visits: list[Visit]) -> bool:
    """Whether the intervals of the two halves lie apart, by more than `DRIFT` from one median to the other."""
    if len(visits) < MIN_QUIET:
        return False
    ratios = [seconds.min() / beside for seconds, beside in visits]
    halves = (quantile_interval(half) for half in np.array_split(ratios, 2))
    (quick, _, high), (slow, low, _) = sorted(halves)
    return low > high and slow > (1 + DRIFT) * quick
