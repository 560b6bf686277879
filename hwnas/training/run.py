"""The folder of one training run: `net.json`, `weights.safetensors`, and `train.json`, which is written last."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import InputError
from ..files import parse, read_json, replacing, versioned, write_json
from ..nn.build import build
from ..space import published
from ..space.net import Net
from .recipe import Recipe

SCHEMA = 1
NET, WEIGHTS, RECORD = "net.json", "weights.safetensors", "train.json"


@dataclass(frozen=True)
class TrainRecord:
    """What was trained on what, and how well: the contents of `train.json`.

    `data` to `fitting` are of the `Dataset`; `top1` (0 to 1) is on its test split; `history` is the mean training
    loss of each epoch; `seconds` is of the training, without what a resumed run had done before.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    data: str
    fingerprint: str
    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fitting: str
    recipe: Recipe
    seed: int
    top1: float
    history: tuple[float, ...]
    seconds: float
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form."""
        return {"schema": SCHEMA, **asdict(self), "recipe": self.recipe.model_dump()}


_RECORD = TypeAdapter(TrainRecord)


def versions(*packages: str) -> dict[str, str]:
    """The version of each of `packages` that is installed; hwnas itself may be running from its source."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_run(folder: Path, net: Net, module: nn.Module, record: TrainRecord) -> None:
    """Write the three files of a finished run."""
    with replacing(folder / WEIGHTS) as temporary:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, temporary)
    write_json(folder / NET, net.to_json())
    write_json(folder / RECORD, record.to_json())


def read_net(path: Path) -> Net:
    """The network in the file `path`, ours or published, or in `net.json` of the folder `path`. Raises `InputError`."""
    return published.read(path / NET if path.is_dir() else path)


def read_record(folder: Path) -> TrainRecord:
    """The record of the finished run in `folder`. Raises `InputError`."""
    path = folder / RECORD
    value = versioned(read_json(path, "training record"), SCHEMA, path, "training record")
    return parse(_RECORD, value, path)


def read_module(folder: Path) -> nn.Module:
    """The network of `folder` with its weights, in eval mode. Raises `InputError` where they do not fit together."""
    path = folder / WEIGHTS
    module = build(read_net(folder), seed=0)
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a whole file of weights: {error}") from None
    _require_fit(module.state_dict(), weights, path)
    module.load_state_dict(weights)
    return module.eval()


def _require_fit(wanted: dict[str, torch.Tensor], given: dict[str, torch.Tensor], path: Path) -> None:
    """Raise `InputError` naming the first weight of which only one has it, or in another shape."""
    for name in sorted(wanted.keys() | given.keys()):
        shapes = [tuple(weights[name].shape) if name in weights else "missing" for weights in (wanted, given)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{path} is not of {path.with_name(NET)}: {name} is {shapes[1]}, not {shapes[0]}")
