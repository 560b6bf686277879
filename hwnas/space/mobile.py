"""The named search spaces, as literals."""

from collections.abc import Callable, Sequence

from ..errors import InputError
from .net import Block
from .space import SearchSpace, Slot

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 6)


def _slot(cin: int, cout: int, size: int, stride: int) -> Slot:
    """ProxylessNAS's candidates: MBConv of each kernel and expansion, and skip where the shape allows it."""
    residual = stride == 1 and cin == cout
    convs = (
        Block("mbconv", cin, cout, size, size, kernel, stride, expansion, act="relu6", residual=residual)
        for kernel in KERNELS
        for expansion in EXPANSIONS
    )
    return Slot((*convs, *([Block("skip", cin, cout, size, size)] if residual else [])))


def _proxyless(
    name: str, size: int, stem: tuple[int, int, int], stages: Sequence[tuple[int, int, int]], head: int, classes: int
) -> SearchSpace:
    """`stem` is (width, stride, first block's width); a stage is (width, layers, stride)."""
    width, stride, cin = stem
    parts: list[Block | Slot] = [Block("conv", 3, width, size, size, 3, stride, act="relu6")]
    size //= stride
    parts.append(Block("mbconv", width, cin, size, size, 3, act="relu6"))
    for cout, layers, stride in stages:
        for layer in range(layers):
            parts.append(_slot(cin, cout, size, stride if layer == 0 else 1))
            cin, size = cout, size // (stride if layer == 0 else 1)
    parts += [Block("conv", cin, head, size, size, act="relu6"), Block("classifier", head, classes, size, size)]
    return SearchSpace(name, tuple(parts), "ProxylessNAS, arXiv 1812.00332")


def proxyless(classes: int = 1000) -> SearchSpace:
    """ProxylessNAS for ImageNet at 224 px, exactly as published (1812.00332, §4.2): 21 slots, 6^6 · 7^15 networks."""
    stages = [(24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)]
    return _proxyless("proxyless", 224, (32, 2, 16), stages, 1280, classes)


def proxyless_32(classes: int = 10) -> SearchSpace:
    """The same idea for 32×32 images, small enough to search on a CPU in minutes: 9 slots, 6^3 · 7^6 networks.

    Ours, not published: thinner and shallower, and 8 times smaller at the end instead of 32 times, so that the last
    stages still see 4×4 pixels."""
    stages = [(24, 3, 2), (48, 3, 2), (96, 3, 1)]
    return _proxyless("proxyless-32", 32, (16, 2, 16), stages, 320, classes)


SPACES: dict[str, Callable[[int], SearchSpace]] = {"proxyless": proxyless, "proxyless-32": proxyless_32}
"""Every built-in space by name; each takes the number of classes."""


def get(name: str, classes: int | None = None) -> SearchSpace:
    """The built-in space `name`, with its own number of classes or another. Raises `InputError` for no such space."""
    if name not in SPACES:
        raise InputError(f"no search space {name!r}: there are {', '.join(SPACES)}")
    if classes is not None and classes < 2:
        raise InputError(f"a classifier needs at least 2 classes, not {classes}")
    return SPACES[name]() if classes is None else SPACES[name](classes)
