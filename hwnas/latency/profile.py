"""Profile a space on a device: measure its blocks and some whole networks, and fit the predictor to them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from time import monotonic

import numpy as np
from pydantic import Field

from ..clock import Clock
from ..config import Config
from ..devices.base import Device
from ..progress import Progress, show_progress
from ..space.net import Block, Net
from ..space.space import Arch, SearchSpace
from .active import most_uncertain, sample_architectures
from .checkpoint import Checkpoint
from .graph import save
from .learn import learn, sanity_flags
from .samples import Samples
from .session import Measurement, Session
from .table import LatencyTable, Networks, read_arch, write_arch

EMPTY, NET = "empty", "net:"
"""Keys of the empty network, and, before its indices, of a whole one; other keys are blocks."""

BLOCKS = 500
"""Distinct blocks at most that are measured. Where layers share choices there may be many times as many, each in few
networks: then only whole networks are measured."""

BESIDE_BLOCKS, WITHOUT_BLOCKS = 24, 100
"""Whole networks that are measured unless asked otherwise: beside the blocks, and where no block is measured."""

MOST_NETWORKS = 100_000
"""More whole networks than anybody has the time for are a slip of the keyboard."""

FIRST_SHARE = 0.6
"""Share of the time for the first measurements, where networks are to be added until the error is as asked."""

MORE = 1 / 3
"""Networks that are added at a time, for each that there is: all is fitted again for them, however few."""

PATIENCE, LOWER = 2, 0.95
"""So many additions in a row that do not lower the error to that share of it are the last: against the small reference,
large networks move by 1 to 2 % together from minute to minute here, which no number of them averages out."""

WITHIN_10 = 0.95
"""Share of the networks that must be predicted within ±10 %. Another process that fills the last-level cache slows
whole networks, whose weights come from there (to three times, here), and neither single blocks nor the reference."""


class ProfileConfig(Config):
    """What is profiled, and how."""

    space: str = Field("proxyless-32", description="The space: a built-in name, or a reference to one.")
    device: str = Field("cpu", description="A name, or the path of a device file.")
    threads: int | None = Field(None, description="Threads that the models run with; by default the device's.")
    classes: int | None = Field(None, description="Outputs of the networks; by default the space's.")
    precision: float = Field(0.01, gt=0, description="Relative half-width of the 95 % intervals to reach.")
    within: float | None = Field(
        None, gt=0, description="Cross-validated error (RMSPE) to reach by adding the most uncertain networks."
    )
    time_limit: float = Field(120.0, gt=0, description="Seconds of measuring at most.")
    networks: int | None = Field(
        None,
        ge=3,
        le=MOST_NETWORKS,
        description=f"Whole networks, at first; by default {BESIDE_BLOCKS}, or {WITHOUT_BLOCKS} without blocks.",
    )
    even: bool = Field(True, description="Sample networks over the whole range of the space, or else uniformly.")
    seed: int = Field(0, ge=0, lt=2**63, description="Of the sampled networks, and of the order of measuring.")


class ProfileSession:
    """One session of measuring `space` on a `device` that is up; models are written to `folder`."""

    def __init__(
        self,
        space: SearchSpace,
        device: Device,
        config: ProfileConfig,
        checkpoint: Checkpoint,
        folder: Path,
        progress: Progress = True,
        clock: Clock | None = None,
    ) -> None:
        self.space, self.device, self.config = space, device, config
        self.checkpoint, self.folder, self.progress = checkpoint, folder, progress
        self.clock = clock or Clock()
        self.samples = checkpoint.load()
        self.session = Session(device, self.samples, self.clock)
        self.archs: dict[str, Arch] = {}
        blocks = space.blocks()
        self.blocks = blocks if len(blocks) <= BLOCKS else ()
        self._alone: dict[str, Block | None] = {**{block.key: block for block in self.blocks}, EMPTY: None}
        self._rng = np.random.default_rng(config.seed)

    def run(self) -> LatencyTable:
        """Measure, and fit the table. Whatever ends the session, its samples are in the checkpoint."""
        try:
            table = self._measured_table()
            self.session.close()
            return table
        except BaseException:
            if self.samples.visits:
                self.checkpoint.write(self.samples)
            raise

    def _measured_table(self) -> LatencyTable:
        asked = self.config
        networks = asked.networks or (BESIDE_BLOCKS if self.blocks else WITHOUT_BLOCKS)
        with self.clock.part("choosing"):
            archs = sample_architectures(self.space, networks, asked.seed, asked.even)
        if asked.within is None:
            self._measure(archs, asked.time_limit)
            return self._table()
        self._measure(archs, FIRST_SHARE * asked.time_limit)
        return self._table_within(asked.within)

    def _measure(self, archs: list[Arch], time_limit: float) -> None:
        """Measure `archs` beside all that was measured before, and what an interrupted session had added."""
        resumed = [read_arch(key.removeprefix(NET)) for key in self.samples.visits if key.startswith(NET)]
        self.archs |= {NET + write_arch(arch): arch for arch in (*archs, *resumed)}
        keys = [*self._alone, *self.archs]
        with show_progress("profile", len(keys), self.progress) as report:
            for index, key in enumerate(keys):
                if key not in self.session.runs:
                    report(0, f"loading {index + 1} of {len(keys)}")
                    self._load(key)
            self.measurement: Measurement = self.session.measure(
                precision=self.config.precision,
                time_limit=time_limit,
                seed=self.config.seed,
                report=report,
                on_round=self._write_if_due,
            )

    def _load(self, key: str) -> None:
        """Load the model of `key` and warm it up. Its file is removed at once: the system would write GBs of them to
        the disk while others are measured. Nor is the next one built meanwhile, which saved nothing here."""
        path = self.folder / f"{len(self.session.runs)}.onnx"
        with self.clock.part("building"):
            save(self._part(key), path)
        self.session.load(key, path)
        path.unlink()
        self.session.warm_up(key)

    def _part(self, key: str) -> Block | Net | None:
        """The block or network of a key; None for the empty network."""
        return self.space.derive(self.archs[key]) if key in self.archs else self._alone[key]

    def _write_if_due(self, samples: Samples) -> None:
        with self.clock.part("writing"):
            self.checkpoint.write_if_due(samples)

    def _table_within(self, within: float) -> LatencyTable:
        """The table once its error is `within`. It is flagged where the time is up before, with loading and fitting, or
        no network is left, or more networks do not lower the error."""
        table, started, in_vain = self._table(), monotonic(), 0
        while table.quality.rmspe > within and in_vain < PATIENCE and (more := self._next_networks(table)):
            if max(self.samples.elapsed, monotonic() - started) > self.config.time_limit:
                break
            before = table.quality.rmspe
            self._measure(more, self.config.time_limit)
            table = self._table()
            in_vain = in_vain + 1 if table.quality.rmspe > LOWER * before else 0
        if table.quality.rmspe <= within:
            return table
        text = f"within: the error is {table.quality.rmspe:.1%} after {len(self.archs)} networks, not {within:.1%}"
        return replace(table, flags=(*table.flags, text))

    def _next_networks(self, table: LatencyTable) -> list[Arch]:
        """The architectures, none of them measured, of which the predictor of `table` is the most uncertain."""
        more = ceil(MORE * len(self.archs))
        with self.clock.part("choosing"):
            return most_uncertain(table.predictor(self.space), more, self._rng, set(self.archs.values()))

    def _table(self) -> LatencyTable:
        """The table of what was measured so far."""
        estimates = self.measurement.estimates
        rows = {block.key: estimates[block.key] for block in self.blocks}
        with self.clock.part("estimating"):
            networks = self._networks()
        with self.clock.part("fitting"):
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
            precision=self.config.precision,
            seconds=self.samples.elapsed,
            flags=(*self.measurement.flags, *self._prediction_flags(quality.within_10)),
        )
        with self.clock.part("fitting"):
            return replace(table, flags=(*table.flags, *sanity_flags(table, self.space)))

    def _networks(self) -> Networks:
        """The whole networks as columns."""
        found = [self.measurement.estimates[key] for key in self.archs]
        return Networks(
            archs=tuple(map(write_arch, self.archs.values())),
            ms=tuple(estimate.ms for estimate in found),
            low=tuple(estimate.low for estimate in found),
            high=tuple(estimate.high for estimate in found),
            halves=tuple(self.samples.split_half_ms(key) for key in self.archs),
        )

    def _prediction_flags(self, within_10: float) -> Iterator[str]:
        """Reasons to trust the predictions less."""
        if not self.blocks:
            yield f"blocks: none of the {len(self.space.blocks())} were measured, as they are many: only whole networks"
        if within_10 < WITHIN_10:
            text = f"only {within_10:.0%} of the whole networks are within 10 % of their prediction from the others"
            yield f"networks: {text}: something else was using the memory of this machine, or they are too few"
