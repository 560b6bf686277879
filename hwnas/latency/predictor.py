"""Latency of any architecture of a space, learned from measured networks: mean, interval and expectation.

Each candidate of each slot has a cost, and a priori costs are linear in features of the blocks (`features`), with a
scale per group of them (`bayes`): so latency is an affine function of which candidate each slot takes, which searches
can steer by and solve exactly. It stands on the block table where there is one, and on tables of other devices where
the user has them: their costs are features too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from pydantic import ConfigDict

from ..errors import InputError
from ..space.space import Arch, SearchSpace
from . import bayes
from .features import Features, features
from .quality import Quality, conformal, errors

Array = TypeVar("Array")
"""numpy.ndarray or torch.Tensor."""

FEW, FOLDS = 150, 30
"""Up to so few labels, a tenth is held out in turn and everything is fitted again to the rest. With more, no part of
them would change the scales, which stay, and so many parts are held out in turn."""

KEPT = 200
"""Scores kept at most of those held out: quantiles need no more."""


@dataclass(frozen=True)
class Model:
    """What fitting found, stored so that a reader need not search again: log prior scales of the constant and of the
    named groups, log variance of the noise, and the sorted scores of held-out labels (see `conformal`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    groups: tuple[str, ...]
    scales: tuple[float, ...]
    noise: float
    scores: tuple[float, ...]


class LatencyPredictor:
    """latency = `fixed` + the sum of `costs` of the chosen candidates, in ms.

    `costs` has shape (slots, widest slot): 0 or more, NaN where a slot is narrower; `fixed` is the fastest network.
    `candidate_costs` are the same in one list, less the mean of each slot: a column for another device's predictor.
    """

    def __init__(
        self,
        space: SearchSpace,
        archs: Sequence[Arch] | np.ndarray,
        ms: Sequence[float] | np.ndarray,
        columns: Mapping[str, np.ndarray] | None = None,
        model: Model | None = None,
    ) -> None:
        """Fit to measured `ms` (N,) of `archs` (N, slots).

        `columns` are candidate costs known from elsewhere, as `features` takes them. A `model` fitted to the same
        before saves the search for its scales and scores. Raises `InputError` for `archs` or `ms` that are
        none, or are not as many.
        """
        self.space = space
        self._starts = np.cumsum((0, *space.choices))[:-1]
        self._groups, self._priors = _priors(features(space, columns or {}))
        labels = np.asarray(ms, np.float64)
        good = int((np.isfinite(labels) & (labels > 0)).sum())
        if good < max(2, len(labels)):
            raise InputError(
                f"a predictor learns from 2 latencies or more, all above 0 ms, not {good} of {len(labels)}"
            )
        self._unit = float(np.median(labels))
        design = self._design(archs)
        if len(design) != len(labels):
            raise InputError(f"a predictor learns one latency of each network, not {len(labels)} of {len(design)}")
        known = self._start(model)
        fitted = self._fit(design, labels, known, search=known is None)
        if known is None:
            predicted, deviation = self._held_out(design, labels, fitted.scales)
            scores = np.abs(predicted - labels) / deviation
            self.quality = Quality(len(labels), *errors(predicted, labels))
            self.model = self._model(fitted.scales, scores)
        else:
            self.quality, self.model = None, model
        self._settle(fitted)

    def _picks(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Indices (N, slots). Raises `InputError` for what is no architecture of the space."""
        picks = np.atleast_2d(np.asarray(archs, dtype=np.int64))
        choices = self.space.choices
        if picks.shape[1:] != (len(choices),) or not ((picks >= 0) & (picks < choices)).all():
            raise InputError(f"not architectures of {self.space.name}, whose slots have {choices} candidates")
        return picks

    def _design(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Rows of a constant 1 and the one-hot candidates, (N, 1 + candidates)."""
        picks = self._picks(archs)
        design = np.zeros((len(picks), 1 + sum(self.space.choices)))
        design[:, 0] = 1
        design[np.arange(len(picks))[:, None], 1 + self._starts + picks] = 1
        return design

    def _start(self, model: Model | None) -> bayes.Scales | None:
        if model is None or model.groups != self._groups:
            return None
        return bayes.Scales(np.array(model.scales), model.noise)

    def _fit(self, design: np.ndarray, labels: np.ndarray, start: bayes.Scales | None, search: bool) -> bayes.Fitted:
        return bayes.fit(design, labels / self._unit, self._priors, start, search)

    def _held_out(self, design: np.ndarray, labels: np.ndarray, scales: bayes.Scales) -> tuple[np.ndarray, np.ndarray]:
        """Each label as a fit to the other folds predicts it, and the deviation that this expects; in ms."""
        count = len(labels)
        few = count <= FEW
        folds = min(count, 10) if few else FOLDS
        fold = np.random.default_rng(0).permutation(count) % folds
        predicted, deviation = np.empty(count), np.empty(count)
        for held in (fold == index for index in range(folds)):
            found = self._fit(design[~held], labels[~held], None if few else scales, search=few)
            predicted[held], deviation[held] = self._told(found, design[held])
        return predicted, deviation

    def _told(self, fitted: bayes.Fitted, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = design @ fitted.mean
        variance = np.einsum("nw,nw->n", design @ fitted.covariance, design)
        return mean * self._unit, np.sqrt(variance + mean**2 * np.exp(fitted.scales.noise)) * self._unit

    def _model(self, scales: bayes.Scales, scores: np.ndarray) -> Model:
        kept = np.sort(scores)[np.linspace(0, len(scores) - 1, min(KEPT, len(scores))).round().astype(int)]
        return Model(self._groups, tuple(scales.parts.tolist()), scales.noise, tuple(kept.tolist()))

    def _settle(self, fitted: bayes.Fitted) -> None:
        """The costs of the candidates, the constant and their covariance, all in ms."""
        values, vectors = np.linalg.eigh(fitted.covariance)
        self._spread = vectors * np.sqrt(np.maximum(values, 0)) * self._unit
        self._noise = float(np.exp(fitted.scales.noise / 2))
        constant, flat = fitted.mean[0] * self._unit, fitted.mean[1:] * self._unit
        self.candidate_costs = flat
        self.costs = np.full((len(self.space.slots), max(self.space.choices)), np.nan)
        for slot, (start, width) in enumerate(zip(self._starts, self.space.choices, strict=True)):
            self.costs[slot, :width] = flat[start : start + width]
        least = np.nanmin(self.costs, axis=1)
        self.costs -= least[:, None]
        self.fixed = float(constant + least.sum())

    def cost(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Predicted ms of each of `archs`, shape (N, slots) to (N,). Raises `InputError` for none of this space."""
        picks = self._picks(archs)
        return self.fixed + self.costs[np.arange(len(self.costs)), picks].sum(axis=1)

    def expected(self, probs: Array) -> Array:
        """Expected ms under independent probabilities (slots, widest slot); torch in, torch out, differentiable.

        What stands beyond the end of a narrower slot is not looked at.
        """
        costs = np.nan_to_num(self.costs)
        if not isinstance(probs, np.ndarray):
            costs = probs.new_tensor(costs)
        return self.fixed + (probs * costs).sum()

    def unknown(self, archs: Sequence[Arch] | np.ndarray) -> tuple[np.ndarray, float]:
        """What is not known of the mean of each of `archs`, and the noise of a measurement, both relative to it.

        A row u of the first, (N, 1 + candidates), has variance |u|², and rows u and w have covariance u · w.
        """
        return (self._design(archs) @ self._spread) / self.cost(archs)[:, None], self._noise

    def deviation(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """The standard deviation, in ms, that the model gives a measurement of each of `archs`: (N, slots) to (N,)."""
        unknown, noise = self.unknown(archs)
        return self.cost(archs) * np.sqrt((unknown**2).sum(axis=1) + noise**2)

    def interval(self, archs: Sequence[Arch] | np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Where a measurement of each of `archs` falls in `level` of cases, in ms: calibrated on held-out labels."""
        half = conformal(np.array(self.model.scores), level) * self.deviation(archs)
        cost = self.cost(archs)
        return cost - half, cost + half

    def range(self) -> tuple[float, float]:
        """Predicted ms of the fastest and of the slowest network of the space."""
        return self.fixed, float(self.fixed + np.nanmax(self.costs, axis=1).sum())


def _priors(found: Features) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the groups, and what each of them, and the constant before them, lets the costs of candidates be: the
    covariance (1 + groups, 1 + candidates, 1 + candidates) that makes the latency vary by 1."""
    count = 1 + len(found.values)
    priors = np.zeros((1 + len(found.names), count, count))
    priors[0, 0, 0] = np.exp(-bayes.TYPICAL)  # typically the constant is all of the latency, not 2 % of it
    for group, prior in enumerate(priors[1:]):
        values = found.values[:, found.groups == group]
        prior[1:, 1:] = values @ values.T / values.shape[1]
    return found.names, priors
