"""The profiling stage: a device and a search space in, the latency table of the space on it out."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from time import monotonic

import numpy as np

from .. import devices
from ..devices.base import Device
from ..errors import InputError
from ..latency.active import most_uncertain, sample_architectures
from ..latency.checkpoint import Checkpoint
from ..latency.graph import empty, save
from ..latency.learn import learn, sanity_flags
from ..latency.measure import Measurement, measure
from ..latency.table import LatencyTable, Networks, read_arch, write_arch
from ..latency.tables import FOLDER
from ..progress import progress
from ..space import registry
from ..space.net import Block
from ..space.space import Arch, SearchSpace

EMPTY, NET = "empty", "net:"
"""Keys of the empty network, and, before its indices, of a whole one; other keys are blocks."""

BLOCKS = 500
"""Distinct blocks at most that are measured. Where layers share choices there may be many times as many, each in few
networks: then only whole networks are measured."""

BESIDE, ALONE = 24, 100
"""Whole networks that are measured unless told otherwise: beside the blocks, and where there is nothing else."""

FIRST = 0.6
"""Part of the time that measuring blocks may take, where networks are to be added until the error is as asked."""

MORE = 1 / 3
"""Networks that are added at a time, for each that there is: all is loaded and learned again for them, however few."""

IN_VAIN, LOWER = 2, 0.95
"""So many additions in a row that do not lower the error to that part of it are the last: against the small reference,
large networks move by 1 to 2 % together from minute to minute here, which no number of them averages out."""

WITHIN_10 = 0.95
"""Part of the networks that must be predicted within ±10 %. Another process that fills the last-level cache slows whole
networks, whose weights come from there (to three times, here), and neither single blocks nor the reference."""


def profile(
    space: str | SearchSpace = "proxyless-32",
    device: str = "cpu",
    *,
    threads: int | None = None,
    classes: int | None = None,
    out: str | Path | None = None,
    precision: float = 0.01,
    within: float | None = None,
    time_limit: float = 120.0,
    networks: int | None = None,
    even: bool = True,
    seed: int = 0,
    fresh: bool = False,
) -> Path:
    """Measure `space` on `device`: its blocks and some whole networks. Writes the table to `out`; returns its path.

    `out` is `latency_tables/<device>.<space>.json` unless given (`<device>.<space>.<classes>-classes.json` where
    `classes` are). Everything is measured until the 95 % interval of its estimate is within ±`precision`, `time_limit`
    seconds of measuring at most. `networks` random ones, drawn with `seed`, are measured whole for the predictor to
    learn from (`BESIDE` the blocks, or `ALONE` where those are more than `BLOCKS` and none is measured, unless given):
    over the whole range of the space, or drawn uniformly if not `even`. With `within`, more are added, those that the
    predictor is least sure of, until its cross-validated error (RMSPE) is that small. What was not reached in time, or
    not measured, is flagged in the table.

    Interrupted, the same call goes on where it stopped, from `<out>.partial`; with `fresh` it starts again. Raises
    `InputError`, among others where that file is of another device or space.
    """
    if networks is not None and networks < 3:
        raise InputError(f"a profile takes 3 networks or more, not {networks}")
    if within is not None and not within > 0:
        raise InputError(f"the error to reach must be above 0, not {within:g}")
    space = space if isinstance(space, SearchSpace) else registry.get(space, classes, trusted=True)
    own = f"{devices.describe(device).name}.{space.name}" + ("" if classes is None else f".{classes}-classes")
    path = FOLDER / f"{own}.json" if out is None else Path(out)
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the file of the table")
    with devices.get(device, threads) as running, tempfile.TemporaryDirectory() as folder:
        identity = {"space": space.name, "fingerprint": space.fingerprint, **asdict(running.info)}
        del identity["cores"]  # cores are alike, see DeviceInfo.differences
        checkpoint = Checkpoint(path.with_name(f"{path.name}.partial"), identity)
        if fresh:
            checkpoint.remove()
        session = _Profile(space, running, checkpoint, Path(folder), precision, seed)
        try:
            count = networks or (BESIDE if session.blocks else ALONE)
            session.measure(
                sample_architectures(space, count, seed, even), time_limit if within is None else FIRST * time_limit
            )
            table = session.table() if within is None else session.table_within(within, time_limit)
        except BaseException:
            if session.samples.visits:
                checkpoint.write(session.samples)
            raise
        table.save(path)
        checkpoint.remove()
    return path


class _Profile:
    """One session of measuring: its models, samples, and the architectures among them."""

    def __init__(
        self,
        space: SearchSpace,
        device: Device,
        checkpoint: Checkpoint,
        folder: Path,
        precision: float,
        seed: int,
    ) -> None:
        self.space, self.device, self.checkpoint, self.folder = space, device, checkpoint, folder
        self.precision, self.seed = precision, seed
        self.samples = checkpoint.load()
        self.archs: dict[str, Arch] = {}
        blocks = space.blocks()
        self.blocks = blocks if len(blocks) <= BLOCKS else ()
        self.models = models_of(self.blocks, folder)
        self._rng = np.random.default_rng(seed)

    def measure(self, archs: list[Arch], time_limit: float) -> None:
        """Measure `archs` beside all that was measured before, and what an interrupted session had added."""
        again = [read_arch(key.removeprefix(NET)) for key in self.samples.visits if key.startswith(NET)]
        for arch in dict.fromkeys([*archs, *again]):
            key = NET + write_arch(arch)
            if key not in self.archs:
                self.archs[key] = arch
                self.models[key] = save(self.space.derive(arch), self.folder / f"{key.removeprefix(NET)}.onnx")
        with progress("profile", len(self.models)) as report:
            self.found: Measurement = measure(
                self.device,
                self.models,
                precision=self.precision,
                time_limit=time_limit,
                seed=self.seed,
                samples=self.samples,
                report=report,
                on_round=self.checkpoint.write_if_due,
            )

    def table_within(self, within: float, time_limit: float) -> LatencyTable:
        """The table once its error is `within`. Where the time is up before, loading and learning included, or no
        network is left, or more networks do not lower the error, it says so."""
        table, started, in_vain = self.table(), monotonic(), 0
        while table.quality.rmspe > within and in_vain < IN_VAIN and (more := self._wanted(table)):
            if max(self.samples.elapsed, monotonic() - started) > time_limit:
                break
            before = table.quality.rmspe
            self.measure(more, time_limit)
            table = self.table()
            in_vain = in_vain + 1 if table.quality.rmspe > LOWER * before else 0
        if table.quality.rmspe <= within:
            return table
        text = f"within: the error is {table.quality.rmspe:.1%} after {len(self.archs)} networks, not {within:.1%}"
        return replace(table, flags=(*table.flags, text))

    def _wanted(self, table: LatencyTable) -> list[Arch]:
        """The architectures, none of them measured, that the predictor of `table` is least sure of."""
        count = ceil(MORE * len(self.archs))
        return most_uncertain(table.predictor(self.space), count, self._rng, set(self.archs.values()))

    def table(self) -> LatencyTable:
        """The table of what was measured so far."""
        estimates = self.found.estimates
        rows = {block.key: estimates[block.key] for block in self.blocks}
        networks = self._networks()
        model, quality = learn(self.space, networks, rows, estimates[EMPTY])
        table = LatencyTable(
            space=self.space.name,
            classes=self.space.classes,
            fingerprint=self.space.fingerprint,
            device=self.device.info,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            networks=networks,
            model=model,
            quality=quality,
            rows=rows,
            reference=self.samples.reference_estimate(),
            overhead=estimates[EMPTY],
            precision=self.precision,
            seconds=self.samples.elapsed,
            flags=(*self.found.flags, *self._doubts(quality.within_10)),
        )
        return replace(table, flags=(*table.flags, *sanity_flags(table, self.space)))

    def _networks(self) -> Networks:
        """The whole networks as columns."""
        found = [self.found.estimates[key] for key in self.archs]
        return Networks(
            archs=tuple(map(write_arch, self.archs.values())),
            ms=tuple(estimate.ms for estimate in found),
            low=tuple(estimate.low for estimate in found),
            high=tuple(estimate.high for estimate in found),
            halves=tuple(self.samples.split_half_ms(key) for key in self.archs),
        )

    def _doubts(self, within_10: float) -> Iterator[str]:
        """What speaks against the predictions."""
        if not self.blocks:
            yield f"blocks: none of the {len(self.space.blocks())} were measured, as they are many: only whole networks"
        if within_10 < WITHIN_10:
            text = f"only {within_10:.0%} of the whole networks are within 10 % of their prediction from the others"
            yield f"networks: {text}: something else was using the memory of this machine, or they are too few"


def models_of(blocks: Sequence[Block], folder: Path) -> dict[str, Path]:
    """The `blocks` and the empty network, as ONNX files by key."""
    models = {block.key: save(block, folder / f"{index}.onnx") for index, block in enumerate(blocks)}
    models[EMPTY] = folder / "empty.onnx"
    models[EMPTY].write_bytes(empty().SerializeToString())
    return models
