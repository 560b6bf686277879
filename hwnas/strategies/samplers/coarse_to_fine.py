"""Coarse-to-fine selection (BigNAS, arXiv 2003.11142, §3.2)."""

from itertools import product

from ...space.space import Arch, Choice, SearchSpace
from ..base import State
from ..limit import Limit
from ..ranges import shares
from .scored import ScoredSampler
from .variation import redrawn


def skeletons(space: SearchSpace) -> list[Arch]:
    """Architectures that are coarse: all decisions of one kind have the same option, or the last where it is not there.

    The kind of a choice is the last word of its name, such as depth, kernel or width. The slots of a layerwise space,
    each of which chooses its whole block, are all of one kind: its skeletons repeat one block.
    """
    kinds = [slot.name.split()[-1] if isinstance(slot, Choice) else "" for slot in space.slots]
    widest = {kind: max(n for own, n in zip(kinds, space.choices, strict=True) if own == kind) for kind in kinds}
    grid = (dict(zip(widest, levels, strict=True)) for levels in product(*map(range, widest.values())))
    found = (tuple(min(level[kind], n - 1) for kind, n in zip(kinds, space.choices, strict=True)) for level in grid)
    return list(dict.fromkeys(found))


class CoarseToFine(ScoredSampler):
    """First the skeletons within the limit, and then mutations of the best.

    - `coarse` (0.5): the share of the budget that skeletons may take at most; where there are more, some drawn
      uniformly. The paper evaluates its whole grid of them, once for all limits.
    - `probability` (0.1) by which a mutation draws each slot anew. The paper does not say how much it mutates.

    Where no skeleton is within the limit, they are mended until they are. Mutations are of the best so far, which at
    first is a skeleton. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        coarse: float = 0.5,
        probability: float = 0.1,
    ) -> None:
        super().__init__(space, limit, seed=seed)
        shares(coarse=coarse, probability=probability)
        self.share, self.budget, self.probability = coarse, budget, probability
        self.grid: list[Arch] | None = None

    def ask(self) -> Arch:
        """A skeleton that has no score yet, or else a mutation; asked ahead, the same skeleton again."""
        if self.grid is None:
            self.grid = self._grid()
        self.grid = [arch for arch in self.grid if arch not in self.scores]
        if self.grid:
            return self.grid[0]
        parent = self.best()
        return self.fresh(lambda: redrawn(parent, self.probability, self.space, self.rng))

    def _grid(self) -> list[Arch]:
        """The skeletons to evaluate, in random order."""
        most = max(1, round(self.share * self.budget))
        every = skeletons(self.space)
        every = [every[index] for index in self.rng.permutation(len(every))]
        within = self.limit.filter(every)
        return within[:most] or list(dict.fromkeys(self.limit.repair(arch, self.rng) for arch in every[:most]))

    def state_dict(self) -> State:
        """All that was told, the skeletons that are left, and the state of the generator."""
        grid = None if self.grid is None else [list(arch) for arch in self.grid]
        return super().state_dict() | {"grid": grid}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.grid = None if state["grid"] is None else [tuple(arch) for arch in state["grid"]]
