"""A latency table: what was measured of a space on one device, and what a predictor makes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError

from .. import files
from ..devices.base import DeviceInfo
from ..errors import InputError
from ..space.net import Block
from ..space.space import Arch, SearchSpace
from .candidates import Candidates
from .predictor import LatencyPredictor, Model
from .quality import Quality
from .stats import Estimate

SCHEMA = 2
"""Version of the JSON form. A reader refuses any other."""


@dataclass(frozen=True)
class Networks:
    """Whole networks and their latency in ms, one column a field, each as long as `archs`.

    `archs` are indices joined by "-". (`low`, `high`) is the 95 % interval, and `halves` are the latency by every
    other visit and by the rest; both are empty where the origin does not tell.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    archs: tuple[str, ...]
    ms: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    halves: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.low, self.high, self.halves) if column}
        if {len(self.ms), *lengths} != {len(self.archs)}:
            raise ValueError("the columns of the networks differ in length")

    @property
    def indices(self) -> np.ndarray:
        """The architectures as an array, (N, slots)."""
        return np.array([read_arch(arch) for arch in self.archs], dtype=np.int64)


@dataclass(frozen=True)
class Origin:
    """Where a table comes from that was not measured here: the publication, its licence, and what to know of it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    source: str
    licence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LatencyTable:
    """Measured `rows` by `Block.key` (none where blocks were not measured), whole `networks`, and all they depend on.

    `space` is the name of the space, or the reference that it was resolved from, see `references`. `reference` is the
    reference network's own estimate: every other figure holds where that network takes `reference.ms`. `overhead` is
    the empty network's, the cost of starting any run; `seconds` is how long measuring took. `model` is the predictor
    fitted to all this, and `quality` its error on networks it had not seen. `flags` say what did not go as asked. A
    published table has an `origin` and no reference: no measurement compares with it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    space: str
    classes: int
    fingerprint: str
    device: DeviceInfo
    date: str
    networks: Networks
    model: Model
    quality: Quality
    rows: dict[str, Estimate] = field(default_factory=dict)
    reference: Estimate | None = None
    overhead: Estimate | None = None
    precision: float | None = None
    seconds: float | None = None
    flags: tuple[str, ...] = ()
    origin: Origin | None = None

    @property
    def reference_seconds(self) -> float:
        """Seconds of the reference network in the session of this table. Raises `InputError` for a published one."""
        if self.reference is None:
            raise InputError(
                f"the table of {self.device.device} is published data: no measurement compares with it",
                code="table.published", device=self.device.device,
            )  # fmt: skip
        return self.reference.ms / 1e3

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know whenever the table is used: its flags, and what is said of a published one's origin."""
        return (*self.flags, *(self.origin.notes if self.origin else ()))

    @property
    def identity(self) -> str:
        """Tells this table from any other, also of the same device and space."""
        return _hash(_content(self))[:16]

    def require(self, space: SearchSpace | None = None, device: DeviceInfo | None = None) -> None:
        """Raise `InputError` naming what differs where this is not the table of `space` ("table.other-space") and of
        `device` ("table.other-device")."""
        differences: list[str] = []
        code = "table.other-device"
        if space is not None and self.fingerprint != space.fingerprint:
            mine, asked = (self.space, self.classes), (space.name, space.classes)
            same = " of another version" if mine == asked else f", not {asked[0]} of {asked[1]} classes"
            differences.append(f"space: {mine[0]} of {mine[1]} classes{same}")
            code = "table.other-space"
        if device is not None:
            differences += self.device.differences(device)
        if differences:
            raise InputError(
                f"this latency table is of another kind ({'; '.join(differences)}): profile again",
                code=code, space=self.space, classes=self.classes, differences=differences,
            )  # fmt: skip

    def predictor(self, space: SearchSpace, borrowed: Mapping[str, "LatencyTable"] | None = None) -> LatencyPredictor:
        """The predictor of latencies of `space` on the table's device.

        `borrowed` are tables of the same space on other devices, by a name each: their costs are features too, and the
        model is fitted anew. Raises `InputError` for a table of another space, and naming the row where one is missing.
        """
        self.require(space)
        columns = columns_of(space, self.rows, self.overhead)
        for name, other in (borrowed or {}).items():
            columns[name] = other.predictor(space).candidate_costs
        return LatencyPredictor(
            space, self.networks.indices, self.networks.ms, columns, None if borrowed else self.model
        )

    def save(self, path: Path) -> None:
        """Write the table to `path` atomically, with the hash that `load` checks."""
        content = _content(self)
        files.write_json(path, {"schema": SCHEMA, "sha256": _hash(content), **content})


def columns_of(space: SearchSpace, rows: Mapping[str, Estimate], overhead: Estimate | None) -> dict[str, np.ndarray]:
    """What the measured blocks say that each candidate costs in ms, as the predictor takes it; nothing without rows."""
    if not rows:
        return {}
    starting = overhead.ms if overhead else 0.0
    blocks = Candidates.of(space).blocks
    return {
        "table": np.array(
            [0.0 if block.op == "skip" else block_estimate(rows, block).ms - starting for block in blocks]
        )
    }


def block_estimate(rows: Mapping[str, Estimate], block: Block) -> Estimate:
    """The row of `block`. Raises `InputError` naming it where there is none: a default would poison a search."""
    if block.key not in rows:
        raise InputError(
            f"the latency table has no row for {block.key}: profile this space again",
            code="table.missing-row", block=block.key,
        )  # fmt: skip
    return rows[block.key]


def write_arch(arch: Arch) -> str:
    """An architecture as text: its indices joined by "-"."""
    return "-".join(map(str, arch))


def read_arch(text: str) -> Arch:
    """The architecture that `write_arch` wrote. Raises `InputError` for any other text."""
    try:
        return tuple(int(index) for index in text.split("-"))
    except ValueError:
        raise InputError(
            f"{text!r} is not an architecture: give indices joined by '-', such as 2-6-0",
            code="architecture.text", text=text,
        ) from None  # fmt: skip


def load(path: str | PathLike[str]) -> LatencyTable:
    """Read a table. Raises `InputError` for a file that is absent, truncated, of another schema, or edited."""
    path = Path(path)
    value = files.versioned(files.read_json(path, "latency table"), SCHEMA, path, "latency table", "profile again")
    if value.pop("sha256", None) != _hash(value):
        raise InputError(
            f"{path} was changed after it was measured: profile again", code="table.changed", path=str(path)
        )
    return files.parse(_TABLE, value, path)


def _content(table: LatencyTable) -> Any:
    """The fields of `table` as JSON holds them."""
    try:
        return json.loads(_TABLE.dump_json(table))
    except PydanticSerializationError:  # the name of a file of a space is no UTF-8, which Python's JSON escapes
        return _TABLE.dump_python(table, mode="json")


def _hash(content: Any) -> str:
    return files.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


_TABLE = TypeAdapter(LatencyTable)
