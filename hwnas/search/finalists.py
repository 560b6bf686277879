"""Finalists: the best architectures of a search, scored once more, the best first."""

from collections.abc import Sequence
from math import isfinite

from ..errors import DivergedError
from ..progress import show_progress
from .loop import SearchLoop
from .record import Finalist


def rank_finalists(search: SearchLoop, high_ms: float, count: int) -> list[Finalist]:
    """Up to `count` finalists predicted to take up to `high_ms`, the best first; those in the band, if there are any.

    One whose score is no number is none. Raises `DivergedError` where there are no others.
    """
    band, limit = search.problem.limits_within(high_ms)
    archs = search.best(count, band) or search.best(count, limit)
    scores = []
    with show_progress("finalists", len(archs), search.progress) as report:
        for arch in archs:
            scores.append(search.score(arch))
            report(len(scores))
    ms = search.problem.predictor.cost(archs).tolist() if archs else []
    found = [Finalist(arch, *pair) for arch, *pair in zip(archs, ms, scores, strict=True) if isfinite(pair[1])]
    if archs and not found:
        raise DivergedError(
            f"the scores of all {len(archs)} finalists are no numbers: the weights diverged; lower weights.lr",
            code="search.no-score", finalists=len(archs),
        )  # fmt: skip
    return by_score(found)


def by_score(finalists: Sequence[Finalist]) -> list[Finalist]:
    """The same, the best first."""
    return sorted(finalists, key=lambda finalist: -finalist.score)
