"""NSGA-II (Deb et al. 2002), with the operators that NSGA-Net's code has for architectures (arXiv 1810.03522)."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler
from .variation import mutate, two_point_crossover

PUBLISHED = 1200
"""Evaluations of the published search: 30 generations of 40."""


def fronts(costs: np.ndarray) -> np.ndarray:
    """The front of each of `costs` (N, objectives), the smaller the better, (N,): 0 where nothing dominates it, 1 where
    only those of front 0 do, and so on (Deb et al. 2002, §III.A)."""
    one, other = costs[:, None], costs[None]
    dominates = np.asarray((one <= other).all(2) & (one < other).any(2))
    found = np.full(len(costs), -1)
    for front in range(len(costs)):
        left = found < 0
        found[left & ~dominates[left].any(0)] = front
    return found


def crowding(costs: np.ndarray) -> np.ndarray:
    """How far apart the neighbours of each of `costs` (N, objectives) of one front are, (N,): the sum over objectives,
    each in units of its range, and infinite at the ends (Deb et al. 2002, §III.B)."""
    distance = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        distance[order[[0, -1]]] = np.inf
        span = np.ptp(column)
        if span:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


class Nsga2Constants(Constants):
    """Sizes of the population and of a generation, and the share of crossovers (NSGA-Net's code, 1810.03522)."""

    population: int = Field(
        default=0, ge=0, description="parents that survive; published: 40. 0: that, or a fifth of the budget"
    )
    offspring: int = Field(
        default=0,
        ge=0,
        description="children of a generation; published: 40. 0: that from the published budget of 1200 evaluations "
        "on, and a hundredth of a smaller one: the fewer there are, the sooner each must count",
    )
    crossover: float = Field(default=0.9, ge=0, le=1, description="probability that a child has two parents")


class Nsga2(ScoredSampler):
    """Generations of architectures that trade score against the limit's cost, all of them within the limit.

    Of the parents and their children those of the first fronts survive, and of the last front that has room the
    least crowded. A child has the winners of two tournaments between two as parents; it is, with a probability, their
    two-point crossover, and each slot then changes by 1 / slots.

    What tells it apart from NSGA-Net's code: options of a slot have no order here, so a mutation goes to any of them,
    not rather to near ones. Where all costs are the same it is an elitist search for the score.
    """

    constants: ClassVar[type[Constants]] = Nsga2Constants

    def __init__(self, space: SearchSpace, limit: Limit, constants: Nsga2Constants, *, seed: int, budget: int) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.population = constants.population or max(4, min(40, budget // 5))
        self.offspring = constants.offspring or (40 if budget >= PUBLISHED else max(1, budget // 100))
        self.crossover = constants.crossover
        self.parents: list[Arch] = []
        self.born: list[Arch] = []

    def propose(self) -> Arch:
        """A random architecture of the first generation, or a child."""
        return self.sample_unseen(self._child if self.parents else None)

    def observe(self, arch: Arch, score: float) -> None:
        """Add `arch` to the generation; where that ends it, the fittest survive."""
        self.born.append(arch)
        if len(self.born) >= (self.offspring if self.parents else self.population):
            self.parents, self.born = self._fittest([*self.parents, *self.born]), []

    def _fittest(self, archs: list[Arch]) -> list[Arch]:
        """The up to `population` fittest of `archs`, each once, the fittest first."""
        archs = list(dict.fromkeys(archs))
        costs = np.stack([[-self.scores[arch] for arch in archs], self.limit.cost(archs)], axis=1)
        front, apart = fronts(costs), np.zeros(len(archs))
        for index in range(front.max() + 1):
            apart[front == index] = crowding(costs[front == index])
        return [archs[index] for index in np.lexsort((-apart, front))[: self.population]]

    def _child(self) -> Arch:
        """Of parents in order of fitness, so that the lower of two indices wins a tournament.

        Of the same parents until one is within the limit: else those far from it would have most of the children."""
        mother, father = (self.parents[index] for index in self.rng.integers(0, len(self.parents), (2, 2)).min(1))
        return self.limit.sample(self.rng, lambda: self._varied(mother, father))

    def _varied(self, mother: Arch, father: Arch) -> Arch:
        child = two_point_crossover(mother, father, self.rng) if self.rng.random() < self.crossover else mother
        return mutate(child, 1 / len(child), self.space, self.rng)

    def state_dict(self) -> State:
        """Scores and proposals, the parents and their children so far, and the state of the generator."""
        alive = {name: [list(arch) for arch in getattr(self, name)] for name in ("parents", "born")}
        return super().state_dict() | alive

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.parents, self.born = ([tuple(arch) for arch in state[name]] for name in ("parents", "born"))
