"""Spaces of the common form, built of what a YAML file says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .block import Block
from .chain import round_channels
from .layer import Act
from .space import Choice, Elastic, Part, SearchSpace, Slot

if TYPE_CHECKING:
    from .from_yaml import Operation, SpaceFile, Stage

MOST_CANDIDATES = 100_000
"""Of one place: more would take minutes and gigabytes to list, and nothing could be measured of them."""


@dataclass(frozen=True)
class Kind:
    """One option of a layer: all that is not its shape. `None` in its place leaves the layer out."""

    operation: Operation
    kernel: int
    expansion: float
    se: float
    activation: Act

    def __str__(self) -> str:
        squeezed = f" se{self.se:g}" * bool(self.se)
        return f"{self.operation} k{self.kernel} e{self.expansion:g}{squeezed} {self.activation}".rstrip()


@dataclass(frozen=True)
class Knob:
    """Options under a name: a decision where there are several."""

    name: str
    options: tuple[Any, ...]

    @property
    def choice(self) -> Choice:
        """The decision."""
        texts = (f"{option:g}" if isinstance(option, float) else str(option or "skip") for option in self.options)
        return Choice(self.name, tuple(texts))


Knobs = Mapping[str, Knob]


def fold(knobs: Knobs, block: Callable[..., Block]) -> Part:
    """A place of the network: `block` is called with an option of each of `knobs`, by their keys.

    It is a `Slot` where one layer's choice of itself (the key "kind") is all that there is to decide.
    """
    several = {key: knob for key, knob in knobs.items() if len(knob.options) > 1}
    fixed = {key: knob.options[0] for key, knob in knobs.items() if len(knob.options) == 1}
    if prod(len(knob.options) for knob in several.values()) > MOST_CANDIDATES:
        raise ValueError(f"a layer of more than {MOST_CANDIDATES} candidates")
    if not several:
        return block(**fixed)
    if list(several) == ["kind"]:
        blocks = tuple(block(**fixed, kind=kind) for kind in knobs["kind"].options)
        if len(set(blocks)) < len(blocks):
            raise ValueError(f"two options make the same layer: {', '.join(block.key for block in blocks)}")
        return Slot(blocks)

    def chosen(*indices: int) -> Block:
        return block(**fixed, **{key: several[key].options[i] for key, i in zip(several, indices, strict=True)})

    return Elastic.of([knob.choice for knob in several.values()], chosen)


def build(file: SpaceFile, where: object, classes: int | None = None) -> SearchSpace:
    """The space that `file` describes. Raises `InputError` naming `where` and the stage that cannot be."""
    builder = _Builder(file, file.classes if classes is None else classes)
    parts: list[Part] = []
    place = "stem"
    try:
        parts.append(builder.stem())
        for number, stage in enumerate(file.filled()):
            place = f"stages.{number}"
            parts += builder.stage(stage)
        place = "head"
        parts += builder.head()
        place = "stages"
        space = SearchSpace(file.name, tuple(parts), file.source, file.eps)
    except ValueError as error:
        message = f"{where}: {place}: {error}"
        raise InputError(message, code="space-file.invalid", path=str(where), place=place) from None
    return space if prod(space.choices) == builder.distinct else replace(space, distinct=builder.distinct)


class _Builder:
    """Where the network is: the strides so far and the channels, which may be a decision of the stage before."""

    def __init__(self, file: SpaceFile, classes: int) -> None:
        self.file, self.classes = file, classes
        self.whole = {
            "width": Knob("width", file.widths or (None,)),
            "resolution": Knob("resolution", file.resolution),
        }
        """What the network decides as a whole."""
        self.strides: list[int] = []
        self.before = Knob("", (3,))
        self.counts = [prod(len(knob.options) for knob in self.whole.values())]
        """Different networks of each stage, whose product is that of all; what is absent is not counted."""

    def stem(self) -> Part:
        """The first convolution."""
        stem = self.file.stem

        def block(width: float | None, resolution: int) -> Block:
            act = self.file.activation if stem.activation is None else stem.activation
            cout = scaled(stem.channels, width)
            return Block("conv", 3, cout, resolution, resolution, stem.kernel, stem.stride, act=act)

        self.strides.append(stem.stride)
        self.before = Knob("", (stem.channels,))
        return fold(self.whole, block)

    def stage(self, stage: Stage) -> Iterator[Part]:
        """Every layer that the stage can have, in order."""
        channels = Knob(f"{stage.name} width", stage.channels)
        depth = Knob(f"{stage.name} depth", stage.layers)
        options = []
        for index in range(max(stage.layers)):
            stride = 1 if index else stage.stride
            before = Knob("", (None,)) if index else self.before  # a later layer keeps the stage's channels
            same = bool(index) or (len(stage.channels) == 1 and before.options == stage.channels)
            deciding = _deciding(stage, index, stage.skip and same and stride == 1)
            options.append(prod(len(knob.options) for knob in deciding.values()))
            some = depth if index >= min(stage.layers) else Knob("", (max(stage.layers),))
            knobs = {**self.whole, "before": before, "depth": some, "channels": channels, **deciding}
            yield fold(knobs, self._layer(stage, index, stride, list(self.strides)))
            self.strides.append(stride)
        self.before = channels
        once = stage.choose == "per-stage"
        self.counts.append(sum(options[0] if once else prod(options[:layers]) for layers in stage.layers))
        self.counts.append(len(stage.channels))

    def _layer(self, stage: Stage, index: int, stride: int, strides: Sequence[int]) -> Callable[..., Block]:
        def block(
            width: float | None, resolution: int, before: int | None, depth: int, channels: int, **decided: Any
        ) -> Block:
            cin, cout = scaled(channels if before is None else before, width), scaled(channels, width)
            size = shrunk(resolution, strides)
            kind = decided["kind"] if "kind" in decided else Kind(**decided)
            if index >= depth or kind is None:
                return Block("skip", cin, cout, size, size)
            return layer(stage, kind, cin, cout, size, stride)

        return block

    def head(self) -> Iterator[Part]:
        """The 1×1 convolution, if any, and the classifier."""
        head, strides = self.file.head, self.strides
        act = self.file.activation if head.activation is None else head.activation

        def conv(width: float | None, resolution: int, before: int) -> Block:
            size = shrunk(resolution, strides)
            return Block("conv", scaled(before, width), scaled(head.channels or 0, width), size, size, act=act)

        def classifier(width: float | None, resolution: int, before: int) -> Block:
            size, cin, mid = shrunk(resolution, strides), scaled(before, width), scaled(head.hidden or 0, width)
            return Block("classifier", cin, self.classes, size, size, mid=mid, act=act if mid else "")

        if head.channels:
            yield fold({**self.whole, "before": self.before}, conv)
            self.before = Knob("", (head.channels,))
        yield fold({**self.whole, "before": self.before}, classifier)

    @property
    def distinct(self) -> int:
        """Number of networks, where what an absent layer would be is not counted."""
        return prod(self.counts)


def _deciding(stage: Stage, index: int, may_skip: bool) -> dict[str, Knob]:
    """What a layer decides of itself, or with its stage: one choice of its kind, or one of each dimension."""
    operations, kernels, expansions, se = stage.operation, stage.kernels, stage.expansions, stage.se
    activations = stage.activation or ("",)
    whose = stage.name if stage.choose == "per-stage" else f"{stage.name} layer {index + 1}"
    if stage.choose == "per-layer":
        every = product(operations, kernels, expansions, se, activations)
        kinds = dict.fromkeys(Kind(op, k, 1.0 if op == "conv" else e, ratio, act) for op, k, e, ratio, act in every)
        return {"kind": Knob(str(whose), (*kinds, *[None] * may_skip))}
    if stage.skip:
        raise ValueError(f"skip is of layers that choose per-layer, not {stage.choose}: give several layers")
    return {
        "operation": Knob(f"{whose} operation", operations),
        "kernel": Knob(f"{whose} kernel", kernels),
        "expansion": Knob(f"{whose} expansion", expansions),
        "se": Knob(f"{whose} se", se),
        "activation": Knob(f"{whose} activation", activations),
    }


def layer(stage: Stage, kind: Kind, cin: int, cout: int, size: int, stride: int) -> Block:
    """A layer of a stage."""
    expansion = 1.0 if kind.operation == "conv" else kind.expansion
    whole = expansion == int(expansion)
    inside = int(cin * expansion) if whole else round_channels(cin * expansion)
    se = int(cin * kind.se) if stage.se_of == "input" else round_channels(int(inside * kind.se)) * (kind.se > 0)
    return Block(
        kind.operation,
        cin,
        cout,
        size,
        size,
        kind.kernel,
        stride,
        int(expansion) if whole else 1,
        se=se,
        act=kind.activation,
        residual=stage.residual and stride == 1 and cin == cout,
        mid=0 if whole else inside,
        hard=stage.hard and se > 0,
    )


def scaled(channels: int, width: float | None) -> int:
    """`channels` as they are, or times `width`, to a multiple of 8."""
    return channels if width is None or not channels else round_channels(channels * width)


def shrunk(resolution: int, strides: Sequence[int]) -> int:
    """The pixels that are left of `resolution` after convolutions of these strides."""
    for stride in strides:
        resolution = (resolution - 1) // stride + 1
    return resolution
