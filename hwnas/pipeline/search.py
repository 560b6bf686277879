"""The searching stage: a latency table, a budget and images in, the chosen network out."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from .. import devices, strategies
from ..devices.base import Device
from ..errors import InputError
from ..files import sha256
from ..latency.predictor import TablePredictor
from ..latency.table import LatencyTable
from ..latency.table import load as load_table
from ..nn.supernet import Supernet
from ..progress import progress
from ..space import mobile
from ..strategies.loops import RelaxationLoop, Schedule
from ..strategies.objective import SteeredLatency
from ..training.batches import Batches
from ..training.data import DEFAULT, Dataset, holdout, load
from ..training.memory import keep_freed_memory
from . import finals
from .finals import Finalist
from .search_run import STATE, SearchRecord, claim, write_record

HELD = 0.25
"""Part of the training images that the architecture is chosen on."""
RECALIBRATION = 512
"""Images for BatchNorm statistics of a finalist."""


def search(
    table: str | Path,
    latency_ms: float,
    data: str | Path = DEFAULT,
    *,
    out: str | Path = "runs/search",
    strategy: str = "proxyless",
    finalists: int = 16,
    seed: int = 0,
    schedule: Schedule | None = None,
    threads: int | None = None,
    root: Path | None = None,
    measuring_seconds: float = 20.0,
) -> SearchRecord:
    """Search the space of `table` for the most accurate network that runs in `latency_ms` on the table's device.

    The strategy, on a shared supernet, ends with a probability for every candidate; the `finalists` most probable
    architectures predicted within the budget (and as many that use most of it) are ranked by accuracy on held-out
    training images, and the best are measured on the device until one is within the budget. `out` gets `net.json`
    and `search.json`. `threads` is torch's; `data` and `root` are as `load` takes them. The same call again goes on
    where an interrupted one stopped, to the same probabilities, or returns the record of the finished one. Raises
    `InputError` for a budget that no network or every network of the space meets, for a table of another device, and
    for data of another kind.
    """
    latencies = load_table(Path(table))
    predictor = TablePredictor(mobile.get(latencies.space, latencies.classes), latencies)
    _check(predictor, latency_ms, finalists, seed, threads)
    if threads is not None:
        torch.set_num_threads(threads)
    schedule = schedule or Schedule()
    request = {
        "strategy": strategy,
        "table": _identity(latencies),
        "budget_ms": latency_ms,
        "finalists": finalists,
        "seed": seed,
        "schedule": schedule.model_dump(),
    }
    with devices.get(latencies.device.device, latencies.device.threads) as device:
        latencies.require(device=device.info)
        dataset = load(data, predictor.space.resolution, root)
        _check_classes(dataset, latencies)
        run = _Run(predictor, latency_ms, dataset, strategy, seed, schedule)
        out, request = Path(out), {**request, "data": dataset.fingerprint}
        if (finished := claim(out, request)) is not None:
            return finished
        with progress("search", schedule.total) as report:
            run.loop.run(out / STATE, report)
        best, known = run.choose(device, finalists, measuring_seconds)
    record = run.record(best, known, request)
    write_record(out, record)
    return record


class _Run:
    """Everything that one search holds, made anew from its request when it is resumed."""

    def __init__(
        self,
        predictor: TablePredictor,
        budget_ms: float,
        dataset: Dataset,
        strategy: str,
        seed: int,
        schedule: Schedule,
    ) -> None:
        keep_freed_memory()
        self.predictor, self.budget_ms, self.dataset, self.seed = predictor, budget_ms, dataset, seed
        fastest, _ = predictor.range()
        self.aim_ms = max(fastest, budget_ms / (1 + predictor.table.fit.rmspe))
        self.weights, self.held = holdout(dataset.train, HELD, seed)
        batch = min(schedule.batch_size, len(self.held))  # a small folder of images has few to hold out
        self.strategy = strategies.get(strategy)(
            predictor.space, steps=schedule.arch_steps, lr=schedule.arch_lr, seed=seed
        )
        self.loop = RelaxationLoop(
            Supernet(predictor.space, seed),
            self.strategy,
            SteeredLatency(self.aim_ms),
            predictor,
            schedule,
            Batches(self.weights, dataset, batch, seed),
            Batches(self.held, dataset, batch, seed + 1),
        )

    def ranked(self, within_ms: float, count: int) -> list[Finalist]:
        """The finalists predicted within `within_ms`, see `finals.draw`, the most accurate first."""
        found = finals.draw(self.predictor, self.strategy.distribution().double().numpy(), within_ms, count)
        size = min(RECALIBRATION // 4, len(self.weights))
        recalibration = Batches(self.weights, self.dataset, size, self.seed, augment=False)
        with progress("finalists", len(found)) as report:
            supernet = self.loop.supernet
            return finals.rank(found, supernet, self.dataset, recalibration, RECALIBRATION, self.held, report)

    def choose(self, device: Device, count: int, seconds: float) -> tuple[Finalist, list[Finalist]]:
        """The finalist that wins on the device, and all of them."""

        def fewer(ratio: float) -> list[Finalist]:
            return self.ranked(self.aim_ms / max(ratio, 1.0), count)

        first = self.ranked(self.aim_ms, count)
        return finals.decide(first, self.predictor, device, self.budget_ms, fewer, seconds)

    def record(self, best: Finalist, known: list[Finalist], request: dict[str, Any]) -> SearchRecord:
        """What to write down."""
        table = self.predictor.table
        rows = zip(self.strategy.distribution().tolist(), self.predictor.space.choices, strict=True)
        return SearchRecord(
            space=table.space,
            classes=table.classes,
            budget_ms=self.budget_ms,
            aim_ms=self.aim_ms,
            expected_ms=self.loop.expected_ms(),
            predicted_ms=best.predicted_ms,
            measured=best.measured,
            device=table.device,
            pace=table.pace,
            arch=best.arch,
            finalists=tuple(known),
            probabilities=tuple(tuple(row[:n]) for row, n in rows),
            request=request,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def check_budget(budget_ms: float) -> None:
    """Raise `InputError` for what cannot be a budget on any device."""
    if not (math.isfinite(budget_ms) and budget_ms > 0):
        raise InputError(f"a latency budget is a number of ms above 0, not {budget_ms:g}")


def _check(predictor: TablePredictor, budget_ms: float, finalists: int, seed: int, threads: int | None) -> None:
    """Raise `InputError` for numbers out of their range: of the space, for the budget."""
    check_budget(budget_ms)
    fastest, slowest = predictor.range()
    if not fastest <= budget_ms <= slowest:
        side, name = ("under", "fastest") if budget_ms < fastest else ("over", "slowest")
        raise InputError(
            f"a budget of {budget_ms:g} ms is {side} the {name} network of {predictor.space.name} "
            f"on {predictor.table.device.device}: the range is {fastest:.4g} to {slowest:.4g} ms"
        )
    for name, value, least in (("finalists", finalists, 1), ("seed", seed, 0), ("threads", threads, 1)):
        if value is not None and value < least:
            raise InputError(f"{name} must be at least {least}, not {value}")


def _check_classes(dataset: Dataset, table: LatencyTable) -> None:
    classes = len(dataset.labels)
    if classes != table.classes:
        raise InputError(
            f"{dataset.name} has {classes} classes and the table was measured for {table.classes}: "
            f"profile again with --classes {classes}"
        )


def _identity(table: LatencyTable) -> str:
    """Tells one session's table from another's."""
    return sha256(repr((table.fingerprint, table.date, table.rows, table.fit)).encode())[:16]
