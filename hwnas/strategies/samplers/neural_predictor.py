"""Neural Predictor for Neural Architecture Search (Wen et al. 2019, arXiv 1912.00848)."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..constants import Constants
from ..limit import Limit
from .graph_network import GraphNetwork
from .planned import PlannedSampler

WIDTHS = {10: 32, 43: 48, 86: 72, 129: 96, 172: 144}
"""Units of the graph network for up to so many scores; 144, published for 172, for more as well."""

EACH = 50
"""Architectures that are predicted for each evaluation of a small budget."""


class NeuralPredictorConstants(Constants):
    """Sizes of the two stages (1912.00848, §3 and §4) and of the graph network."""

    initial: int = Field(
        default=0,
        ge=0,
        description="random architectures evaluated first; published: 172. 0: that, or two fifths of the budget",
    )
    candidates: int = Field(
        default=5000, ge=1, description="random architectures that are predicted, at most 50 for an evaluation; ours"
    )
    width: int = Field(
        default=0, ge=0, description="units of the graph network; published: 144. 0: 32 to 144, by the scores"
    )


class NeuralPredictor(PlannedSampler):
    """Learns from random architectures to predict scores, and evaluates those of which it expects most (§3).

    Random architectures are evaluated first, many more are predicted, and the best of these evaluated in order. The
    paper predicts once. Here the network is fitted again, and new candidates are sampled, whenever there are a quarter
    more scores than it learned from. The paper's classifier, which discards what fails before a regression tells the
    rest apart, is for the failures of NAS-Bench-101 and is left out, as in the paper's mobile search.
    """

    constants: ClassVar[type[Constants]] = NeuralPredictorConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: NeuralPredictorConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.initial = constants.initial or max(2, min(172, 2 * budget // 5))
        self.candidates, self.width = min(constants.candidates, EACH * budget), constants.width

    def plan(self) -> list[Arch]:
        """Random architectures up to `initial`, and then a quarter as many as are scored."""
        if len(self.scores) < self.initial:
            return self.sample_unscored(self.initial - len(self.scores))
        candidates = self.sample_unscored(self.candidates)
        if not candidates:
            return []
        archs, scores = list(self.scores), list(self.scores.values())
        width = self.width or next((width for most, width in WIDTHS.items() if len(archs) <= most), WIDTHS[172])
        network = GraphNetwork(self.space.choices, archs, scores, width, int(self.rng.integers(2**31)))
        best = np.argsort(-network.predict(candidates), kind="stable")
        return [candidates[index] for index in best[: max(1, len(archs) // 4)]]
