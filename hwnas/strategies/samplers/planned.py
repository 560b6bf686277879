"""The base of samplers with a predictor: they decide on several architectures at once."""

from abc import abstractmethod
from collections.abc import Iterable

from ...space.space import Arch, SearchSpace
from ..base import State
from ..constants import Constants
from ..limit import Limit
from .scored import ScoredSampler

TRIES = 10
"""Times that as many architectures are sampled as are wanted, before those within the limit are looked for one by one.
"""

FEW = 100
"""Architectures at most that are looked for one by one."""


class PlannedSampler(ScoredSampler):
    """Fit a model to all scores, plan what to evaluate next, and fit again once all of that is scored.

    A subclass adds `plan`. Models are not kept: the scores and the random state decide on the next plan. `queue` is the
    plan, what was asked for last at its end.
    """

    def __init__(self, space: SearchSpace, limit: Limit, constants: Constants, *, seed: int, budget: int) -> None:
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.queue: list[Arch] = []

    @abstractmethod
    def plan(self) -> list[Arch]:
        """New architectures within the limit, to evaluate in this order; none where there are no more."""

    def plan_ahead(self) -> list[Arch]:
        """The same while the last plan is not all scored yet."""
        return self.plan()

    def propose(self) -> Arch:
        """The next of the plan."""
        self.queue = [arch for arch in self.queue if arch not in self.scores and arch not in self.failed]
        waiting = [arch for arch in self.queue if not self.is_pending(arch)]
        if not waiting:
            waiting = (self.plan_ahead() if self.queue else self.plan()) or [self.sample_unseen()]
            self.queue += waiting
        self.queue.remove(waiting[0])
        self.queue.append(waiting[0])
        return waiting[0]

    def unscored(self, archs: Iterable[Arch]) -> list[Arch]:
        """Those of `archs` that are within the limit and new, each once, in order."""
        return self.limit.filter([arch for arch in dict.fromkeys(archs) if self.is_new(arch)])

    def sample_unscored(self, count: int) -> list[Arch]:
        """`count` new architectures sampled uniformly; fewer where the limit leaves few."""
        found: dict[Arch, None] = {}
        for _ in range(TRIES):
            rows = self.rng.integers(0, self.space.choices, (count, len(self.space.choices)))
            found |= dict.fromkeys(self.unscored(map(tuple, rows.tolist())))
            if len(found) >= count:
                return list(found)[:count]
        while len(found) < min(count, FEW):
            arch = self.sample_unseen()
            if not self.is_new(arch) or arch in found:
                break
            found[arch] = None
        return list(found)

    def state_dict(self) -> State:
        """Scores and proposals, what is planned, and the state of the generator."""
        return super().state_dict() | {"queue": [list(arch) for arch in self.queue]}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.queue = [tuple(arch) for arch in state["queue"]]
