"""BANANAS: Bayesian optimisation with an ensemble of neural networks (White et al. 2019, arXiv 1910.11858)."""

from collections.abc import Sequence
from math import prod

import numpy as np

from ...errors import InputError
from ...space.space import Arch, SearchSpace
from ..limit import Limit
from ..ranges import counts
from .ensemble import Ensemble, Shape
from .planned import TRIES, Planned

NETWORKS = Shape(depth=10, width=20, lr=0.01, betas=(0.9, 0.99))
"""The meta neural network, five of them, with the mean absolute error, which the authors' code has by default."""

LONGEST = 3
"""Slots at most in a path that is a feature: the number of such paths is exponential in it."""


class Bananas(Planned):
    """Random architectures first; then those that the ensemble, drawn from by chance, likes best (algorithm 1).

    - `initial` random architectures are evaluated before the first fit (published: 10).
    - `candidates` (100) are made by mutating the `parents` (10) best so far.
    - The `batch` (10) best of them by independent Thompson sampling are evaluated, and the ensemble is fitted again.
      After 100 evaluations a batch is a tenth of all, so that the time of all fits stays in proportion.
    - `length`: slots at most in a path that is a feature.

    The paper's path encoding has a feature for each sequence of operations on a way through a cell, truncated to the
    short ones. A chain has one way, of which every architecture has its own, so here a feature is a piece of it: the
    options of up to `length` consecutive slots, at their place. Mutation draws each slot anew with probability one in
    slots, and one slot for certain. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        initial: int = 10,
        candidates: int = 100,
        parents: int = 10,
        batch: int = 10,
        length: int = 2,
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(1, initial=initial, candidates=candidates, parents=parents, batch=batch, length=length)
        if length > LONGEST:
            raise InputError(f"length is {length}: give a whole number from 1 to {LONGEST}")
        self.initial, self.candidates, self.parents = initial, candidates, parents
        self.batch, self.length = batch, length

    def plan(self) -> list[Arch]:
        """Random architectures up to `initial`, and then a batch of mutants."""
        if len(self.scores) < self.initial:
            return self.drawn(self.initial - len(self.scores))
        mutants = self._mutants()
        if not mutants:
            return []
        known = paths(list(self.scores), self.space.choices, self.length)
        seed = int(self.rng.integers(2**31))
        ensemble = Ensemble(NETWORKS, known, np.array(list(self.scores.values())), seed)
        predicted = ensemble.predict(paths(mutants, self.space.choices, self.length))
        best = np.argsort(-thompson(predicted, self.rng), kind="stable")
        return [mutants[index] for index in best[: max(self.batch, len(self.scores) // 10)]]

    def _mutants(self) -> list[Arch]:
        """Up to `candidates` mutants of the best so far, all `untold`."""
        parents = self.finalists(self.parents, self.limit)
        if not parents:
            return self.drawn(self.candidates)
        found: dict[Arch, None] = {}
        for _ in range(TRIES):
            rows = np.array(parents)[self.rng.integers(0, len(parents), self.candidates)]
            anew = self.rng.random(rows.shape) < 1 / rows.shape[1]
            anew[np.arange(len(rows)), self.rng.integers(0, rows.shape[1], len(rows))] = True
            rows = np.where(anew, self.rng.integers(0, self.space.choices, rows.shape), rows)
            found |= dict.fromkeys(self.untold(map(tuple, rows.tolist())))
            if len(found) >= self.candidates:
                break
        return list(found)[: self.candidates]


def paths(archs: Sequence[Arch], choices: Sequence[int], length: int) -> np.ndarray:
    """Which pieces of 1 to `length` consecutive slots each architecture has, (N, pieces), float32 of 0 and 1.

    Pieces are in order of their length, then of their first slot, then of their options, the last changing fastest.
    """
    rows, found = np.asarray(archs), []
    for span in range(1, min(length, len(choices)) + 1):
        for start in range(len(choices) - span + 1):
            options = tuple(choices[start : start + span])
            piece = np.ravel_multi_index(tuple(rows[:, start : start + span].T), options)
            found.append(np.eye(prod(options), dtype=np.float32)[piece])
    return np.concatenate(found, axis=1)


def thompson(predicted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Independent Thompson sampling: for each architecture, on its own, a draw of the normal distribution of the
    mean and the sample deviation of what the members predict. (members, N) to (N,)."""
    return rng.normal(predicted.mean(0), predicted.std(0, ddof=1))
