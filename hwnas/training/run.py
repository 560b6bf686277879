"""The folder of one training run: `net.json`, `weights.safetensors`, and `train.json`, which is written last."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, InstanceOf, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import InputError
from ..files import parse, read_json, versioned, write_json, write_text
from ..nn.build import build
from ..nn.state import write_tensors
from ..space import published
from ..space.net import Net
from .checkpoints import EARLIER
from .config import TrainConfig
from .loop import Trained
from .metrics import Metrics
from .origins import Begun, Taught
from .recipe import Recipe

SCHEMA = 3
NET, WEIGHTS, RECORD = "net.json", "weights.safetensors", "train.json"
LAST = "last.safetensors"
"""The weights after the last epoch, where those of an earlier one are kept as the best."""
SEARCH = "search.json"
"""The record of the search that found the network, if one did: copied into the folder, and read by the export."""


@dataclass(frozen=True)
class TrainRecord:
    """What was trained on what, and how well: the contents of `train.json`.

    `config` says it as the caller did, but for paths: its network is `net.json`, its data the name of the data set.
    `fingerprint` to `fitting` are of that `Dataset`; `top1` (0 to 1) is on its test split; `history` is the mean
    training loss of each epoch; `seconds` is of the training, without what a resumed run had done before. `epoch` to
    `used` are as of `Trained`; `init` and `teacher` are None where there was none. Records of earlier versions have
    nothing after `versions`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    config: InstanceOf[TrainConfig]
    fingerprint: str
    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fitting: str
    top1: float
    history: tuple[float, ...]
    seconds: float
    versions: dict[str, str]
    epoch: int | None = None
    validation_history: tuple[float, ...] = ()
    validation: Metrics | None = None
    test: Metrics | None = None
    used: dict[str, Any] = field(default_factory=dict)
    init: Begun | None = None
    teacher: Taught | None = None

    @property
    def data(self) -> str:
        """The name of the data set."""
        return str(self.config.data)

    @property
    def recipe(self) -> Recipe:
        """How it was trained."""
        return self.config.recipe

    @property
    def seed(self) -> int:
        """Of the first weights and of the order of the images."""
        return self.config.seed

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form."""
        return {"schema": SCHEMA, **asdict(self), "config": self.config.to_json()}


_RECORD = TypeAdapter(TrainRecord)


def versions(*packages: str) -> dict[str, str]:
    """The version of each of `packages` that is installed; hwnas itself may be running from its source."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_run(folder: Path, net: Net, trained: Trained, record: TrainRecord) -> None:
    """Write the files of a finished run, the record last."""
    weights = {WEIGHTS: trained.module.state_dict(), **({LAST: trained.last} if trained.last else {})}
    for name, state in weights.items():
        write_tensors(folder / name, {key: value.contiguous() for key, value in state.items()})
    write_json(folder / NET, net.to_json())
    write_text(folder / RECORD, _NUMBERS.sub(lambda found: " ".join(found[0].split()), record_text(record)))


_NUMBERS = re.compile(r"\[[^][{}\"]*\]")
"""A list of numbers alone in indented JSON: a row of a confusion matrix is one line."""


def record_text(record: TrainRecord) -> str:
    """The record as indented JSON."""
    return json.dumps(record.to_json(), indent=1) + "\n"


def read_net(path: str | PathLike[str]) -> Net:
    """The network in the file `path`, ours or published, or in `net.json` of the folder `path`. Raises `InputError`."""
    path = Path(path)
    return published.read(path / NET if path.is_dir() else path)


def read_record(folder: str | PathLike[str]) -> TrainRecord:
    """The record of the finished run in `folder`, of schemas 1 and 2 too. Raises `InputError`."""
    path = Path(folder) / RECORD
    value = read_json(path, "training record")
    if isinstance(value, dict) and value.get("schema") == 1:
        value = _from_schema_1(value)
    if isinstance(value, dict) and value.get("schema") == 2 and isinstance(value.get("config"), Mapping):
        value = _from_schema_2(value)
    value = versioned(value, SCHEMA, path, "training record")
    if isinstance(value.get("config"), Mapping):
        value["config"] = TrainConfig.from_record(value["config"])
    return parse(_RECORD, value, path)


def _from_schema_1(value: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1, which had some of the configuration's fields beside the others."""
    config = {name: value[name] for name in ("data", "recipe", "seed") if name in value}
    others = {name: part for name, part in value.items() if name not in config}
    return {**others, "schema": 2, "config": {"net": NET, **config}}


def _from_schema_2(value: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 2, when there was no validation and every image could be mirrored."""
    config = {"val": 0, **value["config"]}
    return {**value, "schema": SCHEMA, "config": {**config, "recipe": {**EARLIER, **config.get("recipe", {})}}}


def read_module(folder: str | PathLike[str]) -> nn.Module:
    """The network of `folder` with its weights, in eval mode. Raises `InputError` for weights that cannot be read
    ("training.weights-unreadable") or are of another network ("training.weights-of-another-net")."""
    path = Path(folder) / WEIGHTS
    module = build(read_net(folder), seed=0)
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} is not a whole file of weights: {error}", code="training.weights-unreadable", path=path
        ) from None
    _require_fit(module.state_dict(), weights, path)
    module.load_state_dict(weights)
    return module.eval()


def _require_fit(wanted: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor], path: Path) -> None:
    """Raise `InputError` naming the first weight of which only one has it, or in another shape."""
    for name in sorted(wanted.keys() | given.keys()):
        shapes = [tuple(weights[name].shape) if name in weights else "missing" for weights in (wanted, given)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path} is not of {path.with_name(NET)}: {name} is {shapes[1]}, not {shapes[0]}",
                code="training.weights-of-another-net",
                path=path,
                weight=name,
            )
