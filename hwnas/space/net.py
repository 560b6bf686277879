"""What can be built, as plain frozen data.

A `Net` is a tuple of `Block`s, and a block *walks*: it lists the primitive `Layer`s that it is made of. That one
walk serves the torch modules, the ONNX graphs, the MACs and the parameters, so they cannot disagree.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from ..files import parse, versioned

SCHEMA = 1
"""Version of the JSON form of `Net`. A reader refuses any other."""

Op = Literal["conv", "mbconv", "fbconv", "skip", "classifier"]
Act = Literal["", "relu", "relu6", "hswish", "swish"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One primitive operation; shapes are NCHW without the batch.

    `conv` is a convolution without bias, BatchNorm and `act`; `se` is squeeze-and-excite (1709.01507) with `mid`
    squeezed channels, both of its layers with bias; `shuffle` deals the channels of `groups` out in turn (1707.01083,
    §3.1); `pool` is the global average and flattens; `linear` has a bias.
    """

    kind: Literal["conv", "se", "shuffle", "pool", "linear"]
    name: str
    cin: int
    cout: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    mid: int = 0
    act: Act = ""
    out: tuple[int, int] = (1, 1)

    @property
    def weights(self) -> int:
        """Number of multiplied weights: no biases, no norms."""
        match self.kind:
            case "conv":
                return self.cout * (self.cin // self.groups) * self.kernel**2
            case "se":
                return 2 * self.cin * self.mid
            case "linear":
                return self.cin * self.cout
        return 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weights * prod(self.out) if self.kind == "conv" else self.weights

    @property
    def params(self) -> int:
        """Trainable parameters: the weights, BatchNorm's scale and shift, and biases."""
        extra = {"conv": 2 * self.cout, "se": self.mid + self.cin, "linear": self.cout}
        return self.weights + extra.get(self.kind, 0)


@dataclass(frozen=True)
class Block:
    """A unit of a network and its own latency key.

    `height` and `width` are of the input. `expansion` is the ratio of an inverted bottleneck (1801.04381, §3.3), and
    `se` the number of its squeezed channels (0: none). An `fbconv` (1812.03443, §3.1) differs from an `mbconv` in
    that its first convolution stays at expansion 1, and its 1×1 convolutions may have `groups`, shuffled in between.
    `residual` adds the input to the output. A `skip` is the identity: it can be chosen but is never in a `Net`, and
    it costs nothing.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    op: Op
    cin: int
    cout: int
    height: int
    width: int
    kernel: int = 1
    stride: int = 1
    expansion: int = 1
    groups: int = 1
    se: int = 0
    act: Act = ""
    residual: bool = False

    def __post_init__(self) -> None:
        channels, size = (self.cin, self.cout), (self.height, self.width, self.kernel, self.stride)
        if min(*channels, *size, self.expansion, self.groups) < 1:
            raise ValueError(f"a size of this block is under 1: {self}")
        if self.kernel % 2 == 0:
            raise ValueError(f"an even kernel has no centre: {self}")
        if (self.residual or self.op == "skip") and (self.stride != 1 or self.cin != self.cout):
            raise ValueError(f"an identity needs stride 1 and equal channels: {self}")
        if self.residual and self.op in ("skip", "classifier"):
            raise ValueError(f"a {self.op} adds nothing to its input: {self}")
        if self.groups > 1 and (self.op != "fbconv" or any(count % self.groups for count in channels)):
            raise ValueError(f"only an fbconv has groups, which divide its channels: {self}")

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the output (padding is kernel // 2)."""
        if self.op == "classifier":
            return (1, 1)
        return ((self.height - 1) // self.stride + 1, (self.width - 1) // self.stride + 1)

    @cached_property
    def key(self) -> str:
        """The name of this block in a latency table: every field that is not at its default, in a fixed order."""
        parts = [self.op, f"{self.cin}-{self.cout}", f"{self.height}x{self.width}"]
        parts += [f"k{self.kernel}"] * (self.kernel > 1) + [f"s{self.stride}"] * (self.stride > 1)
        parts += [f"e{self.expansion}"] * (self.op in ("mbconv", "fbconv")) + [f"g{self.groups}"] * (self.groups > 1)
        parts += [f"se{self.se}"] * (self.se > 0)
        return "_".join([*parts, *([self.act] * bool(self.act)), *(["res"] * self.residual)])

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The walk: the primitive layers in order of execution."""
        return tuple(_WALKS[self.op](self))

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(layer.params for layer in self.layers)


def _conv(block: Block) -> Iterator[Layer]:
    yield Layer("conv", "conv", block.cin, block.cout, block.kernel, block.stride, act=block.act, out=block.out)


def _bottleneck(block: Block) -> Iterator[Layer]:
    mid, size = block.cin * block.expansion, (block.height, block.width)
    if block.expansion > 1 or block.op == "fbconv":
        yield Layer("conv", "expand", block.cin, mid, groups=block.groups, act=block.act, out=size)
    if block.groups > 1:
        yield Layer("shuffle", "shuffle", mid, mid, groups=block.groups, out=size)
    yield Layer("conv", "depthwise", mid, mid, block.kernel, block.stride, mid, act=block.act, out=block.out)
    if block.se:
        yield Layer("se", "se", mid, mid, mid=block.se, act=block.act, out=block.out)
    yield Layer("conv", "project", mid, block.cout, groups=block.groups, out=block.out)


def _classifier(block: Block) -> Iterator[Layer]:
    yield Layer("pool", "pool", block.cin, block.cin)
    yield Layer("linear", "linear", block.cin, block.cout)


_WALKS: dict[Op, Callable[[Block], Iterator[Layer]]] = {
    "conv": _conv,
    "mbconv": _bottleneck,
    "fbconv": _bottleneck,
    "skip": lambda block: iter(()),
    "classifier": _classifier,
}


@dataclass(frozen=True)
class Net:
    """A network: blocks in order, each fitting the one before. The name is a label, not part of its identity."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    blocks: tuple[Block, ...]
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("a network needs at least one block")
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
