"""The published networks: listed, and one described as timm's block strings or block by block."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import json_bytes, write_json
from ..space import strings, zoo
from ..space.net import Net


@dataclass(frozen=True)
class NetworkDescription:
    """A published network: `timm` is what timm makes the same network of, or None where it cannot, and `no_timm` says
    why; `blocks` are the keys of its blocks; `path` is the file that it was written to, if any."""

    name: str
    source: str
    macs: int
    params: int
    resolution: int
    classes: int
    eps: float
    timm: strings.Definition | None
    no_timm: str
    blocks: tuple[str, ...]
    path: Path | None


def summaries() -> list[dict[str, Any]]:
    """A row for each network of the zoo: its name, MACs, parameters, pixels of its images a side, and source."""
    return [{"name": name, **_costs(zoo.get(name)), "source": entry.source} for name, entry in zoo.ZOO.items()]


def describe(
    name: str, classes: int = 1000, resolution: int | None = None, out: str | PathLike[str] | None = None
) -> NetworkDescription:
    """Describe the network `name` of so many classes, at its own resolution or another.

    With `out` the network is written there as JSON. Raises `InputError` for no such network.
    """
    net = zoo.get(name, classes, resolution)
    timm, no_timm = None, ""
    try:
        timm = strings.write(net)
    except InputError as error:
        no_timm = str(error)
    if out is not None:
        _write(Path(out), net)
    return NetworkDescription(
        name=name,
        source=zoo.ZOO[name].source,
        macs=net.macs,
        params=net.params,
        resolution=net.resolution,
        classes=net.classes,
        eps=net.eps,
        timm=timm,
        no_timm=no_timm,
        blocks=tuple(block.key for block in net.blocks),
        path=None if out is None else Path(out),
    )


def _write(path: Path, net: Net) -> None:
    """Write `net`. Raises `InputError` ("zoo.other-file") where `path` holds anything else."""
    value = net.to_json()
    if path.exists() and (path.is_dir() or path.read_bytes() != json_bytes(value)):
        message = f"{path} exists and is not this network: name another file, or remove it first"
        raise InputError(message, code="zoo.other-file", path=str(path))
    write_json(path, value)


def _costs(net: Net) -> dict[str, int]:
    return {"macs": net.macs, "params": net.params, "resolution": net.resolution}
