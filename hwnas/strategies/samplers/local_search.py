"""Local search (White et al. 2020, arXiv 2005.02960)."""

from operator import ne

import numpy as np

from ...space.space import Arch, SearchSpace
from ..base import State
from ..limit import Limit
from .scored import ScoredSampler
from .variation import changed

SECOND = 16
"""Second changes that are drawn for a neighbour outside the limit."""


class LocalSearch(ScoredSampler):
    """From a random start, evaluate all neighbours and go to the best, until none is better; then start again (§3).

    Neighbours differ in one slot and come in random order; those that are known are not evaluated again. The paper has
    no limit. At one, few single changes are allowed that make anything better, so that nearly every architecture there
    would be an end: a change that leads outside is therefore joined by a second, drawn at random, that leads back.

    Without `full` it goes on from the first neighbour that is better, a variant of the authors (appendix): it needs
    fewer evaluations where there are many neighbours.
    """

    def __init__(self, space: SearchSpace, limit: Limit, *, seed: int, budget: int, full: bool = True) -> None:
        super().__init__(space, limit, seed=seed)
        self.full, self.centre, self.around = full, None, []

    def ask(self) -> Arch:
        """The present start, if it has no score, or a neighbour that has none; asked ahead, the same again."""
        if self.centre is None:
            return self._start()
        while self.centre in self.scores:
            unknown = [arch for arch in self.around if arch not in self.scores]
            known = [arch for arch in self.around if arch in self.scores]
            best = max(known, key=self.scores.__getitem__, default=self.centre)
            if self.scores[best] > self.scores[self.centre] and not (self.full and unknown):
                self._go(best)
            elif unknown:
                return unknown[0]
            else:
                return self._start()
        return self.centre

    def _start(self) -> Arch:
        self._go(self.fresh())
        return self.centre

    def _go(self, arch: Arch) -> None:
        near = self._near(arch)
        self.centre, self.around = arch, [near[index] for index in self.rng.permutation(len(near))]

    def _near(self, arch: Arch) -> list[Arch]:
        """The neighbours of `arch`; for one outside the limit, if any drawn is within, one with a second change."""
        single = list(self.space.neighbours(arch))
        found = self.limit.filter(single)
        for index in np.flatnonzero(~self.limit.allows(single)):
            double = (changed(single[index], self.space, self.rng) for _ in range(SECOND))
            apart = [other for other in double if sum(map(ne, other, arch)) == 2]  # not the same slot twice
            found += self.limit.filter(apart)[:1]
        return list(dict.fromkeys(found))

    def state_dict(self) -> State:
        """All that was told, where it is, and the state of the generator."""
        at = None if self.centre is None else list(self.centre)
        return super().state_dict() | {"centre": at, "around": [list(arch) for arch in self.around]}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.centre = None if state["centre"] is None else tuple(state["centre"])
        self.around = [tuple(arch) for arch in state["around"]]
