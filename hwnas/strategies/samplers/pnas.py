"""Progressive Neural Architecture Search (Liu et al. 2017, arXiv 1712.00559)."""

import re
from itertools import product
from math import prod

import numpy as np

from ...space.space import Arch, SearchSpace, Slot
from ..base import State
from ..limit import Limit
from ..ranges import counts
from .ensemble import Ensemble, Shape
from .planned import Planned

SURROGATE = Shape(depth=2, width=100, lr=0.01, folds=True)
"""The ensemble of MLPs (§4.2): hidden layers of 100 units, the L1 loss, each member fitted to 4/5 of what is known.

The paper embeds an option, averages over the blocks, and multiplies by the first layer: one linear map, which here is
the first layer itself, on one-hot options. Each slot has its own, because the slots of a chain, unlike the blocks of a
cell, are not alike."""

CHILDREN = 1000
"""Children of a beam that are looked at; where it has more, so many are drawn."""


class Pnas(Planned):
    """Architectures of few decisions first, then the most promising of those of more, and so on (algorithm 1).

    The paper grows a cell from 1 block to 5, and the whole network repeats that cell. Here the slots are `levels`
    (published: 5) blocks of consecutive slots, as equal as can be. At level b the first b blocks are decided, and the
    rest is `repeated`: so the few decisions of level 1, too, make the whole network.

    - Level 1 evaluates all combinations of its block, or `beam` drawn at random where there are more.
    - Each further level takes the children of all that the level before it evaluated, and evaluates the `beam` of them
      of which the surrogate, fitted to all that was told, expects most. `beam`, published: 256. By default that, or
      the budget divided by `levels` where that is less.
    - After the last level, where the paper ends, children are the neighbours of the `beam` best.

    A child outside the limit is mended, in any of its slots, before it is judged. Raises `InputError` for a constant
    out of range.
    """

    def __init__(
        self, space: SearchSpace, limit: Limit, *, seed: int, budget: int, levels: int = 5, beam: int = 0
    ) -> None:
        super().__init__(space, limit, seed=seed)
        counts(1, levels=levels)
        counts(beam=beam)
        self.beam = beam or max(2, min(256, budget // levels))
        slots, levels = len(space.choices), min(levels, len(space.choices))
        self.ends = [-(-slots * level // levels) for level in range(levels + 1)]
        """Slots that are decided at each level, 0 of them before the first."""
        self.level, self.parents = 0, [space.smallest]

    def plan(self) -> list[Arch]:
        """What the next level has of new architectures, or that after it."""
        while self.level + 1 < len(self.ends):
            self.level += 1
            chosen = self._promising(self.untold(self._allowed(self._children())))
            if chosen:
                self.parents = chosen
                return chosen
        best = self.finalists(self.beam, self.limit)
        return self._promising(self.untold(other for arch in best for other in self.space.neighbours(arch)))

    def _children(self) -> list[Arch]:
        """The parents with every combination of options in the block of this level, or `CHILDREN` of them."""
        start, end = self.ends[self.level - 1 : self.level + 1]
        options, parents = self.space.choices[start:end], np.array(self.parents)
        if len(parents) * prod(options) > CHILDREN:
            rows = parents[self.rng.integers(0, len(parents), CHILDREN)]
            rows[:, start:end] = self.rng.integers(0, options, (CHILDREN, end - start))
        else:
            combinations = np.array(list(product(*map(range, options))))
            rows = np.repeat(parents, len(combinations), axis=0)
            rows[:, start:end] = np.tile(combinations, (len(parents), 1))
        return list(map(tuple, repeated(rows, end, self.space).tolist()))

    def _allowed(self, archs: list[Arch]) -> list[Arch]:
        """`archs`, those outside the limit mended."""
        allowed = self.limit.allows(archs)
        return [arch if kept else self.limit.repair(arch, self.rng) for arch, kept in zip(archs, allowed, strict=True)]

    def _promising(self, archs: list[Arch]) -> list[Arch]:
        """The up to `beam` of `archs` of which the surrogate expects most; any, where nothing is known."""
        if not archs or not self.scores:
            return [archs[index] for index in self.rng.permutation(len(archs))[: self.beam]]
        known, seed = np.array(list(self.scores.values())), int(self.rng.integers(2**31))
        surrogate = Ensemble(SURROGATE, self._encoded(list(self.scores)), known, seed)
        best = np.argsort(-surrogate.predict(self._encoded(archs)).mean(0), kind="stable")
        return [archs[index] for index in best[: self.beam]]

    def _encoded(self, archs: list[Arch]) -> np.ndarray:
        """One-hot options of all slots, (N, slots × widest slot)."""
        return np.stack([self.space.encode(arch) for arch in archs]).reshape(len(archs), -1)

    def state_dict(self) -> State:
        """All that was told and is planned, the level, and what the next one grows from."""
        return super().state_dict() | {"level": self.level, "parents": [list(arch) for arch in self.parents]}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.level, self.parents = state["level"], [tuple(arch) for arch in state["parents"]]


def repeated(archs: np.ndarray, decided: int, space: SearchSpace) -> np.ndarray:
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
