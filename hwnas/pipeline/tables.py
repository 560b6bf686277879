"""The latency tables: listed, described, compared and merged."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..devices.base import DeviceInfo
from ..errors import InputError
from ..latency.compare import Comparison, compare
from ..latency.merge import merge_tables
from ..latency.quality import Quality
from ..latency.table import LatencyTable, Origin, load
from ..latency.tables import FOLDER, find_table, list_tables, load_table, space_of

ENDS = 5
"""Blocks that are named at either end of the range."""


@dataclass(frozen=True)
class BlockLatency:
    """A measured block, by its key."""

    block: str
    ms: float


@dataclass(frozen=True)
class TableDescription:
    """All that a person wants to know of the table in the file `table`; latencies are in ms, ranges (lowest, highest).

    `measured_ms` is the range of the measured networks, and `predicted_ms` that of all networks of the space.
    `reference_ms` is the time of the reference network that the figures are scaled to, and `overhead_ms` that of an
    empty network; None where the table is published.
    """

    table: Path
    space: str
    classes: int
    date: str
    precision: float | None
    seconds: float | None
    flags: tuple[str, ...]
    identity: str
    device: DeviceInfo
    reference_ms: float | None
    overhead_ms: float | None
    blocks: int
    networks: int
    measured_ms: tuple[float, float]
    predicted_ms: tuple[float, float]
    quality: Quality
    quality_text: str
    origin: Origin | None
    fastest_blocks: tuple[BlockLatency, ...]
    slowest_blocks: tuple[BlockLatency, ...]

    @property
    def path(self) -> Path:
        """The file of the table."""
        return self.table


@dataclass(frozen=True)
class MergeResult:
    """The merged `table`, and the file that it was written to."""

    path: Path
    table: LatencyTable

    def __fspath__(self) -> str:
        return str(self.path)


def summaries(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """A row of facts for each table that there is; a file that is wrong has its error in place of them."""
    return [{"name": name, **_summary(path)} for name, path in list_tables(folder).items()]


def _summary(path: Path) -> dict[str, Any]:
    try:
        table = load(path)
    except InputError as error:
        return {"error": str(error)}
    return {
        "device": table.device.model,
        "space": table.space,
        "networks": len(table.networks.ms),
        "blocks": len(table.rows),
        "fastest_ms": min(table.networks.ms),
        "slowest_ms": max(table.networks.ms),
        "rmspe": round(table.quality.rmspe, 4),
        "date": table.date[:10],
        "origin": "published" if table.origin else "measured",
    }


def describe(name: str | PathLike[str], space: str | None = None) -> TableDescription:
    """Describe the table of a name or path. `space` is the caller's own reference, where the table's is not resolved.

    Raises `InputError` for a table that is absent or wrong.
    """
    path = find_table(name)
    table = load(path)
    blocks = [BlockLatency(key, row.ms) for key, row in sorted(table.rows.items(), key=lambda row: (row[1].ms, row[0]))]
    return TableDescription(
        table=path,
        space=table.space,
        classes=table.classes,
        date=table.date,
        precision=table.precision,
        seconds=table.seconds,
        flags=table.flags,
        identity=table.identity,
        device=table.device,
        reference_ms=table.reference.ms if table.reference else None,
        overhead_ms=table.overhead.ms if table.overhead else None,
        blocks=len(table.rows),
        networks=len(table.networks.ms),
        measured_ms=(min(table.networks.ms), max(table.networks.ms)),
        predicted_ms=table.predictor(space_of(table, space)).range(),
        quality=table.quality,
        quality_text=str(table.quality),
        origin=table.origin,
        fastest_blocks=tuple(blocks[:ENDS]),
        slowest_blocks=tuple(blocks[: -ENDS - 1 : -1]),
    )


def diff(first: str | PathLike[str], second: str | PathLike[str], space: str | None = None) -> Comparison:
    """Compare two tables of one space. Raises `InputError` for others."""
    one, other = load_table(first), load_table(second)
    return compare(one, other, space_of(one, space))


def merge(
    first: str | PathLike[str], second: str | PathLike[str], out: str | PathLike[str], space: str | None = None
) -> MergeResult:
    """Merge two tables of one device and space, see `merge_tables`, into the new file `out`.

    Raises `InputError` for tables that cannot be merged, and where `out` exists.
    """
    path = Path(out)
    if path.exists():
        raise InputError(f"{path} exists: name another file for the merged table", code="table.exists", path=str(path))
    one, other = load_table(first), load_table(second)
    table = merge_tables(one, other, space_of(one, space))
    table.save(path)
    return MergeResult(path, table)
