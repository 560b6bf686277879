"""A search strategy in twenty lines: the best architecture so far, with a few slots sampled anew."""

from pydantic import Field

from hwnas.strategies.constants import Constants
from hwnas.strategies.samplers.scored import ScoredSampler


class MineConstants(Constants):
    slots: int = Field(default=2, ge=1, description="slots that change, on average")


class Mine(ScoredSampler):
    """Hill climbing from the best so far."""

    constants = MineConstants

    def __init__(self, space, limit, constants, *, seed, budget):
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.share = constants.slots / len(space.slots)

    def propose(self):
        return self.sample_unseen(self.climb if self.scores else None)

    def climb(self):
        pairs = zip(self.best(), self.space.sample(self.rng), strict=True)
        return tuple(new if self.rng.random() < self.share else old for old, new in pairs)
