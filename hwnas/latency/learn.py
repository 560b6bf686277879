"""Fit the predictor that a table stores, so that no reader need fit it again."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..space.space import SearchSpace
from .predictor import LatencyPredictor, Model
from .quality import Quality, noise_of
from .stats import Estimate
from .table import LatencyTable, Networks, columns_of


def learn(
    space: SearchSpace, networks: Networks, rows: Mapping[str, Estimate], overhead: Estimate | None
) -> tuple[Model, Quality]:
    """The model of `networks` on top of the block `rows`, and its error, with the noise of the networks where their
    halves are known. Raises `InputError` for latencies that nothing can be learned from."""
    predictor = LatencyPredictor(space, networks.indices, networks.ms, columns_of(space, rows, overhead))
    quality = predictor.quality
    assert quality is not None  # no stored model was given
    if not networks.halves:
        return predictor.model, quality
    noise, ceiling = noise_of(np.array(networks.halves))
    return predictor.model, replace(quality, noise=noise, ceiling=ceiling)


def sanity_flags(table: LatencyTable, space: SearchSpace) -> tuple[str, ...]:
    """Flags of predictions of `table` for `space` that no latency can have; none for a good table."""
    fastest, _ = table.predictor(space).range()
    if fastest > 0:
        return ()
    reason = "what was measured contradicts itself, or is too little"
    return (f"predictions: they begin at {fastest:.3g} ms, not above 0: {reason}: profile again",)
