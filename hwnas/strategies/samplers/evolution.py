"""Regularised, or ageing, evolution (Real et al. 2018, arXiv 1802.01548)."""

from ...space.space import Arch, SearchSpace
from ..limit import Limit
from ..ranges import counts
from .scored import ScoredSampler
from .variation import changed


class RegularisedEvolution(ScoredSampler):
    """A population of random architectures; then the best of a tournament has a child, and the oldest dies (§3).

    - `population`, published: 100. By default that, or a fifth of the budget where that is less: so many are drawn at
      random before anything is learned.
    - `sample`, the number that enter a tournament, drawn with replacement; published: 25. By default a quarter of the
      population.

    A child is its parent with one slot changed. One that was evaluated already is drawn again: the paper trains its
    architectures anew each time, and here the second time would tell nothing. The population is what was told last,
    whoever asked for it. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self, space: SearchSpace, limit: Limit, *, seed: int, budget: int, population: int = 0, sample: int = 0
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(population=population, sample=sample)
        self.population = population or max(2, min(100, budget // 5))
        self.sample = sample or max(2, self.population // 4)

    def ask(self) -> Arch:
        """A random architecture while the population is not full, and then a child."""
        return self.fresh(self._child if len(self.told) >= self.population else None)

    def _child(self) -> Arch:
        living = self.told[-self.population :]
        entered = self.rng.integers(0, len(living), self.sample)
        parent, _ = max((living[index] for index in entered), key=lambda one: one[1])
        return changed(parent, self.space, self.rng)
