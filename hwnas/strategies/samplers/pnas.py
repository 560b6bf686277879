"""Progressive Neural Architecture Search (Liu et al. 2017, arXiv 1712.00559)."""

import re
from itertools import product
from math import prod
from typing import ClassVar

import numpy as np
from pydantic import Field

from ...space.space import Arch, SearchSpace, Slot
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .ensemble import Ensemble, Shape
from .planned import PlannedSampler

SURROGATE = Shape(depth=2, width=100, lr=0.01, folds=True)
"""The ensemble of MLPs (§4.2): hidden layers of 100 units, the L1 loss, each member fitted to 4/5 of the scores.

The paper embeds an option, averages over the blocks, and multiplies by the first layer: one linear map, which here is
the first layer itself, on one-hot options. Each slot has its own, because the slots of a chain, unlike the blocks of a
cell, are not alike."""

CHILDREN = 1000
"""Children of a beam that are looked at; where it has more, so many are sampled."""


class PnasConstants(Constants):
    """Levels and the width of the beam (1712.00559, §5)."""

    levels: int = Field(default=5, ge=1, description="levels, each of which decides a block of slots; published: 5")
    beam: int = Field(
        default=0,
        ge=0,
        description="architectures that a level evaluates; published: 256. 0: that, or the budget divided by levels",
    )


class Pnas(PlannedSampler):
    """Architectures of few decisions first, then the most promising of those of more, and so on (algorithm 1).

    The paper grows a cell from 1 block to 5, and the whole network repeats that cell. Here the slots are `levels`
    (published: 5) blocks of consecutive slots, as equal as can be. At level b the first b blocks are decided, and the
    rest repeats them: so the few decisions of level 1, too, make the whole network.

    - Level 1 evaluates all combinations of its block, or `beam` random ones where there are more.
    - Each further level takes the children of all that the level before it evaluated, and evaluates the `beam` of them
      of which the surrogate, fitted to all scores, expects most.
    - After the last level, where the paper ends, children are the neighbours of the `beam` best.

    A child outside the limit is repaired, in any of its slots, before it is judged. A level that is all pending is
    waited for: random architectures are proposed meanwhile.
    """

    constants: ClassVar[type[Constants]] = PnasConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: PnasConstants, *, seed: int, budget: int) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.beam = constants.beam or max(2, min(256, budget // constants.levels))
        slots, levels = len(space.choices), min(constants.levels, len(space.choices))
        self.ends = [-(-slots * level // levels) for level in range(levels + 1)]
        """Slots that are decided at each level, 0 of them before the first."""
        self.level, self.parents = 0, [space.smallest]

    def plan_ahead(self) -> list[Arch]:
        """Nothing: the next level grows from scores."""
        return []

    def plan(self) -> list[Arch]:
        """What the next level has of new architectures, or that after it."""
        while self.level + 1 < len(self.ends):
            self.level += 1
            chosen = self._promising(self.unscored(self._allowed(self._children())))
            if chosen:
                self.parents = [*chosen[1:], chosen[0]]  # this order decides repairs: seeds give what they always gave
                return chosen
        best = self.finalists(self.beam, self.limit)
        return self._promising(self.unscored(other for arch in best for other in self.space.neighbours(arch)))

    def _children(self) -> list[Arch]:
        """The parents with every combination of options in the block of this level, or `CHILDREN` of these."""
        start, end = self.ends[self.level - 1 : self.level + 1]
        options, parents = self.space.choices[start:end], np.array(self.parents)
        if len(parents) * prod(options) > CHILDREN:
            rows = parents[self.rng.integers(0, len(parents), CHILDREN)]
            rows[:, start:end] = self.rng.integers(0, options, (CHILDREN, end - start))
        else:
            combinations = np.array(list(product(*map(range, options))))
            rows = np.repeat(parents, len(combinations), axis=0)
            rows[:, start:end] = np.tile(combinations, (len(parents), 1))
        return list(map(tuple, repeat_decided(rows, end, self.space).tolist()))

    def _allowed(self, archs: list[Arch]) -> list[Arch]:
        """`archs`, those outside the limit repaired."""
        allowed = self.limit.allows(archs)
        return [arch if kept else self.limit.repair(arch, self.rng) for arch, kept in zip(archs, allowed, strict=True)]

    def _promising(self, archs: list[Arch]) -> list[Arch]:
        """The up to `beam` of `archs` of which the surrogate expects most; any, where nothing is scored."""
        if not archs or not self.scores:
            return [archs[index] for index in self.rng.permutation(len(archs))[: self.beam]]
        scores, seed = np.array(list(self.scores.values())), int(self.rng.integers(2**31))
        surrogate = Ensemble(SURROGATE, self._encoded(list(self.scores)), scores, seed)
        best = np.argsort(-surrogate.predict(self._encoded(archs)).mean(0), kind="stable")
        return [archs[index] for index in best[: self.beam]]

    def _encoded(self, archs: list[Arch]) -> np.ndarray:
        """One-hot options of all slots, (N, slots × widest slot)."""
        return np.stack([self.space.encode(arch) for arch in archs]).reshape(len(archs), -1)

    def state_dict(self) -> State:
        """Scores, proposals and the plan, the level, and what the next one grows from."""
        return super().state_dict() | {"level": self.level, "parents": [list(arch) for arch in self.parents]}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.level, self.parents = state["level"], [tuple(arch) for arch in state["parents"]]


def repeat_decided(archs: np.ndarray, decided: int, space: SearchSpace) -> np.ndarray:
    """`archs` (N, slots), whose first `decided` slots are kept and repeated in the rest.

    Each further slot has the option, by its index, of the last decided slot of its kind, or of one before where it has
    no such option. Slots of candidates are one kind; so are choices whose names differ in nothing but numbers. Where
    no slot of a kind is decided, it is as in the smallest architecture.
    """
    kinds = ["" if isinstance(slot, Slot) else re.sub(r"\d+", "", slot.name) for slot in space.slots]
    rows = np.array(archs)
    for slot in range(decided, len(kinds)):
        rows[:, slot] = space.smallest[slot]
        for earlier in range(decided):
            if kinds[earlier] == kinds[slot]:
                rows[:, slot] = np.where(rows[:, earlier] < space.choices[slot], rows[:, earlier], rows[:, slot])
    return rows
