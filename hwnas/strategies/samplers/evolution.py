"""Regularised, or ageing, evolution (Real et al. 2018, arXiv 1802.01548)."""

from typing import ClassVar

from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler
from .variation import mutate_one_slot


class EvolutionConstants(Constants):
    """Sizes of the population and of tournaments (§3)."""

    population: int = Field(
        default=0,
        ge=0,
        description="individuals alive, so many random ones first; published: 100. 0: that, or a fifth of the budget",
    )
    sample: int = Field(
        default=0,
        ge=0,
        description="individuals that enter a tournament, drawn with replacement; published: 25. "
        "0: a quarter of the population",
    )


class RegularisedEvolution(ScoredSampler):
    """A population of random architectures; then the best of a tournament has a child, and the oldest dies (§3).

    A child is its parent with one slot changed. One that was evaluated already is drawn again: the paper trains its
    architectures anew each time, and here the second time would say nothing new. The population is what was scored
    last, whoever asked for it.
    """

    constants: ClassVar[type[Constants]] = EvolutionConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: EvolutionConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.population = constants.population or max(2, min(100, budget // 5))
        self.sample = constants.sample or max(2, self.population // 4)

    def propose(self) -> Arch:
        """A random architecture while the population is not full, and then a child."""
        return self.sample_unseen(self._child if len(self.observations) >= self.population else None)

    def _child(self) -> Arch:
        living = self.observations[-self.population :]
        entered = self.rng.integers(0, len(living), self.sample)
        parent, _ = max((living[index] for index in entered), key=lambda one: one[1])
        return mutate_one_slot(parent, self.space, self.rng)
