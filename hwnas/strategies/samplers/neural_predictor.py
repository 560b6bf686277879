"""Neural Predictor for Neural Architecture Search (Wen et al. 2019, arXiv 1912.00848)."""

import numpy as np

from ...space.space import Arch, SearchSpace
from ..limit import Limit
from ..ranges import counts
from .graph_network import GraphNetwork
from .planned import Planned

WIDTHS = {43: 48, 86: 72, 129: 96, 172: 144}
"""Units of the graph network for up to so many scores; 144, published for 172, for more as well."""


class NeuralPredictor(Planned):
    """Learns from random architectures to predict scores, and evaluates those of which it expects most (§3).

    - `initial` random architectures are evaluated first; published: 172. By default that, or two fifths of the budget
      where that is less.
    - `candidates` (5000) random architectures are predicted, and the best of them evaluated in order.
    - `width` of the graph network; by default that of `WIDTHS`.

    The paper predicts once. Here the network is fitted again, and new candidates are drawn, whenever there are a
    quarter more scores than it learned from. The paper's classifier, which discards what fails before a regression
    tells the rest apart, is for the failures of NAS-Bench-101 and is left out, as in the paper's mobile search. Raises
    `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        initial: int = 0,
        candidates: int = 5000,
        width: int = 0,
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(initial=initial, width=width)
        counts(1, candidates=candidates)
        self.initial = initial or max(2, min(172, 2 * budget // 5))
        self.candidates, self.width = candidates, width

    def plan(self) -> list[Arch]:
        """Random architectures up to `initial`, and then a quarter as many as are told."""
        if len(self.scores) < self.initial:
            return self.drawn(self.initial - len(self.scores))
        candidates = self.drawn(self.candidates)
        if not candidates:
            return []
        archs, scores = list(self.scores), list(self.scores.values())
        width = self.width or next((width for most, width in WIDTHS.items() if len(archs) <= most), WIDTHS[172])
        network = GraphNetwork(self.space.choices, archs, scores, width, int(self.rng.integers(2**31)))
        best = np.argsort(-network.predict(candidates), kind="stable")
        return [candidates[index] for index in best[: max(1, len(archs) // 4)]]
