"""Coarse-to-fine selection (BigNAS, arXiv 2003.11142, §3.2)."""

from itertools import product
from typing import ClassVar

from pydantic import Field

from ...space.space import Arch, Choice, SearchSpace
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler
from .variation import resample


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


class CoarseToFineConstants(Constants):
    """Share of the coarse stage, and the rate of mutation of the fine one; the paper gives neither."""

    coarse: float = Field(default=0.5, ge=0, le=1, description="share of the budget that skeletons take at most; ours")
    probability: float = Field(
        default=0.1, ge=0, le=1, description="probability that a mutation samples a slot anew; ours"
    )


class CoarseToFine(ScoredSampler):
    """First the skeletons within the limit, and then mutations of the best.

    The paper evaluates its whole grid of skeletons, once for all limits; here they may take a share of the budget, and
    where there are more, some are sampled uniformly. Where no skeleton is within the limit, they are repaired until
    they are. Mutations are of the best so far, which at first is a skeleton.
    """

    constants: ClassVar[type[Constants]] = CoarseToFineConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: CoarseToFineConstants, *, seed: int, budget: int
    ) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.share, self.probability = constants.coarse, constants.probability
        self.grid: list[Arch] | None = None

    def propose(self) -> Arch:
        """A skeleton that has no score yet, or else a mutation; a random architecture where nothing is scored."""
        if self.grid is None:
            self.grid = self._grid()
        self.grid = [arch for arch in self.grid if arch not in self.scores and arch not in self.failed]
        for arch in self.grid:
            if not self.is_pending(arch):
                return arch
        best = self.finalists(1, self.limit)
        return self.sample_unseen((lambda: resample(best[0], self.probability, self.space, self.rng)) if best else None)

    def _grid(self) -> list[Arch]:
        """The skeletons to evaluate, in random order."""
        most = max(1, round(self.share * self.budget))
        every = skeletons(self.space)
        every = [every[index] for index in self.rng.permutation(len(every))]
        within = self.limit.filter(every)
        return within[:most] or list(dict.fromkeys(self.limit.repair(arch, self.rng) for arch in every[:most]))

    def state_dict(self) -> State:
        """Scores and proposals, the skeletons that are left, and the state of the generator."""
        grid = None if self.grid is None else [list(arch) for arch in self.grid]
        return super().state_dict() | {"grid": grid}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.grid = None if state["grid"] is None else [tuple(arch) for arch in state["grid"]]
