"""One search: what it holds while it runs, and what it leaves."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..devices.base import Device
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..latency.table import LatencyTable
from ..nn.ranks import Ranks
from ..progress import progress
from ..space import registry
from ..space.space import Arch
from ..strategies.limit import Limit
from ..strategies.loops import Schedule
from ..strategies.sampler_loop import Evaluate, SamplerLoop
from ..training.data import Dataset
from ..training.memory import keep_freed_memory
from . import decision
from .decision import Finalist
from .evaluators import Evaluator
from .folder import EVALUATED, HISTORY, STATE, SearchRecord
from .history import History
from .plan import Plan
from .shared import Shared

LEVEL = 0.9
"""Part of the measurements that fall into the predicted interval of the chosen network."""
NEAR = 0.98
"""A network that uses this part of what it is to use is near enough, as measured: predictions are not exact."""
STEPS, EVALUATIONS = "steps", "evaluations"
"""What the length of a search is told in."""


class SearchState:
    """Everything that one search holds, made anew from its request when it goes on.

    `begun` is the length that it was begun with: what scales with that stays as it was. Where no architecture uses
    as much of the latency as the plan asks for, all that are fast enough may be chosen, and `flags` say so.
    """

    def __init__(
        self,
        out: Path,
        table: LatencyTable,
        predictor: LatencyPredictor,
        plan: Plan,
        latency_ms: float,
        dataset: Dataset,
        seed: int,
        schedule: Schedule,
        begun: dict[str, int],
        ranks: Ranks,
    ) -> None:
        keep_freed_memory()
        self.out, self.table, self.predictor, self.plan = out, table, predictor, plan
        self.latency_ms, self.seed, self.ranks = latency_ms, seed, ranks
        # as many classes as the images have; a published table is of another number, but of the same slots
        self.space = registry.get(table.space, len(dataset.labels))
        fastest, _ = predictor.range()
        self.target_ms = max(fastest, latency_ms / (1 + table.quality.rmspe))
        self.flags: list[str] = []
        limit = self._band(self.target_ms)
        if limit.low == -np.inf and plan.used:
            self.flags.append(f"latency: no network uses {plan.used:.0%} of the {self.target_ms:.4g} ms aimed at")
        # A learner sees far more architectures than are in the band, and learns from all that are fast enough.
        allowed = limit.within(np.inf if plan.free else limit.high) if plan.free or plan.learns else limit
        length = schedule.model_copy(update={"steps": begun[STEPS]}).arch_steps if plan.learns else begun[EVALUATIONS]
        self.strategy = plan.made(plan.method.parts[0], self.space, allowed, seed=seed, budget=length)
        self.history = History(out / HISTORY, predictor.cost)
        learner = self.strategy if plan.learns else None
        shared = (self.space, plan, predictor, self.target_ms, dataset, seed, schedule, learner, self.history, ranks)
        self.shared = Shared(*shared) if plan.shares else None
        own = None if plan.shares else plan.judge(self.space, dataset, seed)
        self.evaluate: Evaluate = own or self.shared.quick
        self.worth: Evaluate = own or self.shared.worth
        self.sampling = None if plan.learns else self._sampling(own)

    def _band(self, high: float) -> Limit:
        """Architectures that take up to `high` ms and use the plan's share of it, or none does, up to `high`."""
        limit = Limit(self.space, self.predictor.cost, high)
        band = limit.within(high, self.plan.used * high) if self.plan.used else limit
        try:
            band.sample(np.random.default_rng(self.seed))
        except InputError:
            return limit
        return band

    def _sampling(self, own: Evaluator | None) -> SamplerLoop:
        """The sampler over evaluations. Where these change, as the weights were trained on, it begins anew."""
        return SamplerLoop(
            self.strategy,
            self.plan.rounds,
            self.evaluate,
            self.plan.joined(self.target_ms),
            self.predictor.cost,
            lambda step, arch, score: self.history.add("evaluations", step, arch, score),
            identity=json.dumps(own.identity if own else {"weights": self.shared.schedule.total}),
            ranks=self.ranks,
        )

    def run(self) -> None:
        """Search to the end, from the checkpoints there are."""
        try:
            if self.shared:
                self.shared.run(self.out / STATE)
            if self.sampling:
                with progress("evaluate", self.plan.rounds, self.ranks.main) as report:
                    self.sampling.run(self.out / EVALUATED, report)
        finally:
            self.history.close()

    def ranked(self, within_ms: float, count: int) -> list[Finalist]:
        """The strategy's `count` finalists predicted within `within_ms`, the best first."""
        limit = Limit(self.space, self.predictor.cost, within_ms)
        band = limit.within(within_ms, self.plan.used * within_ms)
        archs = self._best(count, band) or self._best(count, limit)
        with progress("finalists", len(archs), self.ranks.main) as report:
            scores = []
            for arch in archs:
                scores.append(self._judged(arch))
                report(len(scores), "")
        ms = self.predictor.cost(archs).tolist() if archs else []
        found = [Finalist(arch, *pair) for arch, *pair in zip(archs, ms, scores, strict=True)]
        return sorted(found, key=lambda finalist: -finalist.score)

    def _best(self, count: int, limit: Limit) -> list[Arch]:
        """The best evaluated within `limit`, or where none was, what the strategy holds best there."""
        return (self.sampling and self.sampling.finalists(count, limit)) or self.strategy.finalists(count, limit)

    def _judged(self, arch: Arch) -> float:
        """What `arch` is worth as a finalist: on all held-out images, or as it was evaluated already."""
        known = {} if self.shared or not self.sampling else self.sampling.values
        return known[arch] if arch in known else self.worth(arch)

    def choose(
        self, first: list[Finalist], device: Device | None, count: int, seconds: float
    ) -> tuple[Finalist, list[Finalist]]:
        """Of the finalists `first` the one that wins on the device, or without one as predicted, and all of them.

        Where the table is wrong about all of them, this rank alone judges others."""
        if device is None:
            return decision.best_of(first, self.latency_ms), first

        def others(ratio: float) -> list[Finalist]:
            return self.ranked(self.latency_ms / ratio, count)

        if self.shared:
            self.shared.alone()
        judge = decision.Judge(device, self.space, self.table.reference_seconds, seconds)
        return decision.decide(first, judge, self.latency_ms, self.plan.used * NEAR * self.latency_ms, others)

    def record(self, best: Finalist, known: list[Finalist], request: dict[str, Any]) -> SearchRecord:
        """What to write down."""
        table = self.table
        (low,), (high,) = self.predictor.interval([best.arch], LEVEL)
        probabilities, expected = self._distribution()
        running = [part for part in (self.shared and self.shared.loop, self.sampling) if part]
        return SearchRecord(
            space=table.space,
            classes=self.space.classes,
            latency_ms=self.latency_ms,
            target_ms=self.target_ms,
            expected_ms=expected,
            predicted_ms=best.predicted_ms,
            predicted_low=float(low),
            predicted_high=float(high),
            quality=table.quality,
            measured=best.measured,
            device=table.device,
            reference_seconds=table.reference_seconds if table.origin is None else None,
            flags=(*_notes(table, self.space.classes, best.measured is not None), *self.flags),
            arch=best.arch,
            finalists=tuple(known),
            probabilities=probabilities,
            judged_by=self.plan.judged_by,
            overhead=sum(part.own for part in running) / sum(part.seconds for part in running),
            request=request,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _distribution(self) -> tuple[tuple[tuple[float, ...], ...], float | None]:
        """The probabilities that the strategy ends with, and the latency expected under them, if it has any."""
        if not self.plan.learns:
            return (), None
        probs = self.strategy.distribution()
        rows = zip(probs.tolist(), self.space.choices, strict=True)
        return tuple(tuple(row[:n]) for row, n in rows), float(self.predictor.expected(probs))


def _notes(table: LatencyTable, classes: int, measured: bool) -> Iterator[str]:
    """What to know of the latency of the chosen network."""
    if not measured:
        yield "latency: predicted, not measured"
    if classes != table.classes:
        yield f"classes: the latency of the classifier is that of {table.classes} classes, not of {classes}"
    yield from table.notes
