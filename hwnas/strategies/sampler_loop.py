"""Run a sampler: ask, evaluate, tell, resumable after any evaluation."""

import time
from collections.abc import Callable
from typing import Any

from ..nn.ranks import Ranks
from ..progress import Report, silent
from ..space.space import Arch
from .base import Sampler
from .limit import Cost, Limit
from .objectives import Reward
from .resumable import History, Resumable, discard

Evaluate = Callable[[Arch], float]
"""Architecture to score, the larger the better; the same on all ranks, and whenever it is asked."""


class SamplerLoop(Resumable):
    """Evaluate `total` proposals of a `sampler`, and tell it `reward(value, ms, target_ms)` of each: `value` is by
    `evaluate`, ms by `cost`.

    An architecture that is proposed again is not evaluated again. `values` are all evaluations so far. `identity`
    names what `evaluate` depends on: a checkpoint of another identity is begun anew. Every rank runs the same sampler.
    """

    def __init__(
        self,
        sampler: Sampler,
        total: int,
        evaluate: Evaluate,
        reward: Reward,
        cost: Cost,
        target_ms: float,
        history: History = discard,
        identity: str = "",
        ranks: Ranks | None = None,
    ) -> None:
        self.sampler, self.total, self.evaluate = sampler, total, evaluate
        self.reward, self.cost, self.target_ms = reward, cost, target_ms
        self.history, self.identity, self.ranks = history, identity, ranks or Ranks()
        self.values: dict[Arch, float] = {}
        self.done, self.seconds, self.own = 0, 0.0, 0.0

    @property
    def overhead(self) -> float:
        """Share of the time that went into the sampler itself."""
        return self.own / self.seconds if self.seconds else 0.0

    def step(self, report: Report = silent) -> None:
        """Ask for one architecture, evaluate it, and tell its reward."""
        started = time.perf_counter()
        (proposal,) = self.sampler.ask()
        arch = proposal.arch
        asked = time.perf_counter()
        self.ranks.agree("the architecture asked for", arch)
        if arch not in self.values:
            self.values[arch] = float(self.evaluate(arch))
        value, (ms,) = self.values[arch], self.cost([arch])
        evaluated = time.perf_counter()
        self.sampler.tell(proposal.id, self.reward(value, float(ms), self.target_ms))
        finished = time.perf_counter()
        self.done += 1
        self.seconds += finished - started
        self.own += (asked - started) + (finished - evaluated)
        if self.ranks.main:
            self.history(self.done, arch, value)
        report(self.done, f"{value:.4g}, best {max(self.values.values()):.4g}")

    def finalists(self, count: int, limit: Limit) -> list[Arch]:
        """The up to `count` best of those evaluated that are within `limit`, the best first."""
        return sorted(limit.filter(list(self.values)), key=lambda arch: -self.values[arch])[:count]

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "identity": self.identity,
            "done": self.done,
            "seconds": self.seconds,
            "own": self.own,
            "values": [[list(arch), value] for arch, value in self.values.items()],
            "sampler": self.sampler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state`, unless it is of another identity."""
        if state["identity"] != self.identity:
            return
        self.done, self.seconds, self.own = state["done"], state["seconds"], state["own"]
        self.values = {tuple(arch): value for arch, value in state["values"]}
        self.sampler.load_state_dict(state["sampler"])
