"""Finalists: ranked by their scores, of which each must be a number."""

from math import inf, nan
from types import SimpleNamespace

import numpy as np
import pytest

from hwnas.errors import DivergedError
from hwnas.search.finalists import rank_finalists
from hwnas.testing import refused


def search(scores, in_band=True):
    """A finished search that holds architectures of these scores best; `in_band`, or all that is fast enough."""
    archs = [(i,) for i in range(len(scores))]
    return SimpleNamespace(
        problem=SimpleNamespace(
            limits_within=lambda high_ms: ("band", "limit"),
            predictor=SimpleNamespace(cost=lambda archs: np.array([1.0 + arch[0] for arch in archs])),
        ),
        progress=None,
        best=lambda count, limit: archs[:count] if in_band or limit == "limit" else [],
        score=lambda arch: scores[arch[0]],
    )


def ranked(*scores, **options):
    return [finalist.arch[0] for finalist in rank_finalists(search(scores, **options), 5.0, 8)]


def test_the_best_is_first():
    assert ranked(0.1, 0.3, 0.2) == [1, 2, 0]
    assert ranked(0.1, 0.3, in_band=False) == [1, 0], "where the band holds none, of all that is fast enough"
    assert ranked() == []


@pytest.mark.parametrize("wrong", [nan, inf, -inf])
def test_a_score_that_is_no_number_never_wins(wrong):
    assert ranked(0.1, wrong, 0.2) == [2, 0]
    with refused("search.no-score", DivergedError, finalists=2):
        ranked(wrong, wrong)
