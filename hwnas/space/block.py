"""A unit of a network, as plain frozen data that walks: it lists the primitive layers that it is made of."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict

from ..errors import InputError
from . import walks
from .fold import Wiring
from .layer import Act, Layer

Op = Literal[
    "conv", "mbconv", "fbconv", "fused", "shuffle", "xception",
    "avgpool", "maxpool", "zero", "skip", "classifier", "add", "concat",
]  # fmt: skip

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
    "add": "fan_in",
    "concat": "fan_in",
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
    - `add`, `concat`: join the outputs of `fan_in` blocks, each of `cin` channels: their sum, or their channels one
      after the other. Only where a `Net` has sources.

    `expansion` is how many times the channels are widened inside; `mid` the channels inside where that is no whole
    multiple (where it is, it is turned into `expansion`, so that a block has one key). `se` is the number of squeezed
    channels of a squeeze-and-excite (1709.01507; 0: none), with `act` inside and a sigmoid, or where it is `hard`,
    with relu inside and a hard sigmoid (1905.02244, §5.2). `residual` adds the input to the output, averaged over
    3×3 pixels first where it is `pooled` (1807.11626, §4.1). Raises `InputError` where these do not go together.
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
    fan_in: int = 1

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise InputError(f"{fault}: {self}", code="block.impossible", fault=fault, op=self.op)
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

    @cached_property
    def key(self) -> str:
        """The name of this block in a latency table: every field that is not at its default, in a fixed order."""
        parts = [self.op, f"{self.cin}-{self.cout}", f"{self.height}x{self.width}"]
        for name, word in KEY_WORDS.items():
            value = getattr(self, name)
            written = value != _DEFAULTS[name]
            if name == "expansion":  # even where it is 1, as in the first tables
                written = "expansion" in _FIELDS[self.op] and not self.mid
            if written:
                parts.append(word if isinstance(value, bool) else f"{word}{value}")
        return "_".join(parts)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The walk: every primitive layer in order of execution, with its sources."""
        return tuple(walks.walk(self))

    @cached_property
    def wiring(self) -> Wiring:
        """For each layer the indices of the layers whose outputs it takes; -1 is the block's (first) input."""
        return tuple(layer.sources or (index - 1,) for index, layer in enumerate(self.layers))

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(layer.params for layer in self.layers)


KEY_WORDS = {
    "kernel": "k", "stride": "s", "expansion": "e", "mid": "m", "groups": "g", "se": "se", "hard": "hard", "act": "",
    "residual": "res", "pooled": "pooled", "fan_in": "n",
}  # fmt: skip
"""What stands before the value of each field in a key (for a flag: in its place), in order."""

_DEFAULTS = {field.name: field.default for field in fields(Block) if field.default is not MISSING}
assert KEY_WORDS.keys() == _DEFAULTS.keys(), "a field that no key tells would give two blocks one latency"


def _faults(block: Block) -> Iterator[str]:
    """What is wrong with `block`, one line each."""
    sizes = (block.cin, block.cout, block.height, block.width, block.kernel, block.stride)
    if min(*sizes, block.expansion, block.groups, block.fan_in) < 1 or min(block.se, block.mid) < 0:
        yield "a size of this block is under 1"
    if block.kernel % 2 == 0:
        yield "an even kernel has no centre"
    allowed = _FIELDS[block.op].split()
    for name, default in _DEFAULTS.items():
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
    if block.op in ("shuffle", "xception"):
        yield from _dealt_faults(block)
    if block.op in ("add", "concat"):
        if block.fan_in < 2:
            yield f"{block.op} joins several blocks: give a fan_in of 2 or more"
        if block.cout != block.cin * (block.fan_in if block.op == "concat" else 1):
            yield f"{block.op} of {block.fan_in} times {block.cin} channels does not give {block.cout}"


def _dealt_faults(block: Block) -> Iterator[str]:
    if not (block.mid and block.act):
        yield f"{block.op} has mid channels and an activation: give both"
    if block.stride == 1 and block.cin % 2:
        yield f"{block.op} of stride 1 halves the channels, which are odd"
    if block.cout <= walks.passed(block):
        yield f"{block.op} passes {walks.passed(block)} channels on, which leaves none for its main path"
