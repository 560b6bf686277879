"""Networks as timm writes them: `ir_r2_k3_s2_e6_c24` is two inverted bottlenecks of kernel 3, the first of stride 2,
with six times as many channels inside as come in, and 24 at the end.

| kind | block | option | meaning |
| --- | --- | --- | --- |
| `cn` | conv | `r` `k` `s` `c` | repeats, kernel, stride of the first, channels |
| `ds` | mbconv that widens nothing | `e` | expansion (`ir`, `er`) |
| `ir` | mbconv or fbconv | `se` | squeezed channels, as a part |
| `er` | fused | `nre` `nr6` `nhs` `nsw` | another activation than the network's |
| | | `noskip`, or `skip` for a `cn` | where a residual would fit: there is none; there is one |
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Literal

from ..errors import InputError
from .block import Block, Op
from .chain import Chain, round_channels
from .incomplete_strings import require_complete
from .layer import Act
from .net import Net
from .scaling import BOTTLENECKS, sections, stages
from .unit import Unit

Model = Literal["efficientnet", "mobilenetv3"]
Bottleneck = Literal["mbconv", "fbconv"]

SMALLEST = 32
"""How many times smaller than the image timm makes features at most: it has dilation in place of further strides."""

_TOO_SMALL = f"timm makes images {SMALLEST} times smaller at most, and this network goes on"


@dataclass(frozen=True)
class Definition:
    """What timm makes a network of: its `EfficientNet` or its `MobileNetV3` with these arguments.

    `stages` has a line a stage, of block strings with spaces in between. `stem` is the channels of the first
    convolution, 3×3 of stride 2. `head` is the features before the classifier: those of a 1×1 convolution (0: none),
    or for MobileNetV3 of a hidden linear layer. `act` is wherever a string names no other, and `eps` BatchNorm's.
    A squeeze-and-excite takes its part of the block's input, or for MobileNetV3, where it is hard, of the expanded
    channels, rounded to multiples of 8. `bottleneck` is what an `ir` that widens is to be here: timm's is both.
    """

    stages: tuple[str, ...]
    model: Model = "efficientnet"
    stem: int = 32
    head: int = 1280
    act: Act = "relu"
    eps: float = 1e-5
    bottleneck: Bottleneck = "mbconv"

    def op(self, kind: str, widens: bool) -> Op:
        """The block that a string of `kind` stands for."""
        narrow: dict[str, Op] = {"cn": "conv", "ds": "mbconv", "ir": "fbconv", "er": "fused"}
        return self.bottleneck if kind == "ir" and widens else narrow[kind]

    def squeezed(self, part: float, expanded: int, expansion: float) -> int:
        """The squeezed channels of a block with so many channels inside."""
        return round_channels(expanded * part) if self.model == "mobilenetv3" else round(expanded * (part / expansion))


def read(definition: Definition, classes: int = 1000, resolution: int = 224, name: str = "") -> Net:
    """The network that `definition` says. Raises `InputError` naming the string that makes none."""
    if definition.model == "mobilenetv3":
        lines = (" ".join(Unit.read(text).text for text in line.split()) for line in definition.stages)
        require_complete(" / ".join(lines))
    chain = Chain(resolution)
    chain.add("conv", definition.stem, kernel=3, stride=2, act=definition.act)
    for line in definition.stages:
        for index, text in enumerate(line.split()):
            unit = Unit.read(text)
            if index and unit.stride > 1:
                message = f"{text}: only the first string of a stage has a stride: give it a line of its own"
                raise InputError(message, code="strings.stride", text=text)
            try:
                _add(chain, unit, definition)
            except ValueError as error:
                raise InputError(f"{text}: {error}", code="strings.block", text=text) from None
    if prod(block.stride for block in chain.blocks) > SMALLEST:
        raise InputError(_TOO_SMALL, code="strings.too-small")
    if definition.model == "mobilenetv3":
        chain.add("classifier", classes, mid=definition.head, act=definition.act)
    else:
        if definition.head:
            chain.add("conv", definition.head, act=definition.act)
        chain.add("classifier", classes)
    return chain.net(name, definition.eps)


def _add(chain: Chain, unit: Unit, definition: Definition) -> None:
    """Append the blocks of `unit`."""
    for stride in (unit.stride, *[1] * (unit.repeats - 1)):
        cin = chain.channels
        expansion = float(unit.expansion or 1)
        mid = round_channels(cin * expansion) if unit.expansion else cin
        op = definition.op(unit.kind, widens=mid != cin)
        joins = unit.skip if unit.skip is not None else unit.kind != "cn"
        fields = {"kernel": unit.kernel, "stride": stride, "act": unit.act or definition.act}
        fields["residual"] = joins and stride == 1 and cin == unit.cout
        if op in BOTTLENECKS:
            squeezed = definition.squeezed(float(unit.se), mid, expansion) if unit.se else 0
            fields |= {"mid": mid, "se": squeezed, "hard": squeezed > 0 and definition.model == "mobilenetv3"}
        chain.add(op, unit.cout, **fields)


def write(net: Net) -> Definition:
    """`net` as timm is told of it; `read` gives an equal network back. Raises `InputError` naming what timm cannot be
    told."""
    (stem, *_), inside, (*convs, classifier) = sections(net)
    if stem != replace(stem, op="conv", kernel=3, stride=2, residual=False) or not stem.act:
        message = f"timm's networks begin with a 3×3 convolution of stride 2 and an activation, not {stem.key}"
        raise InputError(message, code="strings.stem", block=stem.key)
    if prod(block.stride for block in net.blocks) > SMALLEST:
        raise InputError(_TOO_SMALL, code="strings.too-small")
    if classifier.act not in ("", stem.act):
        message = "timm's networks have one activation at the beginning and at the end"
        raise InputError(message, code="strings.act")
    head = classifier.mid
    for conv in convs:
        if not head and conv == replace(conv, kernel=1, stride=1, act=stem.act, residual=False):
            head = conv.cout
        else:
            inside = (*inside, conv)
    wide = {block.op for block in inside if block.expanded != block.cin}
    if {"mbconv", "fbconv"} <= wide:
        message = "timm has one word for mbconv and fbconv, and this network has both"
        raise InputError(message, code="strings.bottlenecks")
    model: Model = "mobilenetv3" if classifier.mid else "efficientnet"
    bottleneck: Bottleneck = "fbconv" if "fbconv" in wide else "mbconv"
    definition = Definition((), model, stem.cout, head, stem.act, net.eps, bottleneck)
    lines = (_line(_unit(block, definition) for block in stage) for stage in stages(inside))
    return replace(definition, stages=tuple(lines))


def _line(units: Iterable[Unit]) -> str:
    """The strings of a stage: those that differ in nothing but the stride of the first are one."""
    found: list[Unit] = []
    for unit in units:
        repeated = found[-1].repeated(unit) if found else None
        found[-1:] = [repeated] if repeated else [*found[-1:], unit]
    return " ".join(unit.text for unit in found)


def _unit(block: Block, definition: Definition) -> Unit:
    """The string of `block`. Raises `InputError` where timm has none."""
    cin, mid = block.cin, block.expanded
    kind = {"conv": "cn", "mbconv": "ir" if mid != cin else "ds", "fbconv": "ir", "fused": "er"}.get(block.op)
    hard = definition.model == "mobilenetv3"
    excited = block.se == 0 or (block.hard == hard and kind != "cn")
    if kind is None or block.groups > 1 or block.pooled or not block.act or not excited:
        raise InputError(f"timm has no string for {block.key}", code="strings.no-string", block=block.key)
    expansion = se = ""
    if kind in ("ir", "er"):
        expansion = _decimal(mid / cin, lambda value: round_channels(cin * value) == mid, block)
    if block.se:
        squeezed = partial(definition.squeezed, expanded=mid, expansion=float(expansion or 1))
        se = _decimal(block.se / (mid if hard else cin), lambda part: squeezed(part) == block.se, block)
    skip = block.residual if block.stride == 1 and cin == block.cout else None
    act = "" if block.act == definition.act else block.act
    return Unit(kind, 1, block.kernel, block.stride, expansion, block.cout, se, act, skip)


def _decimal(value: float, fits: Callable[[float], bool], block: Block) -> str:
    """The shortest decimal near `value` that `fits`, after 0.25: the usual part, the same for blocks of all sizes."""
    for text in ("0.25", *(f"{value:.{digits}f}" for digits in range(6))):
        if fits(float(text)):
            return text
    message = f"timm has no string for {block.key}: it rounds channels to multiples of 8"
    raise InputError(message, code="strings.no-string", block=block.key)
