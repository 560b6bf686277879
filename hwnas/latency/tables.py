"""Latency tables by name or path: one lookup for every stage, and the space that a table is of."""

import re
from os import PathLike
from pathlib import Path

from ..errors import InputError
from ..references import nearest_text
from ..space import registry
from ..space.space import SearchSpace
from .table import LatencyTable, load

TableLike = str | PathLike[str] | LatencyTable
"""What every stage takes as a table: its name, the path of its file, the result of a profile, or the table itself."""

FOLDER = Path("latency_tables")
"""Where tables are looked for first, and where `profile` writes them."""


def packaged_folder() -> Path:
    """The folder of the tables that come with hwnas: installed beside its modules, or else that of the checkout."""
    package = Path(__file__).parents[1]
    installed = package / FOLDER
    return installed if installed.is_dir() else package.parent / FOLDER


PACKAGED = packaged_folder()


def table_name(device: str, space: str, classes: int | None = None) -> str:
    """The name of the table of `space`, a name or reference, on `device`; `classes` where not the space's own number.

    Of a reference the folders and the suffix are left out: that of nets/my.py:space on cpu is cpu.my.space.
    """
    return f"{device}.{_label(space)}" + ("" if classes is None else f".{classes}-classes")


def _label(space: str) -> str:
    """The name or reference `space` as part of a file's name."""
    place, colon, attribute = space.rpartition(":")
    if not colon:
        label = Path(space).stem if space.lower().endswith((".yaml", ".yml")) else space
    else:
        label = f"{Path(place).stem if place.endswith('.py') else place}.{attribute}"
    return re.sub(r"[^\w.+-]+", "-", label)


def list_tables(folder: Path = FOLDER) -> dict[str, Path]:
    """The file of every table by name: those of `folder`, then the packaged ones whose name is not among them."""
    files = [path for place in (PACKAGED, folder) for path in sorted(place.glob("*")) if path.suffix.lower() == ".json"]
    return dict(sorted({path.stem: path for path in files}.items()))


def find_table(name: str | PathLike[str]) -> Path:
    """The file of the table `name`: a path, or a name such as pixel3.fbnet.

    What ends in .json or names a folder is a path, whether there is such a file or not. Raises `InputError`
    ("table.unknown") for a name that no table has.
    """
    path = Path(name)
    if path.suffix.lower() == ".json" or len(path.parts) > 1:
        return path
    tables = list_tables()
    if path.name in tables:
        return tables[path.name]
    if path.is_file():
        return path
    listed = ", ".join(tables) or "none"
    message = f"no latency table {str(path)!r}{nearest_text(str(path), tables)}: there are {listed}"
    raise InputError(message, code="table.unknown", name=str(path))


def load_table(table: TableLike) -> LatencyTable:
    """The table of a name or path (see `find_table`); a table that is loaded is returned as it is.

    Raises `InputError` for none of that name, and for a file that is absent, truncated, of another schema, or edited.
    """
    return table if isinstance(table, LatencyTable) else load(find_table(table))


def space_of(table: LatencyTable, given: str | SearchSpace | None = None, classes: int | None = None) -> SearchSpace:
    """The space of `table`: what its reference stands for here, or `given`, the caller's own reference or space.

    With `classes` it has another number of outputs than the table, whose latencies then are those of the published
    number. Raises `InputError`: "space.unresolved" where the table's reference stands for nothing here, or for code
    that the caller has not named; "table.other-space" where the space is not the one that was measured.
    """
    space = _resolve(table, given, table.classes)
    table.require(space)
    return space if classes in (None, table.classes) else _resolve(table, given, classes)


def _resolve(table: LatencyTable, given: str | SearchSpace | None, classes: int | None) -> SearchSpace:
    if isinstance(given, SearchSpace):
        return given
    if given is not None:
        return registry.get(given, classes, trusted=True)
    try:
        return registry.get(table.space, classes, trusted=False)
    except InputError as error:
        raise InputError(
            f"the space {table.space} of this latency table cannot be resolved: {error}; "
            "its own reference can be given by --space",
            code="space.unresolved", reference=table.space, reason=error.code,
        ) from error  # fmt: skip
