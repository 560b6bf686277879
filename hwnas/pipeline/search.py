"""The searching stage: a latency table, a budget and images in, the chosen network out."""

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter

from .. import devices
from ..errors import InputError
from ..files import parse, read_json, require_empty, sha256, write_json
from ..latency.predictor import TablePredictor
from ..latency.stats import Estimate
from ..latency.table import LatencyTable
from ..latency.table import load as load_table
from ..nn.supernet import Supernet
from ..progress import progress
from ..space import mobile
from ..space.net import Net
from ..strategies.loops import RelaxationLoop, Schedule
from ..strategies.objective import SteeredLatency
from ..strategies.proxyless import ProxylessGradient
from ..training.batches import Batches
from ..training.data import DEFAULT, Dataset, holdout, load
from ..training.memory import keep_freed_memory
from ..training.run import NET
from . import finals
from .finals import Finalist

SCHEMA = 1
RECORD, REQUEST, STATE = "search.json", "request.json", "search.state"
HELD = 0.25
"""Part of the training images that the architecture is chosen on."""
RECALIBRATION = 512
"""Images for BatchNorm statistics of a finalist."""


@dataclass(frozen=True)
class SearchRecord:
    """What was searched and chosen: the contents of `search.json`. Times in ms at `pace` (seconds), the table's.

    `aim_ms` is the expected latency that the search was steered to, one standard error of prediction under the
    budget; `expected_ms` is where it ended; `probabilities` has a row of numbers for each slot.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    space: str
    classes: int
    budget_ms: float
    aim_ms: float
    expected_ms: float
    predicted_ms: float
    measured: Estimate
    pace: float
    arch: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    probabilities: tuple[tuple[float, ...], ...]
    request: dict[str, Any]
    date: str

    def net(self) -> Net:
        """The chosen network."""
        return mobile.get(self.space, self.classes).derive(self.arch)


_RECORD = TypeAdapter(SearchRecord)


def read_record(folder: Path) -> SearchRecord:
    """The record of the finished search in `folder`. Raises `InputError`."""
    value = read_json(folder / RECORD, "search record")
    if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
        raise InputError(f"{folder / RECORD} is not a search record of schema {SCHEMA}")
    return parse(_RECORD, value, folder / RECORD)


def search(
    table: str | Path,
    latency_ms: float,
    data: str | Path = DEFAULT,
    *,
    out: str | Path = "runs/search",
    finalists: int = 16,
    seed: int = 0,
    schedule: Schedule | None = None,
    threads: int | None = None,
    root: Path | None = None,
    measuring_seconds: float = 20.0,
) -> SearchRecord:
    """Search the space of `table` for the most accurate network that runs in `latency_ms` on the table's device.

    ProxylessNAS on a shared supernet ends with a probability for every candidate; the `finalists` most probable
    architectures predicted within the budget are ranked by accuracy on held-out training images, and the best are
    measured on the device until one is within the budget. `out` gets `net.json` and `search.json`. `threads` is
    torch's; `data` and `root` are as `load` takes them. The same call again goes on where an interrupted one stopped,
    to the same probabilities, or returns the record of the finished one. Raises `InputError` for a budget that no
    network or every network of the space meets, for a table of another device, and for data of another kind.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    schedule = schedule or Schedule()
    latencies = load_table(Path(table))
    predictor = TablePredictor(mobile.get(latencies.space, latencies.classes), latencies)
    _check_request(predictor, latency_ms, finalists)
    with devices.get(latencies.device.device, latencies.device.threads) as device:
        latencies.require(device=device.info)
        dataset = load(data, predictor.space.resolution, root)
        _check_classes(dataset, latencies)
        request = _request(latencies, latency_ms, dataset, finalists, seed, schedule)
        out = Path(out)
        if (finished := _claim(out, request)) is not None:
            return finished
        stage = _Stage(predictor, latency_ms, dataset, seed, schedule)
        with progress("search", schedule.total) as report:
            stage.loop.run(out / STATE, report)
        best, known = stage.choose(device, finalists, measuring_seconds)
        record = stage.record(best, known, request)
    write_json(out / NET, record.net().to_json())
    write_json(out / RECORD, {"schema": SCHEMA, **asdict(record)})
    (out / STATE).unlink(missing_ok=True)
    return record


class _Stage:
    """Everything that one search holds, made anew from its request when it is resumed."""

    def __init__(
        self, predictor: TablePredictor, budget_ms: float, dataset: Dataset, seed: int, schedule: Schedule
    ) -> None:
        keep_freed_memory()
        self.predictor, self.budget_ms, self.dataset, self.seed = predictor, budget_ms, dataset, seed
        fastest, _ = predictor.range()
        self.aim_ms = max(fastest, budget_ms / (1 + predictor.table.fit.rmspe))
        self.weights, self.held = holdout(dataset.train, HELD, seed)
        self.strategy = ProxylessGradient(predictor.space, lr=schedule.arch_rate, seed=seed)
        self.loop = RelaxationLoop(
            Supernet(predictor.space, seed),
            self.strategy,
            SteeredLatency(self.aim_ms),
            predictor,
            schedule,
            Batches(self.weights, dataset, schedule.batch_size, seed),
            Batches(self.held, dataset, schedule.batch_size, seed + 1),
        )

    def ranked(self, within_ms: float, count: int) -> list[Finalist]:
        """The `count` most probable architectures predicted within `within_ms`, the most accurate first."""
        found = finals.draw(self.predictor, self.strategy.distribution().double().numpy(), within_ms, count)
        size = min(RECALIBRATION // 4, len(self.weights))
        recalibration = Batches(self.weights, self.dataset, size, self.seed, augment=False)
        with progress("finalists", len(found)) as report:
            supernet = self.loop.supernet
            return finals.rank(found, supernet, self.dataset, recalibration, RECALIBRATION, self.held, report)

    def choose(self, device: devices.base.Device, count: int, seconds: float) -> tuple[Finalist, list[Finalist]]:
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
            pace=table.pace,
            arch=best.arch,
            finalists=tuple(known),
            probabilities=tuple(tuple(row[:n]) for row, n in rows),
            request=request,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _check_request(predictor: TablePredictor, budget_ms: float, finalists: int) -> None:
    """Raise `InputError` for a budget that is no number of ms within the range of the space, or for no finalists."""
    fastest, slowest = predictor.range()
    if not (math.isfinite(budget_ms) and budget_ms > 0):
        raise InputError(f"a latency budget is a number of ms above 0, not {budget_ms:g}")
    if not fastest <= budget_ms <= slowest:
        side, name = ("under", "fastest") if budget_ms < fastest else ("over", "slowest")
        raise InputError(
            f"a budget of {budget_ms:g} ms is {side} the {name} network of {predictor.space.name} "
            f"on {predictor.table.device.device}: the range is {fastest:.4g} to {slowest:.4g} ms"
        )
    if finalists < 1:
        raise InputError(f"there must be at least 1 finalist, not {finalists}")


def _check_classes(dataset: Dataset, table: LatencyTable) -> None:
    classes = len(dataset.labels)
    if classes != table.classes:
        raise InputError(
            f"{dataset.name} has {classes} classes and the table was measured for {table.classes}: "
            f"profile again with --classes {classes}"
        )


def _request(
    table: LatencyTable, budget_ms: float, dataset: Dataset, finalists: int, seed: int, schedule: Schedule
) -> dict[str, Any]:
    """All that decides the outcome of a search, as JSON."""
    identity = sha256(repr((table.fingerprint, table.date, table.rows, table.fit)).encode())[:16]
    return {
        "table": identity,
        "budget_ms": budget_ms,
        "data": dataset.fingerprint,
        "finalists": finalists,
        "seed": seed,
        "schedule": schedule.model_dump(),
    }


def _claim(out: Path, request: dict[str, Any]) -> SearchRecord | None:
    """Make `out` the folder of this search; its record, if it is finished. Raises `InputError` if it is another's."""
    for leftover in out.glob(".*.partial"):
        leftover.unlink()  # of a write that was killed
    if not (out / REQUEST).exists():
        require_empty(out)
        write_json(out / REQUEST, request)
    elif (asked := read_json(out / REQUEST, "search request")) != request:
        differing = ", ".join(sorted(name for name in request if asked.get(name) != request[name]))
        raise InputError(f"{out} holds another search ({differing}): name another folder or remove it first")
    return read_record(out) if (out / RECORD).exists() else None
