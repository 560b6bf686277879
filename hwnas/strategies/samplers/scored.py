"""The base of black-box samplers: proposals and scores, over the two hooks `propose` and `observe`."""

from collections.abc import Callable
from math import isfinite
from typing import ClassVar

import numpy as np

from ...errors import DivergedError, InputError
from ...space.space import Arch, SearchSpace
from ..base import Proposal, State
from ..constants import Constants
from ..limit import Limit


class ScoredSampler:
    """A `Sampler` that remembers every score. A subclass adds `propose`, and whatever else of this it needs:

        class Mine(ScoredSampler):
            constants = MineConstants  # a frozen model, where it has any

            def propose(self) -> Arch:
                return self.sample_unseen()

    `observations` are all scores in order, `scores` the last one of each architecture. `pending` has what was asked for
    and not told yet, `failed` what was told to have failed. All of it is in the state.
    """

    constants: ClassVar[type[Constants]] = Constants

    def __init__(self, space: SearchSpace, limit: Limit, constants: Constants, *, seed: int, budget: int) -> None:
        self.space, self.limit, self.budget = space, limit, budget
        self.rng = np.random.default_rng(seed)
        self.observations: list[tuple[Arch, float]] = []
        self.scores: dict[Arch, float] = {}
        self.pending: dict[int, Arch] = {}
        self.failed: dict[Arch, None] = {}
        self._next_id = 0

    def propose(self) -> Arch:
        """An architecture within the limit to evaluate next; rather none that `is_pending`."""
        raise NotImplementedError

    def observe(self, arch: Arch, score: float) -> None:
        """Learn from a new score, which is in `observations` and `scores` already. By default nothing more."""

    def ask(self, count: int = 1) -> list[Proposal]:
        """`count` architectures within the limit to evaluate next; more may be asked before any is told."""
        return [self._register(self.propose()) for _ in range(count)]

    def tell(self, id: int, score: float | None) -> None:
        """Learn the score of the proposal `id`, the larger the better, in any order; None: it failed.

        Raises `InputError` for an id that is not pending, and `DivergedError` for a score that is no finite number.
        """
        if id not in self.pending:
            raise InputError(
                f"no proposal {id} is pending: tell each once, by its id", code="strategies.not-pending", id=id
            )
        self.add(self.pending.pop(id), score)

    def add(self, arch: Arch, score: float | None) -> None:
        """Learn the score of an architecture that it need not have asked for, such as one from an earlier search.

        Raises `DivergedError` for a score that is no finite number.
        """
        if score is None:
            self.failed[arch] = None
            return
        if not isfinite(score):
            message = f"the score of {list(arch)} is {score}, not a finite number: tell None where an evaluation failed"
            raise DivergedError(message, code="strategies.score-not-finite", arch=arch, score=score)
        self._record(arch, float(score))
        self.observe(arch, float(score))

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """The up to `count` best scored within `limit`, the best first; none that failed."""
        scored = [arch for arch in self.scores if arch not in self.failed]
        return sorted(limit.filter(scored), key=lambda arch: -self.scores[arch])[:count]

    def best(self) -> Arch:
        """The best scored within the limit. Raises `InputError` where none is."""
        found = self.finalists(1, self.limit)
        if not found:
            raise InputError("no architecture within the limit was evaluated yet", code="strategies.nothing-scored")
        return found[0]

    def is_pending(self, arch: Arch) -> bool:
        """Whether `arch` was asked for and is not told yet."""
        return arch in self.pending.values()

    def is_new(self, arch: Arch) -> bool:
        """Whether `arch` is neither scored nor failed nor pending."""
        return arch not in self.scores and arch not in self.failed and not self.is_pending(arch)

    def sample_unseen(self, propose: Callable[[], Arch] | None = None, tries: int = 100) -> Arch:
        """The first new one of `tries` architectures that `propose` (by default uniformly) draws within the limit, or
        else the last of them; while something is pending, one sampled uniformly instead."""
        for _ in range(tries):
            arch = self.limit.sample(self.rng, propose)
            if self.is_new(arch):
                return arch
        if self.pending and propose is not None:  # rather any other than what is being evaluated
            return self.sample_unseen(tries=tries)
        return arch

    def state_dict(self) -> State:
        """Scores, failures, what is pending, and the state of the generator."""
        return {
            "observations": [[list(arch), score] for arch, score in self.observations],
            "failed": [list(arch) for arch in self.failed],
            "proposals": {"next": self._next_id, "pending": [[id, list(arch)] for id, arch in self.pending.items()]},
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`; an old one, without failures and pending proposals, too."""
        self.observations, self.scores = [], {}
        for arch, score in state["observations"] if "observations" in state else state["told"]:
            self._record(tuple(arch), score)
        self.failed = {tuple(arch): None for arch in state.get("failed", [])}
        proposals = state.get("proposals", {"next": 0, "pending": []})
        self.pending = {id: tuple(arch) for id, arch in proposals["pending"]}
        self._next_id = proposals["next"]
        self.rng.bit_generator.state = state["rng"]

    def _register(self, arch: Arch) -> Proposal:
        self._next_id += 1
        self.pending[self._next_id] = arch
        return Proposal(self._next_id, arch)

    def _record(self, arch: Arch, score: float) -> None:
        self.observations.append((arch, score))
        self.scores[arch] = score
        self.failed.pop(arch, None)
