"""A unit of a network, as plain frozen data that walks: it lists the primitive layers that it is made of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict

from . import walks
from .layer import Act, Layer

Op = Literal[
    "conv", "mbconv", "fbconv", "fused", "shuffle", "xception", "avgpool", "maxpool", "zero", "skip", "classifier"
]

_BOTTLENECK = "kernel stride expansion mid se hard act residual pooled"
_FIELDS: dict[Op, str] = {
    "conv": "kernel stride se hard act residual pooled",
    "mbconv": _BOTTLENECK,
    "fbconv": f"{_BOTTLENECK} groups",
    "fused": _BOTTLENECK,
    "shuffle": "kernel stride mid act",
    "xception": "kernel stride mid act",
    "avgpool": "kernel stride",
    "maxpool": "kernel stride",
    "zero": "stride",
    "skip": "",
    "classifier": "mid act",
}
"""What a block of each kind can be told beside its sizes. Anything else would be ignored, and is refused."""


@dataclass(frozen=True)
class Block:
    """A unit of a network and its own latency key. `height` and `width` are of the input.

    - `conv`: one convolution, with a squeeze-and-excite after it where there is `se`.
    - `mbconv`: an inverted bottleneck (1801.04381, §3.3), whose first convolution is left out where it widens nothing.
    - `fbconv` (1812.03443, §3.1): the same with the first convolution always there, and its 1×1 convolutions may have
      `groups`, shuffled in between.
    - `fused` (2104.00298, §3.2): the same with one full convolution in place of the first two.
    - `shuffle`, `xception` (1904.00420, §4, as in its code): ShuffleNetV2's units (1807.11164). At stride 1 the even
      channels pass and the main path takes the odd ones; else a shortcut and the main path both take all of them.
      Either way the two are concatenated. They need `act` and `mid`.
    - `avgpool`, `maxpool`; `zero`: zeros of the output's shape. None changes the channels.
    - `skip`: the identity: it can be chosen but is never in a `Net`, and it costs nothing.
    - `classifier`: the global average and a linear layer; with `mid`, a hidden linear layer and `act` in between
      (1905.02244, §5.1).

    `expansion` is how many times the channels are widened inside; `mid` the channels inside where that is no whole
    multiple (where it is, it is turned into `expansion`, so that a block has one key). `se` is the number of squeezed
    channels of a squeeze-and-excite (1709.01507; 0: none), with `act` inside and a sigmoid, or where it is `hard`,
    with relu inside and a hard sigmoid (1905.02244, §5.2). `residual` adds the input to the output, averaged over
    3×3 pixels first where it is `pooled` (1807.11626, §4.1). Raises `ValueError` where these do not go together.
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
    mid: int = 0
    hard: bool = False
    pooled: bool = False

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise ValueError(f"{fault}: {self}")
        if "expansion" in _FIELDS[self.op] and self.mid and self.mid % self.cin == 0:
            object.__setattr__(self, "expansion", self.mid // self.cin)
            object.__setattr__(self, "mid", 0)

    @property
    def out(self) -> tuple[int, int]:
        """Height and width of the output (padding is kernel // 2)."""
        if self.op == "classifier":
            return (1, 1)
        return ((self.height - 1) // self.stride + 1, (self.width - 1) // self.stride + 1)

    @property
    def expanded(self) -> int:
        """Channels inside the block."""
        return self.mid or self.cin * self.expansion

    @property
    def joined(self) -> bool:
        """Whether the output is the shortcut's channels and then the main path's."""
        return self.op in ("shuffle", "xception")

    @property
    def split(self) -> bool:
        """Whether the main path takes the odd channels alone, and the even ones pass."""
        return self.joined and self.stride == 1

    @property
    def passed(self) -> int:
        """Channels of the output that come from the shortcut: those that the main path does not make."""
        return self.cin // 2 if self.split else self.cin * self.joined

    @cached_property
    def key(self) -> str:
        """The name of this block in a latency table: every field that is not at its default, in a fixed order."""
        parts = [self.op, f"{self.cin}-{self.cout}", f"{self.height}x{self.width}"]
        parts += [f"k{self.kernel}"] * (self.kernel > 1) + [f"s{self.stride}"] * (self.stride > 1)
        parts += [f"e{self.expansion}"] * ("expansion" in _FIELDS[self.op] and not self.mid)
        parts += [f"m{self.mid}"] * (self.mid > 0) + [f"g{self.groups}"] * (self.groups > 1)
        parts += [f"se{self.se}"] * (self.se > 0) + ["hard"] * self.hard + [self.act] * bool(self.act)
        return "_".join(parts + ["res"] * self.residual + ["pooled"] * self.pooled)

    @cached_property
    def main(self) -> tuple[Layer, ...]:
        """The layers of the main path, in order of execution."""
        return tuple(walks.main(self))

    @cached_property
    def shortcut(self) -> tuple[Layer, ...]:
        """The layers of the other path, in order of execution: none where the input joins as it is, or none does."""
        return tuple(walks.shortcut(self))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The walk: every primitive layer, those of the main path first."""
        return self.main + self.shortcut

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(layer.params for layer in self.layers)


_DEFAULTS = tuple((field.name, field.default) for field in fields(Block))[5:]


def _faults(block: Block) -> Iterator[str]:
    """What is wrong with `block`, one line each."""
    sizes = (block.cin, block.cout, block.height, block.width, block.kernel, block.stride)
    if min(*sizes, block.expansion, block.groups) < 1 or min(block.se, block.mid) < 0:
        yield "a size of this block is under 1"
    if block.kernel % 2 == 0:
        yield "an even kernel has no centre"
    allowed = _FIELDS[block.op].split()
    for name, default in _DEFAULTS:
        if getattr(block, name) != default and name not in allowed:
            yield f"{block.op} has no {name}"
    same = block.cin == block.cout
    if (block.residual or block.op == "skip") and not (same and block.stride == 1):
        yield "an identity needs stride 1 and equal channels"
    if block.op in ("avgpool", "maxpool", "zero") and not same:
        yield f"{block.op} does not change the channels"
    if block.cin % block.groups or block.cout % block.groups or block.expanded % block.groups:
        yield "groups divide the channels"
    if block.mid and block.expansion > 1:
        yield "mid takes the place of expansion: give one of them"
    if block.hard and not block.se:
        yield "hard is the kind of a squeeze-and-excite: give se"
    if block.se and not (block.act or block.hard):
        yield "a squeeze-and-excite has an activation inside: give act"
    if block.pooled and not block.residual:
        yield "pooled is the kind of a residual: give residual"
    if block.op == "classifier" and bool(block.mid) != bool(block.act):
        yield "a hidden layer has mid channels and an activation: give both, or neither"
    if block.joined:
        yield from _joined_faults(block)


def _joined_faults(block: Block) -> Iterator[str]:
    if not (block.mid and block.act):
        yield f"{block.op} has mid channels and an activation: give both"
    if block.split and block.cin % 2:
        yield f"{block.op} of stride 1 halves the channels, which are odd"
    if block.cout <= block.passed:
        yield f"{block.op} passes {block.passed} channels on, which leaves none for its main path"
