"""What each kind of block is made of: a walk lists the layers of the main path, and of the shortcut, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .layer import Layer

if TYPE_CHECKING:
    from .block import Block, Op


def main(block: Block) -> Iterator[Layer]:
    """The layers that the input of `block` goes through (half of its channels, where the block is split)."""
    return _WALKS[block.op](block)


def shortcut(block: Block) -> Iterator[Layer]:
    """The layers on the way past the main path: none where the input joins as it is, or where nothing joins."""
    if block.pooled:
        yield Layer("avgpool", "avgpool", block.cin, block.cin, 3, out=block.out)
    if block.joined and not block.split:
        yield _depthwise(block, "depthwise", block.cin, block.stride)
        yield Layer("conv", "project", block.cin, block.cin, act=block.act, out=block.out)


def _depthwise(block: Block, name: str, channels: int, stride: int) -> Layer:
    return Layer("conv", name, channels, channels, block.kernel, stride, channels, out=block.out)


def _conv(block: Block) -> Iterator[Layer]:
    yield Layer("conv", "conv", block.cin, block.cout, block.kernel, block.stride, act=block.act, out=block.out)
    yield from _excitation(block, block.cout)


def _bottleneck(block: Block) -> Iterator[Layer]:
    mid, size = block.expanded, (block.height, block.width)
    if mid != block.cin or block.op == "fbconv":
        yield Layer("conv", "expand", block.cin, mid, groups=block.groups, act=block.act, out=size)
    if block.groups > 1:
        yield Layer("shuffle", "shuffle", mid, mid, groups=block.groups, out=size)
    yield Layer("conv", "depthwise", mid, mid, block.kernel, block.stride, mid, act=block.act, out=block.out)
    yield from _excited_projection(block)


def _fused(block: Block) -> Iterator[Layer]:
    yield Layer("conv", "expand", block.cin, block.expanded, block.kernel, block.stride, act=block.act, out=block.out)
    yield from _excited_projection(block)


def _excited_projection(block: Block) -> Iterator[Layer]:
    yield from _excitation(block, block.expanded)
    yield Layer("conv", "project", block.expanded, block.cout, groups=block.groups, out=block.out)


def _excitation(block: Block, channels: int) -> Iterator[Layer]:
    if block.se:
        act = "relu" if block.hard else block.act
        yield Layer("se", "se", channels, channels, mid=block.se, act=act, out=block.out, hard=block.hard)


def _shuffle(block: Block) -> Iterator[Layer]:
    cin, mid, size = block.cin - block.passed * block.split, block.expanded, (block.height, block.width)
    yield Layer("conv", "expand", cin, mid, act=block.act, out=size)
    yield _depthwise(block, "depthwise", mid, block.stride)
    yield Layer("conv", "project", mid, block.cout - block.passed, act=block.act, out=block.out)


def _xception(block: Block) -> Iterator[Layer]:
    cin, mid = block.cin - block.passed * block.split, block.expanded
    for index, (before, after) in enumerate(((cin, mid), (mid, mid), (mid, block.cout - block.passed)), start=1):
        yield _depthwise(block, f"depthwise{index}", before, block.stride if index == 1 else 1)
        yield Layer("conv", f"pointwise{index}", before, after, act=block.act, out=block.out)


def _alone(block: Block) -> Iterator[Layer]:
    yield Layer(block.op, block.op, block.cin, block.cout, block.kernel, block.stride, out=block.out)


def _classifier(block: Block) -> Iterator[Layer]:
    yield Layer("pool", "pool", block.cin, block.cin)
    if block.mid:
        yield Layer("linear", "hidden", block.cin, block.mid, act=block.act)
    yield Layer("linear", "linear", block.expanded, block.cout)


_WALKS: dict[Op, Callable[[Block], Iterator[Layer]]] = {
    "conv": _conv,
    "mbconv": _bottleneck,
    "fbconv": _bottleneck,
    "fused": _fused,
    "shuffle": _shuffle,
    "xception": _xception,
    "avgpool": _alone,
    "maxpool": _alone,
    "zero": _alone,
    "skip": lambda block: iter(()),
    "classifier": _classifier,
}
