"""Where the first weights of a training and the answers of its teacher are from, as its record says."""

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

Kind = Literal["timm", "file", "run", "search"]
"""A model of timm, a file of weights, the folder of a training run, or that of a search."""


@dataclass(frozen=True)
class Begun:
    """What a network began with: the block `init` of `train.json`.

    `source` is as it was named, less the folders of a path; `sha256` is of the file of weights, or where there is none
    for this network alone of the weights. `loaded` counts the weights that were taken over, and `new` names the others.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    source: str
    kind: Kind
    sha256: str
    loaded: int
    new: tuple[str, ...]


@dataclass(frozen=True)
class Taught:
    """By whom a network was taught: the block `teacher` of `train.json`. `sha256` is of the teacher's weights, and
    `resolution` the pixels a side that it saw."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    source: str
    kind: Kind
    sha256: str
    params: int
    resolution: int
