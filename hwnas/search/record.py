"""The record of a finished search: what was searched and chosen."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from ..devices.base import DeviceInfo
from ..files import parse, read_json, versioned, write_json
from ..latency.quality import Quality
from ..latency.stats import Estimate
from ..space import registry
from ..space.net import Net
from ..space.registry import SpaceIdentity
from ..space.space import Arch, SearchSpace
from ..training.run import NET
from .legacy import RECORD_SCHEMA, record_of_schema_3

SCHEMA = 4
"""Version of the JSON form. That of schema 3 is read too."""

RECORD = "search.json"


@dataclass(frozen=True)
class Finalist:
    """A candidate for the final choice. `score` is its evaluator's, the larger the better: the share of validation
    images that are right where inherited weights are scored; ms at the table's reference time."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    arch: Arch
    predicted_ms: float
    score: float
    measured: Estimate | None = None


@dataclass(frozen=True)
class BegunSupernet:
    """What the shared weights began with, as `search.json` says it: the block `init`.

    `source` is as it was named, less the folders of a path, and `network` what it is. Positions of the space, from 0:
    `equal` ones have the weights of a block that is a candidate there, `sliced` ones those of one of the same operation
    as far as they go, and `new` ones are as they were drawn.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    source: str
    network: str
    sha256: str
    equal: tuple[int, ...]
    sliced: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True)
class SearchRecord:
    """What was searched and chosen: the contents of `search.json`. Times in ms on `device` at `reference_seconds`.

    `target_ms` is the latency that predictions were held to, one standard error of prediction under `latency_ms`. Where
    the strategy ends with probabilities, `probabilities` has a row of numbers for each slot, and `expected_ms` is the
    expected latency under them. Finalists have the scores of the evaluator `scored_by`. `overhead` is the strategy's
    own share of the time of searching. The chosen network is predicted to take `predicted_ms`, and in 90 % of cases
    `predicted_low` to `predicted_high`; `measured` is None where that was not asked for. `quality` is the error of such
    predictions. `reference_seconds` is None for published latencies, with which no measurement compares. `request` is
    the complete configuration, with fingerprints of the files that it names. `flags` say what else to know.
    `fingerprint` is that of the space of so many `classes`. `seconds` are what each part took of the call that finished
    the search (see `clock`), and `repeats` how often finalists were measured again. Older records have none of these.
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
    scored_by: str
    overhead: float
    request: dict[str, Any]
    date: str
    flags: tuple[str, ...] = ()
    fingerprint: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    repeats: int = 0
    init: BegunSupernet | None = None

    def net(self) -> Net:
        """The chosen network. Raises `InputError` where its space is not built in, installed or allowed on this call
        (see `references`), or is another now."""
        if self.fingerprint:
            return SpaceIdentity(self.space, self.classes, self.fingerprint).resolve().derive(self.arch)
        return registry.get(self.space, self.classes).derive(self.arch)


@dataclass(frozen=True)
class SearchResult:
    """A finished search: its folder, which this object is wherever a path is asked for, its `record`, and the `space`
    that was searched."""

    path: Path
    record: SearchRecord
    space: SearchSpace = field(repr=False)

    def __fspath__(self) -> str:
        return str(self.path)

    def net(self) -> Net:
        """The chosen network."""
        return self.space.derive(self.record.arch)


_RECORD = TypeAdapter(SearchRecord)


def read_record(folder: Path) -> SearchRecord:
    """The record of the finished search in `folder`. Raises `InputError`."""
    path = folder / RECORD
    value = read_json(path, "search record")
    if isinstance(value, dict) and value.get("schema") == RECORD_SCHEMA:
        value = {**record_of_schema_3(value), "schema": SCHEMA}
    return parse(_RECORD, versioned(value, SCHEMA, path, "search record"), path)


def write_record(folder: Path, record: SearchRecord, net: Net) -> None:
    """Write what a finished search leaves, the record last. Its checkpoints stay: more steps can go on from them."""
    write_json(folder / NET, net.to_json())
    write_json(folder / RECORD, {"schema": SCHEMA, **asdict(record)})
