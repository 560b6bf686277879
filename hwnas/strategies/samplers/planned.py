"""What the samplers with a predictor have in common: they decide on several architectures at once."""

from collections.abc import Iterable

from ...space.space import Arch, SearchSpace
from ..base import State
from ..limit import Limit
from .scored import ScoredSampler

TRIES = 10
"""Times that as many architectures are drawn as are wanted, before those within the limit are looked for one by one."""

FEW = 100
"""Architectures at most that are looked for one by one."""


class Planned(ScoredSampler):
    """Fits a model to all that was told, plans what to evaluate next, and fits again once all of that is told.

    A subclass adds `plan`. Models are not kept: what is told and the random state decide on the next plan.
    """

    def __init__(self, space: SearchSpace, limit: Limit, *, seed: int) -> None:
        super().__init__(space, limit, seed=seed)
        self.queue: list[Arch] = []

    def plan(self) -> list[Arch]:
        """Architectures within the limit that are not told yet, to evaluate in this order; none where all are told."""
        raise NotImplementedError

    def ask(self) -> Arch:
        """The next of the plan; asked ahead, the one after it."""
        self.queue = [arch for arch in self.queue if arch not in self.scores]
        if not self.queue:
            self.queue = self.plan() or [self.fresh()]
        self.queue.append(self.queue.pop(0))
        return self.queue[-1]

    def untold(self, archs: Iterable[Arch]) -> list[Arch]:
        """Those of `archs` that are within the limit and not told yet, each once, in order."""
        return self.limit.filter([arch for arch in dict.fromkeys(archs) if arch not in self.scores])

    def drawn(self, count: int) -> list[Arch]:
        """`count` architectures that are `untold`, drawn uniformly; fewer where the limit leaves few."""
        found: dict[Arch, None] = {}
        for _ in range(TRIES):
            rows = self.rng.integers(0, self.space.choices, (count, len(self.space.choices)))
            found |= dict.fromkeys(self.untold(map(tuple, rows.tolist())))
            if len(found) >= count:
                return list(found)[:count]
        while len(found) < min(count, FEW):
            arch = self.fresh()
            if arch in self.scores or arch in found:
                break
            found[arch] = None
        return list(found)

    def state_dict(self) -> State:
        """All that was told, what is planned, and the state of the generator."""
        return super().state_dict() | {"queue": [list(arch) for arch in self.queue]}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.queue = [tuple(arch) for arch in state["queue"]]
