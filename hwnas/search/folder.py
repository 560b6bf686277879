"""The folder of one search: `request.json` first, checkpoints and a history as it runs, `net.json` and `search.json`
last."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from ..devices.base import DeviceInfo
from ..errors import InputError
from ..files import parse, read_json, replacing, require_empty, versioned, write_json
from ..latency.quality import Quality
from ..latency.stats import Estimate
from ..space import registry
from ..space.net import Net
from ..training.run import NET
from .decision import Finalist

SCHEMA = 3
RECORD, REQUEST, HISTORY = "search.json", "request.json", "history.jsonl"
STATE, EVALUATED = "search.state", "evaluations.state"
TRAINED_BY = ("strategy", "constants", "evaluator", "sharing", "schedule", "seed", "data")
"""What the shared weights of a search depend on, unless its strategy learns while they do."""


@dataclass(frozen=True)
class SearchRecord:
    """What was searched and chosen: the contents of `search.json`. Times in ms on `device` at `pace` (seconds).

    `aim_ms` is the latency that the search aimed at, one standard error of prediction under the budget. Where the
    strategy ends with probabilities, `probabilities` has a row of numbers for each slot, and `expected_ms` is the
    expected latency under them. Finalists have the scores of the evaluator `judged_by`. `overhead` is the strategy's
    own share of the time of searching. The chosen network is predicted to take `predicted_ms`, and in 90 % of cases
    `predicted_low` to `predicted_high`; `measured` is None where that was not asked for. `quality` is the error of such
    predictions. `pace` is None for published latencies, with which no measurement compares. `flags` say what else to
    know of them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    space: str
    classes: int
    latency_ms: float
    target_ms: float
    expected_ms: float | None
    predicted_ms: float
    predicted_low: float
    predicted_high: float
    quality: Quality
    measured: Estimate | None
    device: DeviceInfo
    reference_seconds: float | None
    arch: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    probabilities: tuple[tuple[float, ...], ...]
    judged_by: str
    overhead: float
    request: dict[str, Any]
    date: str
    flags: tuple[str, ...] = ()

    def net(self) -> Net:
        """The chosen network."""
        return registry.get(self.space, self.classes).derive(self.arch)


_RECORD = TypeAdapter(SearchRecord)


def read_record(folder: Path) -> SearchRecord:
    """The record of the finished search in `folder`. Raises `InputError`."""
    path = folder / RECORD
    return parse(_RECORD, versioned(read_json(path, "search record"), SCHEMA, path, "search record"), path)


def write_record(folder: Path, record: SearchRecord) -> None:
    """Write what a finished search leaves, the record last. Its checkpoints stay: more steps can go on from them."""
    write_json(folder / NET, record.net().to_json())
    write_json(folder / RECORD, {"schema": SCHEMA, **asdict(record)})


def first_length(folder: Path, request: dict[str, Any], length: dict[str, int]) -> dict[str, int]:
    """The length of the first call for the search in `folder`; `length` where there is none yet.

    What scales with the length of a search, such as rates and populations, must not change when it goes on for longer.
    Raises `InputError` where the folder holds a search for another `request`.
    """
    return _same(folder, request)["begun"] if (folder / REQUEST).exists() else length


def claim(folder: Path, request: dict[str, Any], length: dict[str, int]) -> SearchRecord | None:
    """Make `folder` that of the search for `request` of `length`; its record, if it is finished already.

    A shorter search for the same goes on. Raises `InputError` if it holds another search, or anything else.
    """
    for name in (REQUEST, STATE, EVALUATED, NET, RECORD, HISTORY):
        for leftover in folder.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (folder / REQUEST).exists():
        require_empty(folder)
        write_json(folder / REQUEST, {"search": request, "length": length, "begun": length})
    asked = _same(folder, request)
    for name, done in asked["length"].items():
        if length[name] < done:
            raise InputError(f"{folder} holds this search with {done} {name}: give as many or more, or another folder")
    if length != asked["length"]:
        write_json(folder / REQUEST, {**asked, "length": length})
    finished = read_record(folder) if (folder / RECORD).exists() else None
    return finished if finished and finished.request["length"] == length else None  # or it was of a shorter one


def require_weights(source: Path, space: str, request: dict[str, Any], steps: int) -> None:
    """Raise `InputError` unless the finished search in `source` has shared weights of `space` for `request`.

    Those that were trained in another way are not, nor while a strategy learned for its own latency, nor for more than
    `steps`. Those of fewer steps are trained on.
    """
    found, asked = read_record(source), _asked(source)
    if not (source / STATE).exists():
        raise InputError(f"{source} has no shared weights: it was judged by {found.judged_by}")
    differ = [name for name in TRAINED_BY if asked["search"].get(name) != request[name]]
    differ += ["space"] if found.space != space else []
    if differ:
        raise InputError(f"the shared weights in {source} are of another {', '.join(differ)}")
    if request["learns"]:
        raise InputError(f"the shared weights in {source} are trained for one latency: {request['strategy']} learns it")
    if (done := asked["length"]["steps"]) > steps:
        raise InputError(f"the shared weights in {source} are of {done} steps: give as many or more")


def inherit(source: Path, folder: Path) -> None:
    """Begin the search in `folder` with the shared weights of the finished one in `source`."""
    with replacing(folder / STATE) as temporary:
        shutil.copyfile(source / STATE, temporary)


def _same(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What the search in `folder` was asked for. Raises `InputError` where that is not `request`."""
    asked = _asked(folder)
    if asked["search"] != request:
        names = [name for name in request if asked["search"].get(name) != request[name]]
        raise InputError(f"{folder} holds another search ({', '.join(names)}): name another folder or remove it first")
    return asked


def _asked(folder: Path) -> dict[str, Any]:
    """What the search in `folder` was asked for. Raises `InputError` where that is of another version."""
    found = read_json(folder / REQUEST, "search request")
    if not (isinstance(found, dict) and set(found) == {"search", "length", "begun"}):
        raise InputError(f"{folder} holds another search or one of another version: name another folder or remove it")
    return found
