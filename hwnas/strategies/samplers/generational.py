"""The evolution with which single-path one-shot (1904.00420, §3.4) and Once-for-All (1908.09791, §3.4) search."""

from ...space.space import Arch, SearchSpace
from ..base import State
from ..limit import Limit
from ..ranges import counts, shares
from .scored import ScoredSampler
from .variation import crossed, redrawn


class Generational(ScoredSampler):
    """Generations whose parents are the best of all so far: first random ones, then mutations and crossovers.

    - `population`, the evaluations of a generation. By default `full_population`, published as 50, or a tenth of the
      budget where that is less, so that there are ten generations at least; the paper has twenty.
    - `parents` (0.2: 10 of 50), `mutated` (0.5) and `crossed` (0.5) are shares of the population; what those two leave
      of a generation is random.
    - `probability` (0.1) by which a mutation draws each slot anew.

    Once-for-All's are a population of 100, of which a quarter are parents, half of the children mutations and the
    others crossovers. No architecture is evaluated twice. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        population: int = 0,
        full_population: int = 50,
        parents: float = 0.2,
        mutated: float = 0.5,
        crossed: float = 0.5,
        probability: float = 0.1,
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(population=population)
        counts(1, full_population=full_population)
        shares(parents=parents, mutated=mutated, crossed=crossed, probability=probability)
        self.population = population or max(4, min(full_population, budget // 10))
        self.breeding = max(2, round(parents * self.population))
        self.mutations = round(mutated * self.population)
        self.crossovers = round(crossed * self.population)
        self.probability = probability
        self.parents: list[Arch] = []
        self.evaluated = 0

    def ask(self) -> Arch:
        """A random architecture, a mutation or a crossover, by how many of the generation are told."""
        if not self.parents:
            return self.fresh()
        if self.evaluated < self.mutations:
            return self.fresh(self._mutation)
        return self.fresh(self._crossover if self.evaluated < self.mutations + self.crossovers else None)

    def tell(self, arch: Arch, score: float) -> None:
        """Remember that `arch` scores `score`; where that ends a generation, the best of all become parents."""
        super().tell(arch, score)
        self.evaluated += 1
        if self.evaluated >= self.population:
            self.parents, self.evaluated = self.finalists(self.breeding, self.limit), 0

    def _mutation(self) -> Arch:
        parent = self.parents[self.rng.integers(len(self.parents))]
        return redrawn(parent, self.probability, self.space, self.rng)

    def _crossover(self) -> Arch:
        mother, father = (self.parents[index] for index in self.rng.integers(0, len(self.parents), 2))
        return crossed(mother, father, self.rng)

    def state_dict(self) -> State:
        """All that was told, the parents, how far the generation is, and the state of the generator."""
        parents = [list(arch) for arch in self.parents]
        return super().state_dict() | {"parents": parents, "evaluated": self.evaluated}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.parents, self.evaluated = [tuple(arch) for arch in state["parents"]], state["evaluated"]
