"""The folder of one search: `request.json` first, a checkpoint while it runs, `net.json` and `search.json` last."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from ..devices.base import DeviceInfo
from ..errors import InputError
from ..files import parse, read_json, require_empty, versioned, write_json
from ..latency.quality import Quality
from ..latency.stats import Estimate
from ..space import mobile
from ..space.net import Net
from ..training.run import NET
from .finals import Finalist

SCHEMA = 2
RECORD, REQUEST, STATE = "search.json", "request.json", "search.state"


@dataclass(frozen=True)
class SearchRecord:
    """What was searched and chosen: the contents of `search.json`. Times in ms on `device` at `pace` (seconds).

    `aim_ms` is the expected latency that the search was steered to, one standard error of prediction under the
    budget; `expected_ms` is where it ended; `probabilities` has a row of numbers for each slot. The chosen network is
    predicted to take `predicted_ms`, and in 90 % of cases `predicted_low` to `predicted_high`; `measured` is None where
    that was not asked for. `quality` is the error of such predictions. `pace` is None for published latencies, with
    which no measurement compares. `flags` say what else to know of them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    space: str
    classes: int
    budget_ms: float
    aim_ms: float
    expected_ms: float
    predicted_ms: float
    predicted_low: float
    predicted_high: float
    quality: Quality
    measured: Estimate | None
    device: DeviceInfo
    pace: float | None
    arch: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    probabilities: tuple[tuple[float, ...], ...]
    request: dict[str, Any]
    date: str
    flags: tuple[str, ...] = ()

    def net(self) -> Net:
        """The chosen network."""
        return mobile.get(self.space, self.classes).derive(self.arch)


_RECORD = TypeAdapter(SearchRecord)


def read_record(folder: Path) -> SearchRecord:
    """The record of the finished search in `folder`. Raises `InputError`."""
    path = folder / RECORD
    return parse(_RECORD, versioned(read_json(path, "search record"), SCHEMA, path, "search record"), path)


def write_record(folder: Path, record: SearchRecord) -> None:
    """Write what a finished search leaves, the record last, and take its checkpoint away."""
    write_json(folder / NET, record.net().to_json())
    write_json(folder / RECORD, {"schema": SCHEMA, **asdict(record)})
    (folder / STATE).unlink(missing_ok=True)


def claim(folder: Path, request: dict[str, Any]) -> SearchRecord | None:
    """Make `folder` that of the search for `request`; its record, if it is finished already.

    Raises `InputError` if it holds another search, or anything else.
    """
    for name in (REQUEST, STATE, NET, RECORD):
        for leftover in folder.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (folder / REQUEST).exists():
        require_empty(folder)
        write_json(folder / REQUEST, request)
    asked = read_json(folder / REQUEST, "search request")
    if asked != request:
        names = [name for name in request if not isinstance(asked, dict) or asked.get(name) != request[name]]
        raise InputError(f"{folder} holds another search ({', '.join(names)}): name another folder or remove it first")
    if not (folder / RECORD).exists():
        return None
    (folder / STATE).unlink(missing_ok=True)
    return read_record(folder)
