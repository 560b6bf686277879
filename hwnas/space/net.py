"""What can be built, as plain frozen data.

A `Net` is a tuple of `Block`s, and a block *walks*: it lists the primitive `Layer`s that it is made of. That one
walk serves the torch modules, the ONNX graphs, the MACs and the parameters, so they cannot disagree. Layers in a block
and blocks in a net each say whose outputs they take, and `fold` runs them.
"""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from ..errors import InputError
from ..files import parse
from .block import Block, Op
from .fold import Wiring, dead_ends
from .layer import Act, Layer

__all__ = ["SCHEMA", "Act", "Block", "Layer", "Net", "Op"]

SCHEMA = 1
"""Version of the JSON form of a `Net` that is a chain. A reader refuses any but this and the next."""
GRAPH_SCHEMA = 2
"""Version of the JSON form of a `Net` with sources."""

MOST_CLASSES, MOST_PIXELS = 1_000_000, 16_384
"""Outputs, and pixels a side, that a network is asked for at most: more is a slip of the keyboard, or no memory."""


@dataclass(frozen=True)
class Net:
    """A network: blocks in order of execution, each fitting those that it takes its input from.

    `sources` are, for each block, the indices of the blocks whose outputs it takes, -1 for the image; as many as the
    block's `fan_in`. Empty: a chain, each block after the one before. The first block takes the image, and the last
    gives the output. The name is a label, not part of its identity. `eps` is what every BatchNorm adds to the variance.
    It costs nothing, so no latency key holds it. Raises `InputError` where there is no block, one does not fit, or the
    output of one reaches nothing.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    blocks: tuple[Block, ...]
    name: str = field(default="", compare=False)
    eps: float = 1e-5
    sources: Wiring = ()

    def __post_init__(self) -> None:
        if not self.blocks:
            raise InputError("a network needs at least one block", code="net.empty")
        if not 0 < self.eps < 1:
            raise InputError(f"eps is {self.eps}, not between 0 and 1", code="net.eps", eps=self.eps)
        if self.sources == _chain(len(self.blocks)):  # one network has one form
            object.__setattr__(self, "sources", ())
        if self.sources and len(self.sources) != len(self.blocks):
            message = f"a network of {len(self.blocks)} blocks has sources for {len(self.sources)}: give each its own"
            raise InputError(message, code="net.sources", blocks=len(self.blocks), sources=len(self.sources))
        for index, sources in enumerate(self.wiring):
            self._check_block(index, sources)
        for index in dead_ends(self.wiring):
            message = (
                f"the output of {self.blocks[index].key} (block {index}) reaches nothing: let a later block take it"
            )
            raise InputError(message, code="net.dead-end", block=index)

    def _check_block(self, index: int, sources: tuple[int, ...]) -> None:
        """Raise `InputError` where block `index` does not fit what it takes."""
        block = self.blocks[index]
        if len(sources) != block.fan_in:
            message = f"{block.key} (block {index}) takes {block.fan_in} inputs, and has {len(sources)} sources"
            raise InputError(message, code="net.fan-in", block=index, fan_in=block.fan_in, sources=sources)
        for source in sources:
            if not -1 <= source < index:
                message = f"{block.key} (block {index}) takes block {source}: give one before it, or -1 for the image"
                raise InputError(message, code="net.source", block=index, source=source)
            if _given(self.blocks[source if source >= 0 else 0], source) != (block.cin, block.height, block.width):
                before = self.blocks[source].key if source >= 0 else "the image"
                message = f"{block.key} does not follow {before}"
                raise InputError(message, code="net.misfit", block=index, source=source)

    @cached_property
    def wiring(self) -> Wiring:
        """For each block the indices of the blocks whose outputs it takes; -1 is the image."""
        return self.sources or _chain(len(self.blocks))

    @property
    def chain(self) -> tuple[Block, ...]:
        """The blocks, of a network where each takes the output of the one before. Raises `InputError` for another."""
        if self.sources:
            message = f"{self.name or 'this network'} is no chain of blocks, and this is only for chains"
            raise InputError(message, code="net.not-a-chain", name=self.name)
        return self.blocks

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
        """The plain-JSON form; `Net.from_json` reads it back to an equal `Net`. A chain has the form that it had before
        there were others."""
        value = asdict(self)
        if self.sources:
            return {"schema": GRAPH_SCHEMA, **value}
        del value["sources"]
        for block in value["blocks"]:
            del block["fan_in"]
        return {"schema": SCHEMA, **value}

    @staticmethod
    def from_json(value: Any, where: object = "network") -> "Net":
        """Read the plain-JSON form. Raises `InputError` naming `where` and the field that is wrong."""
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema not in (SCHEMA, GRAPH_SCHEMA):
            message = f"{where} is not a network of schema {SCHEMA} or {GRAPH_SCHEMA}"
            raise InputError(message, code="net.schema", schema=schema)
        if "blocks" not in value:
            message = f"{where} is not a network but another file: it has no blocks"
            raise InputError(message, code="net.no-blocks")
        return parse(_NET, {name: part for name, part in value.items() if name != "schema"}, where)


def _chain(count: int) -> Wiring:
    """The sources of `count` blocks, each after the one before."""
    return tuple((index - 1,) for index in range(count))


def _given(block: Block, source: int) -> tuple[int, int, int]:
    """Channels, height and width of what comes from `source`: the output of `block`, or for -1 its input."""
    return (block.cin, block.height, block.width) if source == -1 else (block.cout, *block.out)


_NET = TypeAdapter(Net)
