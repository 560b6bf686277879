"""What each kind of block is made of: a walk lists its layers in order of execution, each with its sources.

In a block of two paths the layers of the main path come first; those of the other are named `shortcut.…`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from .layer import Layer

if TYPE_CHECKING:
    from .block import Block

INPUT = -1
"""The source that is the block's input."""


def walk(block: Block) -> list[Layer]:
    """Every layer of `block`; none in a skip."""
    match block.op:
        case "conv":
            return _residual(block, _conv(block))
        case "mbconv" | "fbconv":
            return _residual(block, _bottleneck(block))
        case "fused":
            return _residual(block, _fused(block))
        case "shuffle":
            return _dealt(block, _shuffle(block))
        case "xception":
            return _dealt(block, _xception(block))
        case "avgpool" | "maxpool" | "zero":
            return [Layer(block.op, block.op, block.cin, block.cout, block.kernel, block.stride, out=block.out)]
        case "skip":
            return []
        case "classifier":
            return _classifier(block)
        case "add" | "concat":
            sources = tuple(-1 - index for index in range(block.fan_in))
            cin = block.cin if block.op == "add" else block.cout
            return [Layer(block.op, block.op, cin, block.cout, out=block.out, sources=sources)]
        case _:
            assert_never(block.op)


def passed(block: Block) -> int:
    """Channels of a `shuffle` or `xception` that its main path does not make: at stride 1 the half that passes as it
    is, else those of the shortcut, which has as many as the input."""
    return block.cin // 2 if block.stride == 1 else block.cin


def _residual(block: Block, main: list[Layer]) -> list[Layer]:
    """`main`, and the input of `block`, or its average, added to what that makes."""
    if not block.residual:
        return main
    last, shortcut = len(main) - 1, INPUT
    if block.pooled:
        shortcut = len(main)
        main.append(Layer("avgpool", "shortcut.avgpool", block.cin, block.cin, 3, out=block.out, sources=(INPUT,)))
    return [*main, Layer("add", "add", block.cout, block.cout, out=block.out, sources=(shortcut, last))]


def _dealt(block: Block, main: list[Layer]) -> list[Layer]:
    """`main` on the odd channels beside the even ones, or on all of them beside a shortcut, and both concatenated."""
    if block.stride == 1:
        size, half = (block.height, block.width), block.cin // 2
        even = Layer("split", "even", block.cin, half, out=size, sources=(INPUT,))
        odd = Layer("split", "odd", block.cin, half, out=size, offset=1, sources=(INPUT,))
        layers, shortcut = [even, odd, *main], 0
        last = len(layers) - 1
    else:
        before = _depthwise(block, "shortcut.depthwise", block.cin, block.stride, sources=(INPUT,))
        after = Layer("conv", "shortcut.project", block.cin, block.cin, act=block.act, out=block.out)
        layers = [*main, before, after]
        last, shortcut = len(main) - 1, len(layers) - 1
    return [*layers, Layer("concat", "concat", block.cout, block.cout, out=block.out, sources=(shortcut, last))]


def _depthwise(block: Block, name: str, channels: int, stride: int, sources: tuple[int, ...] = ()) -> Layer:
    return Layer("conv", name, channels, channels, block.kernel, stride, channels, out=block.out, sources=sources)


def _conv(block: Block) -> list[Layer]:
    conv = Layer("conv", "conv", block.cin, block.cout, block.kernel, block.stride, act=block.act, out=block.out)
    return [conv, *_excitation(block, block.cout)]


def _bottleneck(block: Block) -> list[Layer]:
    mid, size, layers = block.expanded, (block.height, block.width), []
    if mid != block.cin or block.op == "fbconv":
        layers.append(Layer("conv", "expand", block.cin, mid, groups=block.groups, act=block.act, out=size))
    if block.groups > 1:
        layers.append(Layer("shuffle", "shuffle", mid, mid, groups=block.groups, out=size))
    layers.append(Layer("conv", "depthwise", mid, mid, block.kernel, block.stride, mid, act=block.act, out=block.out))
    return layers + _excited_projection(block)


def _fused(block: Block) -> list[Layer]:
    mid = block.expanded
    expand = Layer("conv", "expand", block.cin, mid, block.kernel, block.stride, act=block.act, out=block.out)
    return [expand, *_excited_projection(block)]


def _excited_projection(block: Block) -> list[Layer]:
    project = Layer("conv", "project", block.expanded, block.cout, groups=block.groups, out=block.out)
    return [*_excitation(block, block.expanded), project]


def _excitation(block: Block, channels: int) -> list[Layer]:
    if not block.se:
        return []
    act = "relu" if block.hard else block.act
    return [Layer("se", "se", channels, channels, mid=block.se, act=act, out=block.out, hard=block.hard)]


def _shuffle(block: Block) -> list[Layer]:
    cin, mid, size = _main_channels(block), block.expanded, (block.height, block.width)
    return [
        Layer("conv", "expand", cin, mid, act=block.act, out=size),
        _depthwise(block, "depthwise", mid, block.stride),
        Layer("conv", "project", mid, block.cout - passed(block), act=block.act, out=block.out),
    ]


def _xception(block: Block) -> list[Layer]:
    cin, mid, layers = _main_channels(block), block.expanded, []
    for index, (before, after) in enumerate(((cin, mid), (mid, mid), (mid, block.cout - passed(block))), start=1):
        layers.append(_depthwise(block, f"depthwise{index}", before, block.stride if index == 1 else 1))
        layers.append(Layer("conv", f"pointwise{index}", before, after, act=block.act, out=block.out))
    return layers


def _main_channels(block: Block) -> int:
    """Channels that the main path of a `shuffle` or `xception` takes: at stride 1 the odd ones."""
    return block.cin // 2 if block.stride == 1 else block.cin


def _classifier(block: Block) -> list[Layer]:
    layers = [Layer("pool", "pool", block.cin, block.cin)]
    if block.mid:
        layers.append(Layer("linear", "hidden", block.cin, block.mid, act=block.act))
    return [*layers, Layer("linear", "linear", block.expanded, block.cout)]
