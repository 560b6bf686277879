"""What can be built, as plain frozen data.

A `Net` is a tuple of `Block`s, and a block *walks*: it lists the primitive `Layer`s that it is made of. That one
walk serves the torch modules, the ONNX graphs, the MACs and the parameters, so they cannot disagree.
"""

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from ..files import parse, versioned
from .block import Block, Op
from .layer import Act, Layer

__all__ = ["SCHEMA", "Act", "Block", "Layer", "Net", "Op"]

SCHEMA = 1
"""Version of the JSON form of `Net`. A reader refuses any other."""


@dataclass(frozen=True)
class Net:
    """A network: blocks in order, each fitting the one before. The name is a label, not part of its identity.

    `eps` is what every BatchNorm adds to the variance. It costs nothing, so no latency key holds it. Raises
    `ValueError` where there is no block, or one does not fit.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    blocks: tuple[Block, ...]
    name: str = field(default="", compare=False)
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("a network needs at least one block")
        if not 0 < self.eps < 1:
            raise ValueError(f"eps is {self.eps}, not between 0 and 1")
        for before, after in pairwise(self.blocks):
            if (before.cout, *before.out) != (after.cin, after.height, after.width):
                raise ValueError(f"{after.key} does not follow {before.key}")

    @property
    def resolution(self) -> int:
        """Height of the input image in pixels."""
        return self.blocks[0].height

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.blocks[-1].cout

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(block.macs for block in self.blocks)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(block.params for block in self.blocks)

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form; `Net.from_json` reads it back to an equal `Net`."""
        return {"schema": SCHEMA, **asdict(self)}

    @staticmethod
    def from_json(value: Any, where: object = "network") -> "Net":
        """Read the plain-JSON form. Raises `InputError` naming `where` and the field that is wrong."""
        return parse(_NET, versioned(value, SCHEMA, where, "network"), where)


_NET = TypeAdapter(Net)
