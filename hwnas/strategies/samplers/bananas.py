"""BANANAS: Bayesian optimisation with an ensemble of neural networks (White et al. 2019, arXiv 1910.11858)."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..constants import Constants
from ..limit import Limit
from .ensemble import Ensemble, Shape
from .planned import TRIES, PlannedSampler

NETWORKS = Shape(depth=10, width=20, lr=0.01, betas=(0.9, 0.99))
"""The meta neural network, five of them, with the mean absolute error, which the authors' code has by default."""

LONGEST = 3
"""Slots at most in a path that is a feature: the number of such paths is exponential in it."""


class BananasConstants(Constants):
    """Sizes of algorithm 1 (1910.11858), and how long a path is that is a feature."""

    initial: int = Field(default=10, ge=1, description="random architectures before the first fit; published: 10")
    candidates: int = Field(default=100, ge=1, description="mutants that are predicted; published: 100")
    parents: int = Field(default=10, ge=1, description="best architectures that are mutated; published: 10")
    batch: int = Field(default=10, ge=1, description="architectures that are evaluated between fits; published: 10")
    length: int = Field(default=2, ge=1, le=LONGEST, description="slots at most in a path that is a feature; ours")


class Bananas(PlannedSampler):
    """Random architectures first; then those that the ensemble, sampled from, expects most of (algorithm 1).

    Random architectures are evaluated before the first fit. Then the best so far are mutated, the best of the mutants
    by independent Thompson sampling evaluated, and the ensemble fitted again. After 100 evaluations a batch is a tenth
    of all, so that the time of all fits stays in proportion.

    The paper's path encoding has a feature for each sequence of operations on a way through a cell, truncated to the
    short ones. A chain has one way, of which every architecture has its own, so here a feature is a piece of it: the
    options of up to `length` consecutive slots, at their place. Mutation samples each slot anew with probability one in
    slots, and one slot for certain.
    """

    constants: ClassVar[type[Constants]] = BananasConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: BananasConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.initial, self.candidates, self.parents = constants.initial, constants.candidates, constants.parents
        self.batch, self.length = constants.batch, constants.length

    def plan(self) -> list[Arch]:
        """Random architectures up to `initial`, and then a batch of mutants."""
        if len(self.scores) < self.initial:
            return self.sample_unscored(self.initial - len(self.scores))
        mutants = self._mutants()
        if not mutants:
            return []
        scored = paths(list(self.scores), self.space.choices, self.length)
        seed = int(self.rng.integers(2**31))
        ensemble = Ensemble(NETWORKS, scored, np.array(list(self.scores.values())), seed)
        predicted = ensemble.predict(paths(mutants, self.space.choices, self.length))
        best = np.argsort(-thompson(predicted, self.rng), kind="stable")
        return [mutants[index] for index in best[: max(self.batch, len(self.scores) // 10)]]

    def _mutants(self) -> list[Arch]:
        """Up to `candidates` new mutants of the best so far."""
        parents = self.finalists(self.parents, self.limit)
        if not parents:
            return self.sample_unscored(self.candidates)
        found: dict[Arch, None] = {}
        for _ in range(TRIES):
            rows = np.array(parents)[self.rng.integers(0, len(parents), self.candidates)]
            chosen = self.rng.random(rows.shape) < 1 / rows.shape[1]
            chosen[np.arange(len(rows)), self.rng.integers(0, rows.shape[1], len(rows))] = True
            rows = np.where(chosen, self.rng.integers(0, self.space.choices, rows.shape), rows)
            found |= dict.fromkeys(self.unscored(map(tuple, rows.tolist())))
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
    return np.asarray(rng.normal(predicted.mean(0), predicted.std(0, ddof=1)))
