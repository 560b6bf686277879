"""Sampling rules: what one step of the shared weights trains, counted over many steps."""

from collections import Counter

import numpy as np
import pytest
from toys import make_paths

from hwnas.nn.gates import one_hot
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.path_samplers.rules import Fair, Sandwich, Uniform, fair, sandwich, uniform
from hwnas.testing import refused


@pytest.fixture
def space() -> SearchSpace:
    """Slots of 3, 2 and 3 candidates; the first of each is the heaviest, the last the lightest."""
    heavy, light = (Block("mbconv", 8, 8, 8, 8, 3, 1, e, act="relu", residual=True) for e in (6, 2))
    skip = Block("skip", 8, 8, 8, 8)
    wide, narrow = Slot((heavy, light, skip)), Slot((heavy, light))
    return SearchSpace("small", (Block("conv", 3, 8, 8, 8, 3), wide, narrow, wide, Block("classifier", 8, 2, 8, 8)))


def drawn(rule, space, steps, seed=0):
    rng = np.random.default_rng(seed)
    return [rule(space, rng) for _ in range(steps)]


def test_uniform_draws_every_architecture_equally_often(space):
    counts = Counter(arch for archs in drawn(uniform, space, 3600) for arch in archs)
    assert len(counts) == space.size == 18
    assert all(abs(count - 200) < 5 * np.sqrt(200) for count in counts.values())


def test_fair_trains_each_candidate_of_the_widest_slots_exactly_once_a_step(space):
    for archs in drawn(fair, space, 50):
        first, narrow, last = zip(*archs, strict=True)
        assert sorted(first) == sorted(last) == [0, 1, 2]
        assert sorted(Counter(narrow).values()) == [1, 2]


def test_fair_draws_slots_independently_and_every_order_equally_often(space):
    steps = drawn(fair, space, 3600)
    orders = Counter(next(zip(*archs, strict=True)) for archs in steps)
    assert len(orders) == 6
    assert all(abs(count - 600) < 5 * np.sqrt(600) for count in orders.values())
    together = Counter(arch for archs in steps for arch in archs)
    assert len(together) == 18
    assert all(abs(count - 600) < 5 * np.sqrt(600) for count in together.values())


def test_sandwich_is_the_largest_first_the_smallest_and_random_ones(space):
    counts = Counter()
    for archs in drawn(sandwich, space, 900):
        assert archs[:2] == [(0, 0, 0), (2, 1, 2)]
        assert len(archs) == 4
        counts.update(archs[2:])
    assert len(counts) == 18
    assert all(abs(count - 100) < 5 * np.sqrt(100) for count in counts.values())


@pytest.mark.parametrize(
    ("kind", "rule", "constants", "flags"),
    [
        (Uniform, uniform, {}, (False, False)),
        (Fair, fair, {}, (False, False)),
        (Sandwich, sandwich, {}, (True, True)),
        (Sandwich, sandwich, {"distil": False}, (False, True)),
        (Sandwich, sandwich, {"decay_first": False}, (True, False)),
    ],
)
def test_a_path_sampler_is_what_its_rule_draws_with_the_seed_and_the_step_alone(kind, rule, constants, flags, space):
    for seed, step in ((0, 0), (0, 1), (5, 1)):
        archs = rule(space, np.random.default_rng((seed, step)))
        for part in (0.1, 0.9):
            training_paths = make_paths(kind, space, seed=seed, **constants).training_paths(part, step)
            assert training_paths.paths == tuple(map(one_hot, archs))
            assert (training_paths.distil, training_paths.decay_first) == flags
    path_sampler = make_paths(kind, space, seed=0, **constants)
    assert len({path_sampler.training_paths(0.0, step).paths for step in range(20)}) > 5


def test_a_sandwich_has_as_many_random_paths_as_are_asked_for(space):
    assert [len(make_paths(Sandwich, space, seed=0, count=count).training_paths(0.0, 0).paths) for count in (0, 3)] == [
        2,
        5,
    ]
    with refused("constants.out-of-range", name="count", value=-1):
        make_paths(Sandwich, space, seed=0, count=-1)
