"""Spaces that are small enough to try everything on, and what tests of a supernet need to know of its weights."""

import torch

from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot

KERNELS, WIDTHS, SIZES = (3, 5, 7), (8, 16), (8, 12)
KERNEL, WIDTH, DEPTH = Choice("kernel", ("3", "5", "7")), Choice("width", ("8", "16")), Choice("depth", ("1", "2"))
EXPANSION, SIZE = Choice("expansion", ("1", "2")), Choice("resolution", ("8", "12"))


def small_space(slots: int = 3, channels: int = 8, size: int = 8) -> SearchSpace:
    """Three slots of three MBConvs and a skip, on 8×8 images."""
    convs = [Block("mbconv", channels, channels, size, size, k, 1, e, act="relu6", residual=True)
             for k, e in ((3, 2), (5, 3), (7, 1))]  # fmt: skip
    slot = Slot((*convs, Block("skip", channels, channels, size, size)))
    stem, head = Block("conv", 3, channels, size, size, 3, act="relu6"), Block("classifier", channels, 5, size, size)
    return SearchSpace("small", (stem, *[slot] * slots, head))


def elastic_space() -> SearchSpace:
    """A stem, two layers and a classifier with every kind of choice: slots are resolution, width, kernel, expansion and
    depth. Kernel and expansion are shared by both layers, and the second is absent at depth 1."""

    def stem(size: int, width: int) -> Block:
        return Block("conv", 3, WIDTHS[width], SIZES[size], SIZES[size], 3, act="hswish")

    def layer(size: int, width: int, kernel: int, expansion: int) -> Block:
        channels, pixels, times = WIDTHS[width], SIZES[size], 1 + expansion
        return Block("mbconv", channels, channels, pixels, pixels, KERNELS[kernel], expansion=times, act="relu",
                     se=channels * times // 4, hard=True, residual=True)  # fmt: skip

    def perhaps(depth: int, size: int, width: int, *chosen: int) -> Block:
        skip = Block("skip", WIDTHS[width], WIDTHS[width], SIZES[size], SIZES[size])
        return layer(size, width, *chosen) if depth else skip

    def head(size: int, width: int) -> Block:
        return Block("classifier", WIDTHS[width], 5, SIZES[size], SIZES[size], mid=2 * WIDTHS[width], act="hswish")

    layers = (SIZE, WIDTH, KERNEL, EXPANSION)
    parts = (Elastic.of((SIZE, WIDTH), stem), Elastic.of(layers, layer), Elastic.of((DEPTH, *layers), perhaps))
    return SearchSpace("elastic", (*parts, Elastic.of((SIZE, WIDTH), head)), eps=1e-3)


def expected_gradients(supernet, child, arch):
    """What the gradients of a child say of the parameters of its supernet: by name, None where it has no part in them.

    The child's weights are a function of the supernet's, so its gradients are drawn back through that function.
    """
    picks = supernet.space.picks([arch])[0].tolist()
    present = [(place, pick) for place, pick in zip(supernet.parts, picks, strict=True) if pick in place.group]
    made, gradients = [], []
    for block, (place, pick) in zip(child, present, strict=True):
        for name, weight in place.named(pick):
            made.append(weight)
            gradients.append(block.get_parameter(name).grad)
    names, parameters = zip(*supernet.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(made, parameters, gradients, allow_unused=True), strict=True))
