"""Latency of any architecture of a space, learned from measured networks: mean, interval and expectation.

Each candidate of each position has a cost, and a priori costs are linear in features of the blocks (`features`), with a
scale per group of them (`bayes`): so latency is a sum over positions, of which the expectation is differentiable and
the extremes are exact. What a block table and tables of other devices say of the candidates are features too.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic import ConfigDict

from ..errors import InputError
from ..space.eliminate import Factor, least
from ..space.space import Arch, SearchSpace
from ..threads import one_blas_thread
from . import bayes
from .candidates import Candidates
from .features import Features, features
from .quality import Quality, conformal, errors

if TYPE_CHECKING:
    from torch import Tensor

    Array = TypeVar("Array", np.ndarray, Tensor)
else:  # without importing torch
    Array = TypeVar("Array")

FEW, FOLDS = 150, 30
"""Up to so few labels, a tenth is held out in turn and everything is fitted again to the rest. With more, no part of
them would change the scales, which stay, and so many parts are held out in turn."""

STORED_SCORES = 200
"""Scores of held-out labels that are stored at most: quantiles need no more."""


@dataclass(frozen=True)
class Model:
    """The hyperparameters of a fit, stored so that a reader need not search again: log prior scales of the constant and
    of the named groups, log variance of the noise, and the sorted scores of held-out labels (see `conformal`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    groups: tuple[str, ...]
    scales: tuple[float, ...]
    noise: float
    scores: tuple[float, ...]


class LatencyPredictor:
    """latency = `fixed` + the sum of `costs` of the chosen options + the sum of `shared` tables at the chosen options.

    All are in ms. Costs are 0 or more: no network is faster than `fixed`, and where slots are independent the fastest
    is as fast. Only labels that contradict each other put `fixed` below 0. `costs`, of shape (slots, widest slot), are
    what a slot decides on alone: NaN where a slot is narrower. Each of `shared` has an axis for each of several slots
    that decide together; there are none where slots are independent. `candidate_costs` are the costs of all
    `Candidates`, less the mean of each position: a column for another device's predictor. `quality` is None where a
    stored `model` was used, beside which it is stored.
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

        `columns` are costs of the candidates from elsewhere, as `features` takes them. A `model` fitted to the same
        before saves the search for its scales and scores. Raises `InputError` for `archs` or `ms` that are
        none, or are not as many.
        """
        self.space = space
        self._candidates, found = Candidates.of(space), features(space, columns or {})
        self._groups, (self._basis, self._priors) = found.names, _basis(found)
        labels = np.asarray(ms, np.float64)
        good = int((np.isfinite(labels) & (labels > 0)).sum())
        if good < max(2, len(labels)):
            raise InputError(
                f"a predictor learns from 2 latencies or more, all above 0 ms, not {good} of {len(labels)}",
                code="predictor.labels", good=good, labels=len(labels),
            )  # fmt: skip
        self._unit = float(np.median(labels))
        design = self._design(archs)
        if len(design) != len(labels):
            raise InputError(
                f"a predictor learns one latency of each network, not {len(labels)} of {len(design)}",
                code="predictor.count", labels=len(labels), networks=len(design),
            )  # fmt: skip
        self.quality: Quality | None = None
        with one_blas_thread() if len(labels) <= FEW else nullcontext():
            if model is not None and model.groups == self._groups:
                self.model = model
                fitted = self._fit(design, labels, bayes.Scales(np.array(model.scales), model.noise), search=False)
            else:
                fitted = self._fit(design, labels, None, search=True)
                predicted, deviation = self._held_out(design, labels, fitted.scales)
                scores = np.abs(predicted - labels) / deviation
                self.quality = Quality(len(labels), *errors(predicted, labels))
                self.model = self._model(fitted.scales, scores)
        self._set_costs(fitted)

    def _design(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Rows of a constant 1 and what each weight is multiplied by, (N, 1 + weights)."""
        sums = self._candidates.sums(self._basis, archs)
        return np.concatenate([np.ones((len(sums), 1)), sums], axis=1)

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
            predicted[held], deviation[held] = self._predict(found, design[held])
        return predicted, deviation

    def _predict(self, fitted: bayes.Fitted, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, in ms, of a measurement of each row of `design`."""
        mean = design @ fitted.mean
        variance = np.einsum("nw,nw->n", design @ fitted.covariance, design)
        return mean * self._unit, np.sqrt(variance + mean**2 * np.exp(fitted.scales.noise)) * self._unit

    def _model(self, scales: bayes.Scales, scores: np.ndarray) -> Model:
        stored = np.sort(scores)[np.linspace(0, len(scores) - 1, min(STORED_SCORES, len(scores))).round().astype(int)]
        return Model(self._groups, tuple(scales.parts.tolist()), scales.noise, tuple(stored.tolist()))

    def _set_costs(self, fitted: bayes.Fitted) -> None:
        """Set the costs of the candidates, the constant and their covariance, all in ms."""
        values, vectors = np.linalg.eigh(fitted.covariance)
        self._spread = vectors * np.sqrt(np.maximum(values, 0)) * self._unit
        self._noise = float(np.exp(fitted.scales.noise / 2))
        self.candidate_costs = self._basis @ fitted.mean[1:] * self._unit
        tables: dict[tuple[int, ...], np.ndarray] = {}
        places = self._candidates
        for position, flat in zip(places.positions, np.split(self.candidate_costs, places.starts[1:]), strict=True):
            tables[position.slots] = tables.get(position.slots, 0.0) + flat.reshape(places.shape(position))
        least_of = {slots: table.min() for slots, table in tables.items()}
        choices = np.array(self.space.choices)
        self.costs = np.where(np.arange(choices.max()) < choices[:, None], 0.0, np.nan)
        for slots, table in tables.items():
            if len(slots) == 1:
                self.costs[slots[0], : len(table)] = table - least_of[slots]
        self.shared: tuple[Factor, ...] = tuple(
            (slots, table - least_of[slots]) for slots, table in tables.items() if len(slots) > 1
        )
        self.fixed = float(fitted.mean[0] * self._unit + np.sum(list(least_of.values())))

    def cost(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Predicted ms of each of `archs`, shape (N, slots) to (N,). Raises `InputError` for none of this space."""
        options = self.space.options(archs)
        alone = self.costs[np.arange(len(self.costs)), options].sum(axis=1)
        together = (table[tuple(options[:, slots].T)] for slots, table in self.shared)
        total: np.ndarray = self.fixed + alone + sum(together)
        return total

    def expected(self, probs: Array) -> Array:
        """Expected ms under independent probabilities (slots, widest slot); torch in, torch out, differentiable.

        Entries beyond the end of a narrower slot are ignored.
        """
        like: Callable[[np.ndarray], Array] = np.asarray if isinstance(probs, np.ndarray) else probs.new_tensor
        total = self.fixed + (probs * like(np.nan_to_num(self.costs))).sum()
        for slots, table in self.shared:
            left = like(table)
            for slot in slots:  # the mean over its options leaves a table of the slots after it
                options = self.space.choices[slot]
                left = probs[slot, :options] @ left.reshape(options, -1)
            total = total + left[0]
        found: Array = total
        return found

    def uncertainty(self, archs: Sequence[Arch] | np.ndarray) -> tuple[np.ndarray, float]:
        """Factors of the covariance of the means of `archs`, and the noise of a measurement, both relative to the mean.

        A row u of the first, (N, 1 + weights), has variance |u|², and rows u and w have covariance u · w.
        """
        return (self._design(archs) @ self._spread) / self.cost(archs)[:, None], self._noise

    def deviation(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """The standard deviation, in ms, that the model gives a measurement of each of `archs`: (N, slots) to (N,)."""
        factors, noise = self.uncertainty(archs)
        deviation: np.ndarray = np.abs(self.cost(archs)) * np.sqrt((factors**2).sum(axis=1) + noise**2)
        return deviation

    def interval(self, archs: Sequence[Arch] | np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Where a measurement of each of `archs` falls in `level` of cases, in ms: calibrated on held-out labels, and
        never below 0, as no measurement is."""
        half = conformal(np.array(self.model.scores), level) * self.deviation(archs)
        cost = self.cost(archs)
        return np.maximum(cost - half, 0.0), np.maximum(cost + half, 0.0)

    def range(self) -> tuple[float, float]:
        """Predicted ms of the fastest and of the slowest network of the space; exact."""
        choices = self.space.choices
        alone = [((slot,), row[:options]) for slot, (row, options) in enumerate(zip(self.costs, choices, strict=True))]
        factors = [*alone, *self.shared]
        fastest, slowest = least(factors, choices), least([(slots, -table) for slots, table in factors], choices)
        low, high = self.cost([fastest, slowest])
        return float(low), float(high)


def _basis(found: Features) -> tuple[np.ndarray, np.ndarray]:
    """The costs of the candidates as linear in the weights that are learned (candidates, weights), and the prior
    covariances of constant and weights (1 + groups, 1 + weights, 1 + weights), one for the constant and one for each
    group, each of which makes the latency vary by 1.

    The weights are the costs themselves or, where those are more, as they are in their thousands where positions share
    choices, the weights of the features. The two priors are the same.
    """
    candidates, features = found.values.shape
    basis, loadings = (np.eye(candidates), found.values) if candidates <= features else (found.values, np.eye(features))
    priors = np.zeros((1 + len(found.names), 1 + len(loadings), 1 + len(loadings)))
    priors[0, 0, 0] = np.exp(-bayes.TYPICAL)  # typically the constant is all of the latency, not 2 % of it
    for group, prior in enumerate(priors[1:]):
        loading = loadings[:, found.groups == group]
        prior[1:, 1:] = loading @ loading.T / loading.shape[1]
    return basis, priors
