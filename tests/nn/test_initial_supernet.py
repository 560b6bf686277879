"""Shared weights that begin with a network: its equal is the same function, and what does not fit stays as drawn."""

from dataclasses import replace

import pytest
import torch
from test_initial import trained

from hwnas.nn.build import build
from hwnas.nn.initial import with_classes
from hwnas.nn.initial_supernet import fill_supernet
from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block, Net
from hwnas.space.space import SearchSpace, Slot
from hwnas.testing import refused

STEM, TAIL = Block("conv", 3, 8, 8, 8, 3, act="relu6"), Block("classifier", 8, 5, 8, 8)


def mbconv(kernel=3, expansion=2, **changes):
    return Block("mbconv", 8, 8, 8, 8, kernel, expansion=expansion, act="relu6", residual=True, **changes)


SKIP = Block("skip", 8, 8, 8, 8)
SLOT = Slot((mbconv(3, 2), mbconv(5, 3), SKIP))
SPACE = SearchSpace("small", (STEM, SLOT, SLOT, TAIL), eps=1e-3)


def fill(supernet, source, sharing="separate"):
    return fill_supernet(supernet.choice_blocks, supernet.space.eps, source, sharing)


def outputs(child, source):
    """The logits of both in eval mode, where the child has the statistics of the source: it has none of its own."""
    buffers = {name: value for name, value in source.state_dict().items() if "running" in name}
    child.load_state_dict({**child.state_dict(), **buffers})
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return child.eval()(images), source.eval()(images)


@pytest.mark.parametrize("kernels", ["crop", "transform", "separate"])
@pytest.mark.parametrize("sharing", ["separate", "collapsed"])
@pytest.mark.parametrize("arch", [(0, 1), (1, 1), (0, 2), (2, 2)])
def test_the_child_that_equals_the_network_computes_the_same(sharing, kernels, arch):
    source, supernet = trained(replace(SPACE.derive(arch), eps=1e-5)), Supernet(SPACE, 0, sharing, kernels)
    filled = fill(supernet, source, sharing)
    torch.testing.assert_close(*outputs(supernet.extract(arch), source), rtol=1e-5, atol=1e-5)
    assert filled.sliced == ()
    assert filled.new == tuple(1 + slot for slot in (0, 1) if arch[slot] == 2)


def test_separate_weights_of_the_others_stay_as_drawn():
    supernet, drawn = Supernet(SPACE, 0), Supernet(SPACE, 0)
    fill(supernet, trained(SPACE.derive((0, 1))))
    mine, theirs = (one.extract((1, 0)) for one in (supernet, drawn))
    for block in (1, 2):
        pairs = zip(mine[block].parameters(), theirs[block].parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_smaller_children_begin_with_slices_of_the_largest():
    source, supernet = trained(SPACE.derive((1, 1))), Supernet(SPACE, 0, "collapsed")
    fill(supernet, source, "collapsed")
    smaller = supernet.extract((0, 0))
    assert torch.equal(smaller[1].expand.weight, source[1].expand.weight[:16])
    assert torch.equal(smaller[1].depthwise.weight, source[1].depthwise.weight[:16, :, 1:-1, 1:-1])


def test_blocks_of_no_member_are_sliced_into_collapsed_weights_and_left_out_of_separate_ones():
    wider = Net((STEM, mbconv(7, 4), mbconv(3, 2), TAIL))
    source = trained(with_classes(wider, 9))
    collapsed = Supernet(SPACE, 0, "collapsed")
    drawn = collapsed.extract((1, 1))[-1].linear.weight.clone()
    filled = fill(collapsed, source, "collapsed")
    assert (filled.equal, filled.sliced, filled.new) == ((0, 2, 3), (1,), ())
    child = collapsed.extract((1, 1))
    assert torch.equal(child[1].depthwise.weight, source[1].depthwise.weight[:24, :, 1:-1, 1:-1])
    assert torch.equal(child[-1].linear.weight, drawn)  # its classes are others
    filled = fill(Supernet(SPACE, 0), source)
    assert (filled.equal, filled.sliced, filled.new) == ((0, 1, 3), (), (2,))


def test_a_network_of_other_blocks_is_refused():
    other = Net((Block("fused", 3, 8, 8, 8, 3, act="relu6"), replace(TAIL, mid=4, act="relu")))
    with refused("initial.nothing-fits", block=other.blocks[0].key):
        fill(Supernet(SPACE, 0, "collapsed"), build(other, 0), "separate")
