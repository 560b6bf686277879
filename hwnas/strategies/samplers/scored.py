"""What every black-box sampler keeps: its randomness, its limit, and all that it was told."""

from collections.abc import Callable

import numpy as np

from ...errors import InputError
from ...space.space import Arch, SearchSpace
from ..base import State
from ..limit import Limit


class ScoredSampler:
    """The part that all samplers have in common. A subclass adds `ask`, and its own state.

    `told` are all evaluations in order, `scores` the last score of each architecture.
    """

    def __init__(self, space: SearchSpace, limit: Limit, *, seed: int) -> None:
        self.space, self.limit, self.rng = space, limit, np.random.default_rng(seed)
        self.told: list[tuple[Arch, float]] = []
        self.scores: dict[Arch, float] = {}

    def tell(self, arch: Arch, score: float) -> None:
        """Remember that `arch` scores `score`, the larger the better."""
        self.told.append((arch, float(score)))
        self.scores[arch] = float(score)

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """The up to `count` best told that are within `limit`, the best first."""
        return sorted(limit.filter(list(self.scores)), key=lambda arch: -self.scores[arch])[:count]

    def best(self) -> Arch:
        """The best told within the limit. Raises `InputError` where none is."""
        found = self.finalists(1, self.limit)
        if not found:
            raise InputError("no architecture within the limit was evaluated yet")
        return found[0]

    def fresh(self, propose: Callable[[], Arch] | None = None, tries: int = 100) -> Arch:
        """What `propose()`, drawn within the limit, gives that was not told yet; after `tries`, any."""
        for _ in range(tries):
            arch = self.limit.sample(self.rng, propose)
            if arch not in self.scores:
                return arch
        return arch

    def state_dict(self) -> State:
        """All that was told, and the state of the generator."""
        return {"told": [[list(arch), score] for arch, score in self.told], "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        self.told, self.scores = [], {}
        for arch, score in state["told"]:
            ScoredSampler.tell(self, tuple(arch), score)
        self.rng.bit_generator.state = state["rng"]
