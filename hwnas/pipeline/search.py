"""The searching stage: a latency table, a budget and images in, the chosen network out."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from .. import devices, strategies
from ..devices.base import Device
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
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
LEVEL = 0.9
"""Part of the measurements that fall into the predicted interval of the chosen network."""


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
    device: str | None = None,
    measured: bool | None = None,
) -> SearchRecord:
    """Search the space of `table` for the most accurate network that runs in `latency_ms` on the table's device.

    The strategy, on a shared supernet, ends with a probability for every candidate; the `finalists` most probable
    architectures predicted within the budget (and as many that use most of it) are ranked by accuracy on held-out
    training images, and the best are measured on the device until one is within the budget. That is `device`, a name
    or a device file, by default the one of the table's name; it runs the table's number of threads. With
    `measured=False`, which is the default for a published table, whose device is not here, no device is needed: the
    most accurate is chosen as predicted.

    `out` gets `net.json` and `search.json`. `threads` is torch's; `data` and `root` are as `load` takes them. The same
    call again goes on where an interrupted one stopped, to the same probabilities, or returns the record of the
    finished one. Raises `InputError` for a budget that no network or every network of the space meets, for a table of
    another device, and for data of another kind.
    """
    latencies = load_table(Path(table))
    measured = latencies.origin is None if measured is None else measured
    _check_device(latencies, device, measured)
    predictor = latencies.predictor(mobile.get(latencies.space, latencies.classes))
    _check(predictor, latencies, latency_ms)
    _check_numbers(finalists=(finalists, 1), seed=(seed, 0), threads=(threads, 1))
    if threads is not None:
        torch.set_num_threads(threads)
    schedule = schedule or Schedule()
    request = {
        "strategy": strategy,
        "table": latencies.identity,
        "budget_ms": latency_ms,
        "finalists": finalists,
        "seed": seed,
        "schedule": schedule.model_dump(),
        "measured": measured,
    }
    with _started(latencies, device) if measured else nullcontext() as running:
        dataset = load(data, predictor.space.resolution, root)
        _check_classes(dataset, latencies)
        run = _Run(latencies, predictor, latency_ms, dataset, strategy, seed, schedule)
        out, request = Path(out), {**request, "data": dataset.fingerprint}
        if (finished := claim(out, request)) is not None:
            return finished
        with progress("search", schedule.total) as report:
            run.loop.run(out / STATE, report)
        best, known = run.choose(running, finalists, measuring_seconds)
    record = run.record(best, known, request)
    write_record(out, record)
    return record


class _Run:
    """Everything that one search holds, made anew from its request when it is resumed."""

    def __init__(
        self,
        table: LatencyTable,
        predictor: LatencyPredictor,
        budget_ms: float,
        dataset: Dataset,
        strategy: str,
        seed: int,
        schedule: Schedule,
    ) -> None:
        keep_freed_memory()
        self.table, self.predictor, self.budget_ms, self.dataset, self.seed = table, predictor, budget_ms, dataset, seed
        # as many classes as the images have; a published table is of another number, but of the same slots
        self.space = mobile.get(table.space, len(dataset.labels))
        fastest, _ = predictor.range()
        self.aim_ms = max(fastest, budget_ms / (1 + table.quality.rmspe))
        self.weights, self.held = holdout(dataset.train, HELD, seed)
        batch = min(schedule.batch_size, len(self.held))  # a small folder of images has few to hold out
        self.strategy = strategies.get(strategy)(self.space, steps=schedule.arch_steps, lr=schedule.arch_lr, seed=seed)
        self.loop = RelaxationLoop(
            Supernet(self.space, seed),
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

    def choose(self, device: Device | None, count: int, seconds: float) -> tuple[Finalist, list[Finalist]]:
        """The finalist that wins on the device, or without one as predicted, and all of them."""

        def fewer(ratio: float) -> list[Finalist]:
            return self.ranked(self.aim_ms / max(ratio, 1.0), count)

        first = self.ranked(self.aim_ms, count)
        if device is None:
            return finals.most_accurate(first, self.budget_ms), first
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


def check_budget(budget_ms: float) -> None:
    """Raise `InputError` for what cannot be a budget on any device."""
    if not (math.isfinite(budget_ms) and budget_ms > 0):
        raise InputError(f"a latency budget is a number of ms above 0, not {budget_ms:g}")


@contextmanager
def _started(table: LatencyTable, device: str | None) -> Iterator[Device]:
    """The device that finalists are measured on, up and known to be the table's. Raises `InputError`."""
    with devices.get(device or table.device.device, table.device.threads) as running:
        table.require(device=running.info)
        yield running


def _check_device(table: LatencyTable, device: str | None, measured: bool) -> None:
    """Raise `InputError` where something is asked of a device that nothing is to be, or can be, measured on."""
    if measured and table.origin is not None:
        raise InputError(
            f"the table of {table.device.device} is published data, with which no measurement compares: "
            "search without measuring"
        )
    if not measured and device is not None:
        raise InputError(f"this search measures nothing: leave out the device {device}")


def _check(predictor: LatencyPredictor, table: LatencyTable, budget_ms: float) -> None:
    """Raise `InputError` for a budget that no network of the space meets, or every one does."""
    check_budget(budget_ms)
    fastest, slowest = predictor.range()
    if not fastest <= budget_ms <= slowest:
        side, name = ("under", "fastest") if budget_ms < fastest else ("over", "slowest")
        raise InputError(
            f"a budget of {budget_ms:g} ms is {side} the {name} network of {predictor.space.name} "
            f"on {table.device.device}: the range is {fastest:.4g} to {slowest:.4g} ms"
        )


def _check_numbers(**least: tuple[int | None, int]) -> None:
    """Raise `InputError` for a number, given as (value, least), that is less than that."""
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise InputError(f"{name} must be at least {low}, not {value}")


def _check_classes(dataset: Dataset, table: LatencyTable) -> None:
    """Raise `InputError` where the networks of the table are not of the dataset; a published one is taken as it is."""
    classes = len(dataset.labels)
    if classes != table.classes and table.origin is None:
        raise InputError(
            f"{dataset.name} has {classes} classes and the table was measured for {table.classes}: "
            f"profile again with --classes {classes}"
        )


def _notes(table: LatencyTable, classes: int, measured: bool) -> Iterator[str]:
    """What to know of the latency of the chosen network."""
    if not measured:
        yield "latency: predicted, not measured"
    if classes != table.classes:
        yield f"classes: the latency of the classifier is that of {table.classes} classes, not of {classes}"
    yield from table.notes
