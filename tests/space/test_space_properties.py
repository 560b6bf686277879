"""What holds for any architecture of any built-in space: encoding, walks, shapes, and the JSON of its network."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hwnas.space import registry, zoo
from hwnas.space.block import Block
from hwnas.space.fold import fold
from hwnas.space.layer import Layer
from hwnas.space.net import Net

KINDS = ("proxyless-32", "fbnet", "nas-bench-macro-16", "spos", "mnasnet", "mobilenetv3-32")
"""Spaces that differ in kind: layers with and without skips, with pooled shortcuts, dealt channels, blocks, elastic."""

Shape = tuple[int, int, int]
"""Channels, height, width."""


@cache
def space_of(name):
    return registry.get(name)


@cache
def all_picks(name):
    """An architecture of the space `name`, each slot for itself."""
    return some.tuples(*(some.integers(0, options - 1) for options in space_of(name).choices))


def any_arch():
    """The name of a space, and an architecture of it."""
    return some.sampled_from(KINDS).flatmap(lambda name: some.tuples(some.just(name), all_picks(name)))


@given(drawn=any_arch(), data=some.data())
def test_an_encoding_is_one_hot_and_is_decoded_from_any_weights_that_agree(drawn, data):
    name, arch = drawn
    space = space_of(name)
    encoded = space.encode(arch)
    assert encoded.sum(axis=1).tolist() == [1] * len(arch)
    noise = np.random.default_rng(data.draw(some.integers(0, 2**32))).uniform(0, 0.49, encoded.shape)
    padding = np.arange(encoded.shape[1]) >= np.array(space.choices)[:, None]
    assert space.decode(np.where(padding, 9, encoded * 0.5 + noise)) == arch  # what no option has is never looked at
    assert space.encode(space.decode(encoded)).tolist() == encoded.tolist()


@settings(max_examples=60)
@given(drawn=any_arch())
def test_the_network_of_any_architecture_comes_back_from_its_json(drawn):
    name, arch = drawn
    net = space_of(name).derive(arch)
    again = Net.from_json(json.loads(json.dumps(net.to_json())))
    assert again == net
    assert (again.name, hash(again)) == (net.name, hash(net))


def output_of(layer: Layer, inputs: list[Shape]) -> Shape:
    """The shape that `layer` makes of `inputs`, by what its kind computes and not by what it declares."""
    channels, height, width = inputs[0]
    match layer.kind:
        case "conv" | "avgpool" | "maxpool" | "zero":
            assert layer.cin == channels
            assert layer.cin % layer.groups == layer.cout % layer.groups == 0
            return layer.cout, -(-height // layer.stride), -(-width // layer.stride)  # "same" padding
        case "se" | "shuffle":
            assert layer.cin == layer.cout == channels
            return channels, height, width
        case "split":
            assert 2 * layer.cout == layer.cin == channels
            return layer.cout, height, width
        case "add":
            assert len(inputs) > 1
            assert set(inputs) == {(layer.cin, height, width)}
            return inputs[0]
        case "concat":
            assert len(inputs) > 1
            assert {shape[1:] for shape in inputs} == {(height, width)}
            return sum(shape[0] for shape in inputs), height, width
        case "pool":
            return channels, 1, 1
        case "linear":
            assert (layer.cin, 1, 1) == inputs[0]
            return layer.cout, 1, 1
    raise AssertionError(layer.kind)


def output_of_block(block: Block, inputs: list[Shape]) -> Shape:
    """The shape that the walk of `block` makes, of which every layer's own declaration is checked."""
    names = [layer.name for layer in block.layers]
    assert len(set(names)) == len(names)
    for index, sources in enumerate(block.wiring):
        assert all(-block.fan_in <= source < index for source in sources)

    def run(index: int, given: list[Shape]) -> Shape:
        layer = block.layers[index]
        made = output_of(layer, given)
        assert made == (layer.cout, *layer.out)
        return made

    return fold(block.wiring, inputs, run)


def require_fits(net: Net) -> None:
    """Fold `net`, and check that each block and the whole give what they declare."""

    def run(index: int, given: list[Shape]) -> Shape:
        block = net.blocks[index]
        made = output_of_block(block, given)
        assert made == (block.cout, *block.out)
        return made

    first = net.blocks[0]
    assert fold(net.wiring, [(first.cin, first.height, first.width)], run) == (net.classes, 1, 1)


@settings(max_examples=60)
@given(drawn=any_arch())
def test_the_layers_of_any_network_fit_together_and_give_the_declared_output(drawn):
    name, arch = drawn
    require_fits(space_of(name).derive(arch))


@settings(max_examples=25)
@given(name=some.sampled_from(zoo.names()), side=some.integers(4, 40))
def test_the_layers_of_a_published_network_fit_together_at_any_size(name, side):
    net = zoo.get(name, resolution=8 * side - 3)
    require_fits(net)
    assert Net.from_json(json.loads(json.dumps(net.to_json()))) == net


def test_every_kind_of_layer_of_the_built_in_spaces_is_among_these():
    """So that a new kind of space is added to `KINDS`."""

    def kinds(names):
        return {layer.kind for name in names for block in space_of(name).blocks() for layer in block.layers}

    assert kinds(KINDS) == kinds(registry.SPACES)


def sources():
    """The source of each of some steps: one or two before it, or an input; every step's output reaches the last."""
    return some.integers(1, 8).flatmap(
        lambda count: some.tuples(
            *(some.lists(some.integers(-2, index - 1), min_size=1, max_size=3).map(tuple) for index in range(count))
        )
    )


@given(wiring=sources())
def test_a_fold_is_what_keeping_every_value_gives(wiring):
    """A value is let go after its last use, and never before."""
    kept = {-1: "x", -2: "y"}
    for index, taken in enumerate(wiring):
        kept[index] = f"{index}({','.join(kept[source] for source in taken)})"
    assert fold(wiring, ["x", "y"], lambda index, given: f"{index}({','.join(given)})") == kept[len(wiring) - 1]


@pytest.mark.parametrize("name", registry.SPACES)
def test_the_ends_of_every_space_fit_together(name):
    space = space_of(name)
    for arch in (space.smallest, space.largest):
        require_fits(space.derive(arch))
