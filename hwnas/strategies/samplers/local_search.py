"""Local search (White et al. 2020, arXiv 2005.02960)."""

from operator import ne
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...space.space import Arch, SearchSpace
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler
from .variation import mutate_one_slot

SECOND = 16
"""Second changes that are sampled for a neighbour outside the limit."""


class LocalSearchConstants(Constants):
    """How much of a neighbourhood is evaluated."""

    full: bool = Field(
        default=True,
        description="evaluate all neighbours before going on (§3); else go on from the first better one, a variant of "
        "the authors (appendix) with fewer evaluations where there are many neighbours",
    )


class LocalSearch(ScoredSampler):
    """From a random start, evaluate all neighbours and go to the best, until none is better; then start again (§3).

    Neighbours differ in one slot and come in random order; those that have a score are not evaluated again. The paper
    has no limit. At one, few single changes are allowed that make anything better, so that nearly every architecture
    there would be an end: a change that leads outside is therefore joined by a second, sampled at random, that leads
    back. While all that it could go on with is pending, it proposes random architectures.
    """

    constants: ClassVar[type[Constants]] = LocalSearchConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: LocalSearchConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.full = constants.full
        self.centre: Arch | None = None
        self.around: list[Arch] = []

    def propose(self) -> Arch:
        """The present start, if it has no score, or a neighbour that has none."""
        while self.centre is not None and self.centre in self.scores:
            unscored = [arch for arch in self.around if arch not in self.scores and arch not in self.failed]
            scored = [arch for arch in self.around if arch in self.scores]
            best = max(scored, key=self.scores.__getitem__, default=self.centre)
            if self.scores[best] > self.scores[self.centre] and not (self.full and unscored):
                self._move_to(best)
            elif unscored:
                return next(filter(self.is_new, unscored), None) or self.sample_unseen()
            else:
                return self._restart()
        if self.centre is None or self.centre in self.failed:
            return self._restart()
        return self.sample_unseen() if self.is_pending(self.centre) else self.centre

    def _restart(self) -> Arch:
        start = self.sample_unseen()
        self._move_to(start)
        return start

    def _move_to(self, arch: Arch) -> None:
        near = self._neighbourhood(arch)
        self.centre, self.around = arch, [near[index] for index in self.rng.permutation(len(near))]

    def _neighbourhood(self, arch: Arch) -> list[Arch]:
        """The neighbours of `arch`; for one outside the limit, one with a second change, if any sampled is within."""
        single = list(self.space.neighbours(arch))
        found = self.limit.filter(single)
        for index in np.flatnonzero(~self.limit.allows(single)):
            double = (mutate_one_slot(single[index], self.space, self.rng) for _ in range(SECOND))
            apart = [other for other in double if sum(map(ne, other, arch)) == 2]  # not the same slot twice
            found += self.limit.filter(apart)[:1]
        return list(dict.fromkeys(found))

    def state_dict(self) -> State:
        """Scores and proposals, where it is, and the state of the generator."""
        at = None if self.centre is None else list(self.centre)
        return super().state_dict() | {"centre": at, "around": [list(arch) for arch in self.around]}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.centre = None if state["centre"] is None else tuple(state["centre"])
        self.around = [tuple(arch) for arch in state["around"]]
