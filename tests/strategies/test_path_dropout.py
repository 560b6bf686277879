"""Path dropout: how often each option runs, and what runs when."""

import numpy as np
import pytest
import torch
from learning import small_space, small_supernet
from toys import elastic, make_paths, space

from hwnas.strategies.path_samplers.path_dropout import PathDropout
from hwnas.strategies.weights import SharedWeights, weight_step
from hwnas.testing import refused


def shares(path_sampler, part, steps=3000):
    """How often each option of each slot runs."""
    counts = [np.zeros(n) for n in path_sampler.space.choices]
    for step in range(steps):
        (path,) = path_sampler.training_paths(part, step).paths
        for count, gate in zip(counts, path, strict=True):
            count[list(gate.indices)] += 1
    return [count / steps for count in counts]


@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 1.0])
def test_an_option_is_dropped_as_often_as_the_ramp_says_whatever_the_width_of_its_slot(part):
    """One of k stays where all would be dropped: each with a k-th of that probability."""
    rate, path_sampler = 0.2, make_paths(PathDropout, space(2, 5), seed=0, rate=0.2)
    for k, share in zip((2, 5), shares(path_sampler, part), strict=True):
        dropped = part * rate ** (1 / k)
        assert path_sampler.drop_probability(part, k) == pytest.approx(dropped)
        expected = 1 - dropped + dropped**k / k
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 3000) + 1e-9)


def test_at_the_end_all_options_of_a_slot_would_be_dropped_with_the_rate():
    path_sampler = make_paths(PathDropout, space(3, 3), seed=0, rate=0.3)
    assert [path_sampler.drop_probability(1.0, k) ** k for k in (2, 3, 7)] == pytest.approx([0.3] * 3)
    alone = sum(
        len(gate.indices) == 1 for step in range(3000) for gate in path_sampler.training_paths(1.0, step).paths[0]
    )
    left = 1 - 0.3 ** (1 / 3)
    assert alone / 6000 == pytest.approx(0.3 + 3 * left * (1 - left) ** 2, abs=0.03)


def test_what_is_left_is_averaged():
    for step in range(50):
        for gate in make_paths(PathDropout, space(3, 4), seed=0).training_paths(0.7, step).paths[0]:
            if len(gate.indices) == 1:
                assert gate.weights is None
            else:
                assert gate.mode == "weighted"
                assert gate.weights.tolist() == pytest.approx([1 / len(gate.indices)] * len(gate.indices))
                assert list(gate.indices) == sorted(set(gate.indices))


def test_of_a_slot_whose_options_change_shapes_one_is_drawn_uniformly():
    path_sampler = make_paths(PathDropout, elastic(), seed=0)
    assert path_sampler.space.mixable == (False, True, True, True)
    width, *others = shares(path_sampler, 0.0)
    assert width == pytest.approx([0.5, 0.5], abs=0.04)
    assert all((share == 1).all() for share in others)


def test_a_path_sampler_depends_on_the_seed_the_part_and_the_step_alone():
    def told(seed, part, step):
        return [
            gate.indices
            for gate in make_paths(PathDropout, space(4, 4, 4), seed=seed).training_paths(part, step).paths[0]
        ]

    assert told(0, 0.5, 7) == told(0, 0.5, 7)
    assert len({str(told(seed, part, step)) for seed in (0, 1) for part in (0.5, 1.0) for step in (7, 8)}) > 4


def step(supernet, training_paths):
    size = supernet.space.resolution
    optimizer = torch.optim.SGD(supernet.parameters(), 0.01)
    weight_step(
        SharedWeights(supernet.train()), optimizer, training_paths, (torch.randn(2, 3, size, size), torch.arange(2))
    )


def test_a_step_trains_every_option_that_is_left_and_no_other():
    supernet, training_paths = (
        small_supernet(),
        make_paths(PathDropout, small_space(), seed=0, rate=0.5).training_paths(1.0, 3),
    )
    step(supernet, training_paths)
    dropped = 0
    for position, place in zip(supernet.space.positions, supernet.parts, strict=True):
        for index, block in place.items():
            ran = not position.slots or int(index) in training_paths.paths[0][position.slots[0]].indices
            assert all((value.grad is not None) == ran for value in block.parameters())
            dropped += not ran
    assert dropped > 3


def test_in_an_elastic_space_all_that_is_shared_is_trained_together(awake):
    path_sampler = make_paths(PathDropout, elastic(), seed=0)
    supernet = awake(path_sampler.supernet("collapsed"))
    step(supernet, path_sampler.training_paths(0.0, 0))
    assert all(value.grad is not None for value in supernet.parameters())


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with refused("constants.out-of-range", name="rate", value=rate):
        make_paths(PathDropout, space(2), seed=0, rate=rate)
