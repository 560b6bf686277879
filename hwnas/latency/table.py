"""A latency table: what every block of a space costs on one device, and how well sums of blocks predict networks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from scipy.stats import spearmanr

from .. import files
from ..devices.base import DeviceInfo
from ..errors import InputError
from ..space.net import Block
from ..space.space import SearchSpace
from .stats import Estimate

SCHEMA = 1
"""Version of the JSON form. A reader refuses any other."""


@dataclass(frozen=True)
class Check:
    """A whole network measured in the session of the blocks, and the sum of its blocks; both in ms."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    arch: tuple[int, ...]
    measured: Estimate
    sum: float


@dataclass(frozen=True)
class Fit:
    """measured ≈ constant + scale · sum over the checks, in ms, and how well that holds.

    `rmspe` is the root mean square of the relative errors, and `within_10` the part of the checks within ±10 %.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    constant: float
    scale: float
    spearman: float
    rmspe: float
    within_10: float

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Predicted ms of networks whose blocks sum to `sums` ms."""
        return self.constant + self.scale * sums


def fit(measured: np.ndarray, sums: np.ndarray) -> Fit:
    """Least squares of the relative errors, so that small networks count as much as large ones."""
    design = np.stack([1 / measured, sums / measured], axis=1)
    constant, scale = np.linalg.lstsq(design, np.ones_like(measured), rcond=None)[0]
    errors = (constant + scale * sums) / measured - 1
    quality = spearmanr(sums, measured).statistic, np.sqrt(np.mean(errors**2)), np.mean(np.abs(errors) <= 0.1)
    return Fit(float(constant), float(scale), *map(float, quality))


def total(blocks: Iterable[Block], rows: Mapping[str, Estimate], overhead: float) -> float:
    """The sum of `blocks` in ms, the `overhead` of starting a run counted once. Raises `InputError` for no row."""
    return overhead + sum(row(rows, block).ms - overhead for block in blocks)


def row(rows: Mapping[str, Estimate], block: Block) -> Estimate:
    """The row of `block`. Raises `InputError` naming it where there is none: a default would poison a search."""
    if block.key not in rows:
        raise InputError(f"the latency table has no row for {block.key}: profile this space again")
    return rows[block.key]


@dataclass(frozen=True)
class LatencyTable:
    """Measured rows by `Block.key`, and all that they depend on.

    `reference` is the reference network's own estimate, whose `ms` is the pace that every other figure is told at;
    `overhead` is the empty network's, the cost of starting any run; `flags` say what did not go as asked.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    space: str
    classes: int
    fingerprint: str
    device: DeviceInfo
    date: str
    precision: float
    seconds: float
    reference: Estimate
    overhead: Estimate
    rows: dict[str, Estimate]
    checks: tuple[Check, ...]
    fit: Fit
    flags: tuple[str, ...] = ()

    @property
    def pace(self) -> float:
        """Seconds of the reference network at which the table's figures are told; see `latency.measure`."""
        return self.reference.ms / 1e3

    def require(self, space: SearchSpace | None = None, device: DeviceInfo | None = None) -> None:
        """Raise `InputError` naming what differs where this is not the table of `space` and `device`."""
        differences: list[str] = []
        if space is not None and self.fingerprint != space.fingerprint:
            mine, asked = (self.space, self.classes), (space.name, space.classes)
            same = " of another version" if mine == asked else f", not {asked[0]} of {asked[1]} classes"
            differences.append(f"space: {mine[0]} of {mine[1]} classes{same}")
        if device is not None:
            differences += self.device.differences(device)
        if differences:
            raise InputError(f"this latency table is of another kind ({'; '.join(differences)}): profile again")

    def save(self, path: Path) -> None:
        """Write the table to `path` atomically, with the hash that `load` checks."""
        content = json.loads(_TABLE.dump_json(self))
        files.write_json(path, {"schema": SCHEMA, "sha256": _hash(content), **content})


def load(path: Path) -> LatencyTable:
    """Read a table. Raises `InputError` for a file that is absent, truncated, of another schema, or edited."""
    value = files.read_json(path, "latency table")
    if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
        raise InputError(f"{path} is not a latency table of schema {SCHEMA}: profile again")
    if value.pop("sha256", None) != _hash(value):
        raise InputError(f"{path} was changed after it was measured: profile again")
    return files.parse(_TABLE, value, path)


def _hash(content: Any) -> str:
    return files.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


_TABLE = TypeAdapter(LatencyTable)
