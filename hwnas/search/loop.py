"""The strategy of one search and its loop: it learns beside shared weights, or samples what an evaluator scores."""

import json
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from ..clock import Clock
from ..nn.ranks import Ranks
from ..progress import Progress, show_progress
from ..space.space import Arch
from ..strategies.base import Learner, Sampler
from ..strategies.limit import Limit
from ..strategies.objectives import Reward
from .evaluators import Evaluator
from .folder import EVALUATED, HISTORY, STATE
from .history import History
from .plan import Plan
from .problem import Problem
from .request import Length
from .shared import SharedSupernet
from .timed_loops import TimedSamplerLoop


class SearchLoop:
    """A `plan` carried out on a `problem`, made anew from the request when it resumes from the files in `folder`.

    `begun` is the length that the search began with: what scales with that stays as it was. `shared` is None where an
    evaluator scores architectures, and `sampling` where the strategy learns while the weights do. `clock` counts what
    the parts of the search take.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        begun: Length,
        folder: Path,
        *,
        ranks: Ranks,
        progress: Progress,
        clock: Clock | None = None,
    ) -> None:
        self.problem, self.plan, self.folder, self.ranks, self.progress = problem, plan, folder, ranks, progress
        self.clock = clock or Clock()
        budget = begun.arch_steps(plan.config.weights.schedule) if plan.learns else begun.evaluations
        plan.objective().require_target(problem.target_ms)
        self.strategy = plan.strategy(_allowed(problem, plan), budget)
        self.history = History(folder / HISTORY, problem.predictor.cost)
        self.shared = self._supernet() if plan.shares_weights else None
        self.evaluator = plan.evaluator and plan.evaluator.build(problem.space, problem.dataset, plan.config.seed)
        self.sampling = None if plan.learns else self._sampler_loop()

    def _supernet(self) -> SharedSupernet:
        return SharedSupernet(
            self.problem,
            self.plan,
            learner=cast(Learner, self.strategy) if self.plan.learns else None,
            history=partial(self.history.add, "weights"),
            ranks=self.ranks,
            clock=self.clock,
        )

    def _sampler_loop(self) -> TimedSamplerLoop:
        """The sampler over evaluations. Where these change, as the weights were trained on, it begins anew."""
        identity = self.evaluator.identity if self.evaluator else {"weights": self._supernet_of().schedule.total}
        return TimedSamplerLoop(
            cast(Sampler, self.strategy),
            self.plan.evaluations,
            self.clock.counted("scoring", self.evaluator or self._supernet_of().score_quickly),
            cast(Reward, self.plan.objective()),
            self.problem.predictor.cost,
            self.problem.target_ms,
            self.clock.counted("history", partial(self.history.add, "evaluations")),
            identity=json.dumps(identity),
            ranks=self.ranks,
            clock=self.clock,
        )

    def _supernet_of(self) -> SharedSupernet:
        assert self.shared is not None  # there is an evaluator or there are shared weights
        return self.shared

    def run(self) -> None:
        """Search to the end, from the checkpoints there are."""
        try:
            if self.shared:
                self.shared.run(self.folder / STATE, self.progress)
            if self.sampling:
                with show_progress("evaluate", self.plan.evaluations, self.progress) as report:
                    self.sampling.run(self.folder / EVALUATED, report)
        finally:
            self.history.close()

    def best(self, count: int, limit: Limit) -> list[Arch]:
        """The best evaluated within `limit`, or where none was, what the strategy holds best there."""
        evaluated = self.sampling.finalists(count, limit) if self.sampling else []
        return evaluated or self.strategy.finalists(count, limit)

    def score(self, arch: Arch) -> float:
        """The score of a finalist: on all validation images, or as it was evaluated already."""
        if self.shared:
            return self.shared.score(arch)
        evaluator = cast(Evaluator, self.evaluator)
        evaluated = self.sampling.values if self.sampling else {}
        return evaluated[arch] if arch in evaluated else evaluator(arch)

    def overhead(self) -> float:
        """Share of the seconds of searching that were the strategy's own."""
        loops = [loop for loop in (self.shared and self.shared.loop, self.sampling) if loop]
        return sum(loop.own for loop in loops) / sum(loop.seconds for loop in loops)

    def distribution(self) -> tuple[tuple[tuple[float, ...], ...], float | None]:
        """The probabilities that the strategy ends with, a row for each slot, and the latency (ms) expected under them;
        nothing where it has none."""
        if not self.plan.learns:
            return (), None
        probs = cast(Learner, self.strategy).distribution()
        rows = zip(probs.tolist(), self.problem.space.choices, strict=True)
        return tuple(tuple(row[:n]) for row, n in rows), float(self.problem.predictor.expected(probs))


def _allowed(problem: Problem, plan: Plan) -> Limit:
    """What the strategy may look at: any architecture where its objective weighs the latency. A learner sees far more
    architectures than are in the band, and learns from all that are fast enough."""
    if plan.weighs_latency:
        return problem.limit.within(np.inf)
    return problem.limit if plan.learns else problem.band
