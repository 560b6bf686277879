"""One search: what it holds while it runs, and what it leaves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .. import strategies
from ..devices.base import Device
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..latency.table import LatencyTable
from ..nn.places import Sharing
from ..nn.ranks import Ranks
from ..nn.supernet import Supernet
from ..progress import progress
from ..space import mobile
from ..strategies.loops import RelaxationLoop, Schedule
from ..strategies.objective import SteeredLatency
from ..training.batches import Batches
from ..training.data import Dataset, holdout
from ..training.memory import keep_freed_memory
from ..training.prefetch import Prefetched
from . import finals
from .finals import Finalist
from .search_run import SearchRecord

HELD = 0.25
"""Part of the training images that the architecture is chosen on."""
RECALIBRATION = 512
"""Images for BatchNorm statistics of a finalist."""
LEVEL = 0.9
"""Part of the measurements that fall into the predicted interval of the chosen network."""


class SearchState:
    """Everything that one search holds, made anew from its request when it is resumed."""

    def __init__(
        self,
        table: LatencyTable,
        predictor: LatencyPredictor,
        budget_ms: float,
        dataset: Dataset,
        strategy: str,
        sharing: Sharing,
        seed: int,
        schedule: Schedule,
        ranks: Ranks,
    ) -> None:
        keep_freed_memory()
        self.table, self.predictor, self.budget_ms, self.dataset, self.seed = table, predictor, budget_ms, dataset, seed
        # as many classes as the images have; a published table is of another number, but of the same slots
        self.space = mobile.get(table.space, len(dataset.labels))
        fastest, _ = predictor.range()
        self.aim_ms = max(fastest, budget_ms / (1 + table.quality.rmspe))
        self.weights, self.held = holdout(dataset.train, HELD, seed)
        batch = min(schedule.batch_size, len(self.held))  # a small folder of images has few to hold out
        if batch % ranks.size:
            raise InputError(
                f"a batch of {batch} images cannot be dealt out evenly to {ranks.size} ranks: "
                f"give a multiple of {ranks.size}"
            )
        self.strategy = strategies.get(strategy)(self.space, steps=schedule.arch_steps, lr=schedule.arch_lr, seed=seed)
        self.weight_batches = Prefetched(Batches(self.weights, dataset, batch, seed, rows=ranks.rows), ranks.device)
        self.arch_batches = Prefetched(Batches(self.held, dataset, batch, seed + 1, rows=ranks.rows), ranks.device)
        self.loop = RelaxationLoop(
            Supernet(self.space, seed, sharing).to(ranks.device),
            self.strategy,
            SteeredLatency(self.aim_ms),
            predictor,
            schedule,
            self.weight_batches,
            self.arch_batches,
            ranks,
        )

    def ranked(self, within_ms: float, count: int, ranks: Ranks) -> list[Finalist]:
        """The finalists predicted within `within_ms`, see `finals.draw`, the most accurate first.

        Each of `ranks` judges its part of them."""
        found = finals.draw(self.predictor, self.strategy.distribution().double().numpy(), within_ms, count)
        mine = found[ranks.rows]
        size = min(RECALIBRATION // 4, len(self.weights))
        recalibration = Batches(self.weights, self.dataset, size, self.seed, augment=False)
        with progress("finalists", len(mine), ranks.main) as report:
            supernet = self.loop.supernet
            judged = finals.rank(mine, supernet, self.dataset, recalibration, RECALIBRATION, self.held, report)
        known = {finalist.arch: finalist for part in ranks.gather(judged) for finalist in part}
        return sorted((known[finalist.arch] for finalist in found), key=lambda finalist: -finalist.accuracy)

    def choose(
        self, first: list[Finalist], device: Device | None, count: int, seconds: float
    ) -> tuple[Finalist, list[Finalist]]:
        """Of the finalists `first` the one that wins on the device, or without one as predicted, and all of them.

        Where the table flatters all of them, this rank alone judges others."""
        if device is None:
            return finals.most_accurate(first, self.budget_ms), first

        def fewer(ratio: float) -> list[Finalist]:
            return self.ranked(self.aim_ms / max(ratio, 1.0), count, Ranks())

        judge = finals.Judge(device, self.space, self.table.pace, seconds)
        return finals.decide(first, judge, self.budget_ms, fewer)

    def record(self, best: Finalist, known: list[Finalist], request: dict[str, Any]) -> SearchRecord:
        """What to write down."""
        table = self.table
        rows = zip(self.strategy.distribution().tolist(), self.space.choices, strict=True)
        (low,), (high,) = self.predictor.interval([best.arch], LEVEL)
        return SearchRecord(
            space=table.space,
            classes=self.space.classes,
            budget_ms=self.budget_ms,
            aim_ms=self.aim_ms,
            expected_ms=self.loop.expected_ms(),
            predicted_ms=best.predicted_ms,
            predicted_low=float(low),
            predicted_high=float(high),
            quality=table.quality,
            measured=best.measured,
            device=table.device,
            pace=table.pace if table.origin is None else None,
            flags=tuple(_notes(table, self.space.classes, best.measured is not None)),
            arch=best.arch,
            finalists=tuple(known),
            probabilities=tuple(tuple(row[:n]) for row, n in rows),
            request=request,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _notes(table: LatencyTable, classes: int, measured: bool) -> Iterator[str]:
    """What to know of the latency of the chosen network."""
    if not measured:
        yield "latency: predicted, not measured"
    if classes != table.classes:
        yield f"classes: the latency of the classifier is that of {table.classes} classes, not of {classes}"
    yield from table.notes
