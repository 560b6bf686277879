"""Networks that are known to come from an architecture, and some that come from none."""

from itertools import product

import numpy as np
import pytest

from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.recognise import find_arch
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot

WIDTHS, KERNELS = (8, 16), (3, 5)
WIDTH, DEPTH = Choice("width", ("8", "16")), Choice("depth", ("0", "1", "2"))


def conv(cin, cout, kernel):
    return Block("conv", cin, cout, 8, 8, KERNELS[kernel], act="relu")


def layer(index):
    kernel = Choice(f"kernel {index}", ("3", "5"))

    def block(depth, width, chosen):
        channels = WIDTHS[width]
        return conv(channels, channels, chosen) if index < depth else Block("skip", channels, channels, 8, 8)

    return Elastic.of((DEPTH, WIDTH, kernel), block)


@pytest.fixture(scope="module")
def space():
    """A stem, two layers that may be absent, each with its own kernel, and a slot like them that may be skipped."""
    stem = Elastic.of((WIDTH,), lambda width: Block("conv", 3, WIDTHS[width], 8, 8))
    back = Elastic.of((WIDTH,), lambda width: Block("conv", WIDTHS[width], 8, 8, 8))
    slot = Slot((conv(8, 8, 0), conv(8, 8, 1), Block("skip", 8, 8, 8, 8)))
    return SearchSpace("s", (stem, layer(0), layer(1), back, slot, Block("classifier", 8, 5, 8, 8)))


def test_the_first_of_all_that_make_it(space):
    archs = list(product(*map(range, space.choices)))
    first = {}
    for arch in archs:
        first.setdefault(space.derive(arch).blocks, arch)
    assert len(first) < len(archs), "the kernel of an absent layer makes no difference"
    for arch in archs:
        blocks = space.derive(arch).blocks
        assert find_arch(space, blocks) == first[blocks]


def test_what_shares_no_decision_is_not_of_the_space(space):
    thin, wide = (space.derive((width, 2, 0, 0, 0)).blocks for width in (0, 1))
    assert find_arch(space, thin) == (0, 2, 0, 0, 0)
    assert find_arch(space, (thin[0], *wide[1:])) is None
    assert find_arch(space, (*wide[:3], thin[3], *wide[4:])) is None
    for blocks in (thin[:-1], thin[1:], (*thin, thin[-1]), (*thin[:2], thin[2], *thin[2:]), ()):
        assert find_arch(space, blocks) is None


@pytest.mark.parametrize("name", registry.SPACES)
def test_every_built_in_space(name):
    """A network that is not of the space is known as soon as one that is, however many absent layers might hide it."""
    built, rng = registry.get(name), np.random.default_rng(0)
    for arch in (built.smallest, built.largest, built.sample(rng), built.sample(rng)):
        net = built.derive(arch)
        assert built.derive(find_arch(built, net.blocks)) == net
        assert find_arch(built, net.blocks[:-1]) is None
