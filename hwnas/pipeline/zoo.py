"""The published networks: listed, and one told as timm would be, or block by block."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_json
from ..space import strings, zoo
from ..space.net import Net


def summaries() -> list[dict[str, Any]]:
    """A row for each network of the zoo: its name, MACs, parameters, pixels of its images a side, and source."""
    return [{"name": name, **_costs(zoo.get(name)), "source": entry.source} for name, entry in zoo.ZOO.items()]


def describe(
    name: str, classes: int = 1000, resolution: int | None = None, out: str | Path | None = None
) -> dict[str, Any]:
    """What there is to know of the network `name`, for so many classes, at its own resolution or another.

    "timm" is what timm makes the same network of, or None where it cannot, and `untold` says why; "blocks" are the keys
    of its blocks. With `out` the network is written there as JSON. Raises `InputError` for no such network.
    """
    net = zoo.get(name, classes, resolution)
    timm, untold = None, ""
    try:
        timm = asdict(strings.write(net))
    except InputError as error:
        untold = str(error)
    if out is not None:
        write_json(Path(out), net.to_json())
    keys = [block.key for block in net.blocks]
    costs = {**_costs(net), "classes": net.classes, "eps": net.eps}
    return {"name": name, "source": zoo.ZOO[name].source, **costs, "timm": timm, "untold": untold, "blocks": keys}


def _costs(net: Net) -> dict[str, int]:
    return {"macs": net.macs, "params": net.params, "resolution": net.resolution}
