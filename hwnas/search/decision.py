"""From finalists to one network: the device decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..latency.stats import Estimate
from .finalists import by_score
from .meter import FinalistMeter
from .record import Finalist

MEASURED_AT_ONCE = 4
"""Finalists that go to the device together, the best first."""
ROUNDS = 3
"""How often new finalists are looked for, at most, where none of the last fits."""
NEAR = 0.98
"""A network that uses this share of what it is to use is near enough, as measured: predictions are not exact."""


@dataclass(frozen=True)
class Decision:
    """The finalist that was chosen, and all of them, the best first, with what was measured.

    `repeats` counts how often some were measured again; `flags` say what else to know of that.
    """

    best: Finalist
    finalists: list[Finalist]
    repeats: int = 0
    flags: tuple[str, ...] = ()


def require_any(ranked: Sequence[Finalist], latency_ms: float) -> None:
    """Raise `InputError` where there is no finalist."""
    if not ranked:
        raise InputError(
            f"no network that was looked at is predicted to use {latency_ms:g} ms and be within, with room for error: "
            "allow more time, or look at more",
            code="search.no-finalist", latency_ms=latency_ms,
        )  # fmt: skip


def decide_by_prediction(ranked: Sequence[Finalist], latency_ms: float) -> Decision:
    """The first of a ranking. Raises `InputError` where there is none."""
    require_any(ranked, latency_ms)
    return Decision(ranked[0], list(ranked))


def decide_by_device(
    ranked: Sequence[Finalist],
    meter: FinalistMeter,
    latency_ms: float,
    least_ms: float,
    rank_more: Callable[[float], Sequence[Finalist]],
) -> Decision:
    """The best finalist that takes `least_ms` or more, and whose measured interval ends within `latency_ms`.

    Measuring goes down the ranking a few at a time. Where none fits, the table flatters this corner of the space, or
    the opposite: `rank_more(ratio)` ranks new finalists, whose prediction times `ratio` (which three in four of those
    measured so far were under) is within `latency_ms`. Where nothing fits after three rounds, the best that is fast
    enough is chosen. Raises `InputError` where none is.
    """
    require_any(ranked, latency_ms)
    measured: list[tuple[Finalist, Estimate]] = []
    for _ in range(ROUNDS):
        seen = {finalist.arch for finalist, _ in measured}
        ranked = [finalist for finalist in ranked if finalist.arch not in seen]
        for start in range(0, len(ranked), MEASURED_AT_ONCE):
            some = meter.measure(ranked[start : start + MEASURED_AT_ONCE])
            measured += some
            for finalist, at in some:
                if least_ms <= at.ms and at.high <= latency_ms:
                    rest = ranked[start + MEASURED_AT_ONCE :]
                    everyone = by_score([*(one for one, _ in measured), *rest])
                    return Decision(finalist, everyone, meter.repeats, meter.flags)
        ratios = [at.high / finalist.predicted_ms for finalist, at in measured]
        ranked = rank_more(float(np.quantile(ratios, 0.75)))
    fast = [finalist for finalist, at in measured if at.high <= latency_ms]
    if fast:
        best = max(fast, key=lambda finalist: finalist.score)
        everyone = by_score([finalist for finalist, _ in measured])
        return Decision(best, everyone, meter.repeats, meter.flags)
    _, nearest = min(measured, key=lambda pair: pair[1].high)
    raise InputError(
        f"of {len(measured)} finalists none measures within {latency_ms:g} ms (the fastest: {nearest.ms:.4g} ms): "
        "profile the device again, or allow more time",
        code="search.none-fits", finalists=len(measured), latency_ms=latency_ms, fastest_ms=nearest.ms,
    )  # fmt: skip
