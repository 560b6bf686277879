"""Features of candidates against the same quantities counted in whole networks."""

from collections import Counter
from dataclasses import dataclass, fields, replace
from math import prod

import numpy as np
import pytest

from hwnas.latency.candidates import Candidates
from hwnas.latency.features import NO_OPERATION, _normal, _operation, features
from hwnas.space import registry
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot

SAME = [
    *(Block("shuffle", 8, 8, 8, 8, k, mid=4, act="relu") for k in (3, 7)),
    Block("xception", 8, 8, 8, 8, 3, mid=4, act="relu"),
    Block("fused", 8, 8, 8, 8, 3, expansion=2, se=4, hard=True, act="relu", residual=True),
    Block("mbconv", 8, 8, 8, 8, 3, mid=20, se=4, act="relu", residual=True, pooled=True),
    *(Block(op, 8, 8, 8, 8, 3) for op in ("avgpool", "maxpool")),
    Block("zero", 8, 8, 8, 8),
]
HALVED = [
    *(Block("shuffle", 8, 12, 8, 8, k, 2, mid=6, act="relu") for k in (3, 5)),
    Block("xception", 8, 12, 8, 8, 3, 2, mid=6, act="relu"),
    Block("conv", 8, 12, 8, 8, 3, 2, act="relu"),
]
JOINS = SearchSpace("joins", (Slot(tuple(SAME)), Slot(tuple(HALVED)), Block("classifier", 12, 5, 4, 4)))


def every_arch(space):
    return [tuple(map(int, arch)) for arch in np.ndindex(*space.choices)]


def one_hot(space, archs):
    starts = np.cumsum((0, *space.choices))[:-1]
    hot = np.zeros((len(archs), sum(space.choices)))
    for row, arch in zip(hot, archs, strict=True):
        row[starts + arch] = 1
    return hot


def standard(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def columns_of(found, group):
    return found.values[:, found.groups == found.names.index(group)]


def layers_of(net):
    """Layers, without what parts and joins their paths."""
    layers = [layer for block in net.blocks for layer in block.layers]
    return [layer for layer in layers if layer.kind not in ("split", "add", "concat")]


def traffic(net):
    """Elements read and written: by each layer its input (but not by a zero) and its output, by a residual two inputs
    and an output, by splitting and joining channels all of them twice."""
    read = sum(prod(layer.out) * layer.stride**2 * layer.cin for layer in layers_of(net) if layer.kind != "zero")
    written = sum(prod(layer.out) * layer.cout for layer in layers_of(net))
    added = sum(3 * block.cout * prod(block.out) for block in net.blocks if block.residual)
    dealt = [block for block in net.blocks if block.op in ("shuffle", "xception")]
    halved = sum(2 * block.cin * block.height * block.width for block in dealt if block.stride == 1)
    return read + written + added + halved + sum(2 * block.cout * prod(block.out) for block in dealt)


def operators(net):
    """Layers, and what is run to part and to join paths: an addition, two slices, a concatenation."""
    blocks = net.blocks
    dealt = [block for block in blocks if block.op in ("shuffle", "xception")]
    halved = [block for block in dealt if block.stride == 1]
    return len(layers_of(net)) + sum(block.residual for block in blocks) + 2 * len(halved) + len(dealt)


SUMS = {
    "macs": lambda net: net.macs,
    "params": lambda net: sum(layer.weights for layer in layers_of(net)),
    "depth": lambda net: len(net.blocks),
    "layers": operators,
    "traffic": traffic,
}


def sums_are_those_of_the_network(space, group):
    archs = every_arch(space)
    found = one_hot(space, archs) @ columns_of(features(space, {}), group)
    expected = standard(np.array([[float(SUMS[group](space.derive(arch)))] for arch in archs]))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("group", SUMS)
def test_sums_over_candidates_are_those_of_the_network(space, group):
    sums_are_those_of_the_network(space, group)


@pytest.mark.parametrize("group", sorted(SUMS.keys() - {"depth"}))
def test_sums_over_blocks_of_two_paths_are_those_of_the_network(group):
    sums_are_those_of_the_network(JOINS, group)


def counted(nets, count):
    """Standardised counts of each kind over `nets`, those of kinds that are always as many left out."""
    counts = [count(net) for net in nets]
    kinds = sorted(set().union(*counts))
    values = np.array([[float(one[kind]) for kind in kinds] for one in counts])
    return standard(values[:, values.std(axis=0) > 0])


def by_kind(net):
    found = Counter()
    for layer in layers_of(net):
        depthwise = layer.groups == layer.cin > 1
        name = layer.name.removeprefix("shortcut.")
        found[layer.kind, name, layer.kernel, depthwise, layer.act, layer.hard] += layer.macs
    return found


def by_stage(net):
    found = Counter()
    for block in net.blocks:
        found[block.cout, block.out] += block.macs
    return found


KINDS = {
    "block": lambda net: Counter(block.key for block in net.blocks),
    "macs by kind of layer": by_kind,
    "macs by stage": by_stage,
}


def kinds_are_counted_apart(space, group):
    archs = every_arch(space)
    found = one_hot(space, archs) @ columns_of(features(space, {}), group)
    expected = counted([space.derive(arch) for arch in archs], KINDS[group])
    assert found.shape == expected.shape
    apart = np.abs(found[:, :, None] - expected[:, None, :]).max(axis=0)
    assert (apart.min(axis=0) < 1e-9).all()
    assert (apart.min(axis=1) < 1e-9).all()


@pytest.mark.parametrize("group", KINDS)
def test_kinds_are_counted_apart(space, group):
    kinds_are_counted_apart(space, group)


@pytest.mark.parametrize("group", KINDS)
def test_kinds_of_blocks_of_two_paths_are_counted_apart(group):
    kinds_are_counted_apart(JOINS, group)


def test_every_sort_of_operation_is_a_feature():
    """The two kernels of a shuffle and the two hardnesses and poolings are told apart, whatever else is alike."""
    told = columns_of(features(JOINS, {}), "op")
    assert len(np.unique(told.round(9), axis=0)) == len(SAME) + len(HALVED)
    plain = Block("mbconv", 8, 8, 8, 8, 3, expansion=3, se=4, act="relu", residual=True)
    alike = SearchSpace("a", (Slot((plain, replace(plain, hard=True), replace(plain, pooled=True))),))
    assert len(np.unique(columns_of(features(alike, {}), "op").round(9), axis=0)) == 3


@dataclass(frozen=True)
class Dilated(Block):
    """A block with a field that nothing has heard of."""

    dilation: int = 1


def test_a_new_field_of_a_block_tells_operations_apart():
    """Nobody has to remember to name it: whatever is not listed as no part of an operation is one."""
    one, other = (Dilated("mbconv", 8, 8, 6, 6, 3, act="relu", dilation=dilation) for dilation in (1, 2))
    assert _operation(one) == _operation(replace(one, cout=16, act="swish")) != _operation(other)
    assert {field.name for field in fields(Block)} >= NO_OPERATION


def test_every_candidate_of_every_slot_is_a_feature(space):
    found = columns_of(features(space, {}), "slot")
    assert found.shape == (9, 9)
    assert np.linalg.matrix_rank(found) == 9 - 3, "in a slot, one candidate's share is what the others' leave"


@pytest.mark.parametrize("name", ["proxyless-32", "fbnet"])
def test_features_are_centred_in_every_slot_and_vary_by_1(name):
    space = registry.get(name, 4)
    found = features(space, {"table": np.arange(sum(space.choices)) ** 1.5})
    ends = np.cumsum(space.choices)
    for first, last in zip((0, *ends[:-1]), ends, strict=True):
        np.testing.assert_allclose(found.values[first:last].mean(axis=0), 0, atol=1e-12)
    variance = sum(part.var(axis=0) for part in np.split(found.values, ends[:-1]))
    np.testing.assert_allclose(variance, 1)
    assert set(found.groups) == set(range(len(found.names)))
    assert len(found.groups) == found.values.shape[1]


def test_columns_are_summed_over_the_network_and_over_each_stage(space):
    column = np.random.default_rng(0).uniform(size=9)
    hot = one_hot(space, every_arch(space))
    found = features(space, {"phone": column, "board": column**2})
    np.testing.assert_allclose(hot @ columns_of(found, "phone"), standard((hot @ column)[:, None]))
    np.testing.assert_allclose(hot @ columns_of(found, "board"), standard((hot @ column**2)[:, None]))
    stages = np.stack([hot[:, :7] @ column[:7], hot[:, 7:] @ column[7:]], axis=1)
    np.testing.assert_allclose(hot @ columns_of(found, "phone by stage"), standard(stages))


def test_a_column_that_never_varies_is_none(space):
    plain = features(space, {})
    assert "flat" not in features(space, {"flat": np.ones(9)}).names
    np.testing.assert_array_equal(features(space, {"flat": np.ones(9)}).values, plain.values)


def test_what_varies_by_rounding_alone_is_no_feature():
    """Whatever its unit: MACs are millions."""
    candidates = Candidates.of(JOINS)
    values = np.random.default_rng(0).uniform(1, 2, (len(candidates.owner), 1))
    for unit in (1e-6, 1.0, 1e6):
        constant = unit * (1 + 1e-13 * values)
        assert _normal(np.hstack([constant, unit * values]), candidates).shape[1] == 1
