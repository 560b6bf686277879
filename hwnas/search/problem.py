"""The problem of one search: a space, what its architectures cost on a device, which may be chosen, and images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import devices
from ..clock import Clock
from ..devices.base import Device
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..latency.table import LatencyTable
from ..latency.tables import TableLike, load_table, space_of
from ..progress import Progress
from ..space.space import SearchSpace
from ..strategies.limit import Limit
from ..training.data import Dataset, load
from .config import LatencyLimit, SearchConfig


@dataclass(frozen=True)
class Problem:
    """Architectures of `space` that take up to `target_ms` as `predictor` says, and images of `dataset` to learn from.

    `latency_ms` was asked for; `target_ms` is one standard error of prediction below it. `limit` is all that is fast
    enough, and `band` what also uses the share `use` of the target; `band` is `limit` where nothing does. `measure`:
    whether the device decides between finalists.
    """

    table: LatencyTable
    predictor: LatencyPredictor
    space: SearchSpace
    dataset: Dataset
    latency_ms: float
    target_ms: float
    use: float
    measure: bool
    limit: Limit
    band: Limit

    @staticmethod
    def of(
        config: SearchConfig,
        table: TableLike | None = None,
        dataset: Dataset | None = None,
        progress: Progress = None,
        clock: Clock | None = None,
    ) -> "Problem":
        """The problem that `config` says, once all that can be wrong with it has been looked at.

        `table` and `dataset` are in place of those that it names, where they are loaded already; `clock` counts what
        the images take. Raises `InputError`.
        """
        asked = config.limit
        found = load_table(asked.table if table is None else table)
        measure = found.origin is None if asked.measure is None else asked.measure
        _require_device(found, asked, measure)
        measured_space = space_of(found, config.space)
        predictor = found.predictor(measured_space)
        _require_reachable(predictor, found, asked.latency_ms)
        with (clock or Clock()).part("images"):
            images = _load(config, dataset, measured_space.resolution, progress)
        _require_classes(images, found)
        # as many classes as the images have; a published table is of another number, but of the same slots
        classes = len(images.labels)
        space = measured_space if classes == found.classes else space_of(found, config.space, classes)
        fastest, _ = predictor.range()
        target_ms = max(fastest, asked.latency_ms / (1 + found.quality.rmspe))
        use = config.finalists.use
        limit = Limit(space, predictor.cost, target_ms)
        band = _using(limit, use, config.seed)
        return Problem(found, predictor, space, images, asked.latency_ms, target_ms, use, measure, limit, band)

    @property
    def flags(self) -> tuple[str, ...]:
        """What to know of the problem itself."""
        unused = self.use > 0 and self.band == self.limit
        loose = (f"latency: no network uses {self.use:.0%} of the {self.target_ms:.4g} ms aimed at",) * unused
        return loose + tuple(f"images: {note}" for note in self.dataset.notes)

    def limits_within(self, high_ms: float) -> tuple[Limit, Limit]:
        """Architectures predicted to take up to `high_ms` and to use the share `use` of it; and all up to it."""
        return self.limit.within(high_ms, self.use * high_ms), self.limit.within(high_ms)

    @contextmanager
    def device(self, name: str | None) -> Iterator[Device]:
        """The device that finalists are measured on, running, and found to be the table's. Raises `InputError`."""
        with devices.get(name or self.table.device.device, self.table.device.threads) as running:
            self.table.require(device=running.info)
            yield running


def _load(config: SearchConfig, dataset: Dataset | None, resolution: int, progress: Progress) -> Dataset:
    """The images of `config`, or `dataset` in their place, with the validation split that it asks for."""
    folder = config.val if isinstance(config.val, Path) else None
    images = load(dataset or config.data, resolution, config.root, progress, config.reading, val=folder)
    return images.with_validation(config.val, config.seed) if isinstance(config.val, float) else images


def _using(limit: Limit, use: float, seed: int) -> Limit:
    """Those within `limit` that use the share `use` of it; `limit` itself where none is found."""
    band = limit.within(limit.high, use * limit.high) if use else limit
    try:
        band.sample(np.random.default_rng(seed))
    except InputError:
        return limit
    return band


def _require_device(table: LatencyTable, asked: LatencyLimit, measure: bool) -> None:
    """Raise `InputError` where something is asked of a device that nothing is to be, or can be, measured on."""
    if measure and table.origin is not None:
        raise InputError(
            f"the table of {table.device.device} is published data, with which no measurement compares: "
            "search without measuring",
            code="search.published-table", device=table.device.device,
        )  # fmt: skip
    if not measure and asked.device is not None:
        raise InputError(f"this search measures nothing: leave out the device {asked.device}",
                         code="search.device-unused", device=asked.device)  # fmt: skip


def _require_reachable(predictor: LatencyPredictor, table: LatencyTable, latency_ms: float) -> None:
    """Raise `InputError` for a latency that no network of the space reaches, or every one does."""
    fastest, slowest = predictor.range()
    if not fastest <= latency_ms <= slowest:
        side, name = ("under", "fastest") if latency_ms < fastest else ("over", "slowest")
        raise InputError(
            f"a latency of {latency_ms:g} ms is {side} the {name} network of {predictor.space.name} "
            f"on {table.device.device}: the range is {fastest:.4g} to {slowest:.4g} ms",
            code="search.latency-out-of-range", latency_ms=latency_ms, fastest_ms=fastest, slowest_ms=slowest,
        )  # fmt: skip


def _require_classes(dataset: Dataset, table: LatencyTable) -> None:
    """Raise `InputError` where the networks of the table are not of the dataset; a published one is taken as it is."""
    classes = len(dataset.labels)
    if classes != table.classes and table.origin is None:
        raise InputError(
            f"{dataset.name} has {classes} classes and the table was measured for {table.classes}: "
            f"profile again with --classes {classes}",
            code="search.other-classes", classes=classes, measured=table.classes,
        )  # fmt: skip
