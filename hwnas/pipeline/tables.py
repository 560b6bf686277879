"""The latency tables that there are: found by name, described, compared and merged."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..latency.compare import Comparison, compare
from ..latency.merge import merged
from ..latency.table import LatencyTable, load
from ..space import registry
from ..space.space import SearchSpace

FOLDER = Path("latency_tables")
"""Where tables are looked for first, and where `profile` writes them."""

INSTALLED = Path(__file__).parents[1] / "latency_tables"
PACKAGED = INSTALLED if INSTALLED.is_dir() else Path(__file__).parents[2] / "latency_tables"
"""Those that come with hwnas: in the package where a wheel was installed, else beside it, in the checkout."""

ENDS = 5
"""Blocks that are named at either end of the range."""


def known(folder: Path = FOLDER) -> dict[str, Path]:
    """The file of every table by name: those of `folder`, then the packaged ones whose name is not among them."""
    files = [*sorted(PACKAGED.glob("*.json")), *sorted(folder.glob("*.json"))]
    return dict(sorted({path.stem: path for path in files}.items()))


def find(name: str | Path) -> Path:
    """The file of the table `name`: a path, or a name such as pixel3.fbnet. Raises `InputError` where there is none."""
    path = Path(name)
    if path.suffix == ".json" or len(path.parts) > 1:
        return path
    tables = known()
    if path.name not in tables:
        raise InputError(f"no latency table {str(name)!r}: there are {', '.join(tables) or 'none'}")
    return tables[path.name]


def summaries(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """A row of facts for each table that is known; a file that is wrong has its error in place of them."""
    return [{"name": name, **_summary(path)} for name, path in known(folder).items()]


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


def describe(name: str | Path) -> dict[str, Any]:
    """All that a person wants to know of a table. Raises `InputError` for one that is absent or wrong."""
    path = find(name)
    table = load(path)
    fastest, slowest = table.predictor(space_of(table)).range()
    rows = sorted(((row.ms, key) for key, row in table.rows.items()))
    columns = ("space", "classes", "date", "precision", "seconds", "flags")
    return {
        "table": path,
        **{column: getattr(table, column) for column in columns},
        "identity": table.identity,
        "device": asdict(table.device),
        "pace_ms": table.reference and table.reference.ms,
        "overhead_ms": table.overhead and table.overhead.ms,
        "blocks": len(table.rows),
        "networks": len(table.networks.ms),
        "measured_ms": (min(table.networks.ms), max(table.networks.ms)),
        "predicted_ms": (fastest, slowest),
        "quality": asdict(table.quality),
        "quality_text": str(table.quality),
        "origin": table.origin and asdict(table.origin),
        "fastest_blocks": [{"block": key, "ms": ms} for ms, key in rows[:ENDS]],
        "slowest_blocks": [{"block": key, "ms": ms} for ms, key in rows[: -ENDS - 1 : -1]],
    }


def diff(first: str | Path, second: str | Path) -> Comparison:
    """What differs between two tables of one space, see `compare`. Raises `InputError` for others."""
    one, other = load(find(first)), load(find(second))
    return compare(one, other, space_of(one))


def merge(first: str | Path, second: str | Path, out: str | Path) -> LatencyTable:
    """Write what two tables of one device and space know, see `merged`, to the new file `out`.

    Raises `InputError` for tables that cannot be merged, and where `out` exists.
    """
    out = Path(out)
    if out.exists():
        raise InputError(f"{out} exists: name another file for the merged table")
    one, other = load(find(first)), load(find(second))
    table = merged(one, other, space_of(one))
    table.save(out)
    return table


def space_of(table: LatencyTable) -> SearchSpace:
    """The built-in space of a table. Raises `InputError` where there is none of that name, or it has changed."""
    space = registry.get(table.space, table.classes)
    table.require(space)
    return space
