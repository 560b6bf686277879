from itertools import product

import numpy as np
import pytest

from hwnas.space import registry
from hwnas.space.eliminate import least
from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot
from hwnas.testing import refused

KERNELS, WIDTHS = (3, 5), (8, 16)
KERNEL, WIDTH, DEPTH = Choice("kernel", ("3", "5")), Choice("width", ("8", "16")), Choice("depth", ("1", "2", "3"))


def layer(index):
    """Absent from depth `index` down; its kernel and width are those of the whole stage."""

    def block(depth, kernel, width):
        channels = WIDTHS[width]
        if depth < index:
            return Block("skip", channels, channels, 8, 8)
        return Block("mbconv", channels, channels, 8, 8, KERNELS[kernel], expansion=2, act="relu", residual=True)

    return Elastic.of((DEPTH, KERNEL, WIDTH), block)


@pytest.fixture(scope="module")
def space():
    """A stem of two widths, an independent slot, three layers that share depth, kernel and width, and a classifier."""
    slot = Slot((Block("conv", 3, 4, 8, 8, 3, act="relu"), Block("conv", 3, 4, 8, 8, act="relu")))
    wide = Elastic.of((WIDTH,), lambda width: Block("conv", 4, WIDTHS[width], 8, 8, act="relu"))
    head = Elastic.of((WIDTH,), lambda width: Block("classifier", WIDTHS[width], 5, 8, 8))
    return SearchSpace("elastic", (slot, wide, *(layer(index) for index in range(3)), head))


def test_the_resolution_is_the_largest_where_it_is_a_choice():
    pixels = Choice("resolution", ("16", "32", "24"))
    stem = Elastic.of((pixels,), lambda option: Block("conv", 3, 8, *(2 * [(16, 32, 24)[option]]), 3, act="relu"))
    assert SearchSpace("sizes", (stem,)).resolution == 32


def test_slots_are_in_order_of_first_appearance_and_shared(space):
    assert space.choices == (2, 2, 3, 2)
    assert space.slots[1:] == (WIDTH, DEPTH, KERNEL)
    assert [position.slots for position in space.positions] == [(0,), (1,), (2, 3, 1), (2, 3, 1), (2, 3, 1), (1,)]
    assert space.size == 24
    assert not space.independent
    assert SearchSpace("s", space.parts[:1]).independent


def test_an_architecture_makes_what_its_choices_say(space):
    net = space.derive((1, 1, 1, 0))
    assert [block.op for block in net.blocks] == ["conv", "conv", "mbconv", "mbconv", "classifier"]
    assert (net.blocks[0].kernel, net.blocks[1].cout, net.blocks[2].kernel) == (1, 16, 3)
    archs = list(product(*map(range, space.choices)))
    assert len({space.derive(arch) for arch in archs}) == len(archs)
    picks = space.picks(archs)
    for arch, row in zip(archs, picks, strict=True):
        assert list(space.blocks_of(arch)) == [p.candidates[i] for p, i in zip(space.positions, row, strict=True)]


def test_the_least_and_the_most_are_found_exactly(space):
    archs = list(product(*map(range, space.choices)))
    macs = [space.derive(arch).macs for arch in archs]
    assert space.derive(space.smallest).macs == min(macs)
    assert space.derive(space.largest).macs == max(macs)
    rng = np.random.default_rng(0)
    for _ in range(20):  # costs that no order of the options agrees with
        costs = {block: rng.normal() for place in space.positions for block in place.candidates}
        totals = [sum(costs[block] for block in space.blocks_of(arch)) for arch in archs]
        assert sum(costs[block] for block in space.blocks_of(space.least(costs.__getitem__))) == pytest.approx(
            min(totals)
        )


def test_elimination_agrees_with_trying_everything():
    rng, choices = np.random.default_rng(0), (3, 2, 4, 2, 3)
    for _ in range(20):
        scopes = [(0, 1), (4, 1), (2, 0, 3), (3,), (2, 4)]
        factors = [(scope, rng.normal(size=[choices[s] for s in scope])) for scope in scopes]
        every = list(product(*map(range, choices)))
        totals = [sum(table[tuple(arch[s] for s in scope)] for scope, table in factors) for arch in every]
        assert least(factors, choices) == every[int(np.argmin(totals))]


def test_a_decision_that_all_others_depend_on_goes_last():
    """Its own table would have more entries than any integer of the processor counts."""
    factors = [((0, slot), np.array([[1.0, 3.0], [2.0, 0.0]])) for slot in range(1, 70)]
    assert least(factors, (2,) * 70) == (1,) * 70


def test_a_decision_that_costs_nothing_takes_its_first_option():
    assert least([((), np.array(1.0)), ((1,), np.array([2.0, 1.0]))], (3, 2)) == (0, 1)


def test_the_fingerprint_is_of_choices_and_blocks(space):
    renamed = Elastic((Choice("other", WIDTH.options),), space.parts[1].candidates)
    assert SearchSpace("a", (space.parts[0], renamed)).fingerprint != SearchSpace("a", space.parts[:2]).fingerprint


def test_impossible_parts_and_architectures_are_refused(space):
    with refused("space.combinations", candidates=1):
        Elastic((WIDTH, KERNEL), (Block("conv", 3, 4, 8, 8),))
    namesake = Elastic.of((Choice(WIDTH.name, ("8",)),), lambda width: Block("conv", 3, 8, 8, 8))
    with refused("space.choice-names", space="s"):
        SearchSpace("s", (namesake, space.parts[1]))
    with refused("space.not-an-architecture", space="elastic"):
        space.derive((0, 0, 3, 0))
    with refused("space.not-an-architecture", space="elastic"):
        space.picks([(0, 0)])
    with refused("space.not-an-architecture", space="elastic"):
        space.picks([(0, 0, 3, 0)])


@pytest.mark.parametrize("name", registry.SPACES)
def test_a_slot_is_mixable_where_changing_it_alone_changes_no_shape(name):
    """Against many changes, one by one: a slot that is not called mixable is seen to change a shape."""
    space, rng, seen = registry.get(name), np.random.default_rng(0), set()

    def shapes(arch):
        return [(block.cin, block.height, block.cout, *block.out) for block in space.blocks_of(arch)]

    for slot, count in enumerate(space.choices):
        for _ in range(8):
            arch = space.sample(rng)
            changed = (*arch[:slot], int(rng.integers(count)), *arch[slot + 1 :])
            if shapes(changed) != shapes(arch):
                seen.add(slot)
    assert seen == {slot for slot, mixable in enumerate(space.mixable) if not mixable}
