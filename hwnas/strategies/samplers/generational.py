"""The evolution with which single-path one-shot (1904.00420, §3.4) and Once-for-All (1908.09791, §3.4) search."""

from typing import ClassVar

from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler
from .variation import resample, uniform_crossover


class GenerationalConstants(Constants):
    """Sizes and shares of a generation. Defaults are those of 1904.00420, §4; Once-for-All has a population of 100, a
    quarter of which are parents."""

    population: int = Field(
        default=0, ge=0, description="evaluations of a generation. 0: full_population, or a tenth of the budget"
    )
    full_population: int = Field(default=50, ge=1, description="the published population; 1904.00420, §4: 50")
    parents: float = Field(default=0.2, ge=0, le=1, description="share of the population that breeds: 10 of 50")
    mutated: float = Field(default=0.5, ge=0, le=1, description="share of a generation that is mutations")
    crossed: float = Field(default=0.5, ge=0, le=1, description="share of a generation that is crossovers")
    probability: float = Field(default=0.1, ge=0, le=1, description="probability that a mutation samples a slot anew")


class Generational(ScoredSampler):
    """Generations whose parents are the best of all so far: first random ones, then mutations and crossovers.

    A small budget has smaller generations, so that there are ten at least; the paper has twenty. What mutations and
    crossovers leave of a generation is random. No architecture is evaluated twice.
    """

    constants: ClassVar[type[Constants]] = GenerationalConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: GenerationalConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.population = constants.population or max(4, min(constants.full_population, budget // 10))
        self.breeding = max(2, round(constants.parents * self.population))
        self.mutations = round(constants.mutated * self.population)
        self.crossovers = round(constants.crossed * self.population)
        self.probability = constants.probability
        self.parents: list[Arch] = []
        self.evaluated = 0

    def propose(self) -> Arch:
        """A random architecture, a mutation or a crossover, by how many of the generation are scored or pending."""
        if not self.parents:
            return self.sample_unseen()
        place = (self.evaluated + len(self.pending)) % self.population
        if place < self.mutations:
            return self.sample_unseen(self._mutation)
        return self.sample_unseen(self._crossover if place < self.mutations + self.crossovers else None)

    def observe(self, arch: Arch, score: float) -> None:
        """Count the generation; where this ends it, the best of all become parents."""
        self.evaluated += 1
        if self.evaluated >= self.population:
            self.parents, self.evaluated = self.finalists(self.breeding, self.limit), 0

    def _mutation(self) -> Arch:
        parent = self.parents[self.rng.integers(len(self.parents))]
        return resample(parent, self.probability, self.space, self.rng)

    def _crossover(self) -> Arch:
        mother, father = (self.parents[index] for index in self.rng.integers(0, len(self.parents), 2))
        return uniform_crossover(mother, father, self.rng)

    def state_dict(self) -> State:
        """Scores and proposals, the parents, how far the generation is, and the state of the generator."""
        parents = [list(arch) for arch in self.parents]
        return super().state_dict() | {"parents": parents, "evaluated": self.evaluated}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.parents, self.evaluated = [tuple(arch) for arch in state["parents"]], state["evaluated"]
