"""The supernet: one path is exactly the child, whatever is shared, and what does not run is left alone."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_spaces import elastic_space, expected_gradients, small_space
from torch import nn

from hwnas.nn.gates import Gate
from hwnas.nn.supernet import Supernet, one_hot, resized
from hwnas.space import registry
from hwnas.testing import refused

SHARINGS = [("separate", "crop"), ("collapsed", "crop"), ("collapsed", "transform"), ("collapsed", "separate")]
SPACES = {
    "small": small_space,
    "elastic": elastic_space,
    **{name: (lambda build=build: build(10)) for name, build in registry.SPACES.items()},
    "mobilenetv3": lambda: registry.SPACES["mobilenetv3"](10, resolutions=(32, 48)),
}


@cache
def space_of(name):
    return SPACES[name]()


def pixels(space):
    """Few enough to be fast, where the resolution is not one of the choices: the weights do not know it."""
    return min(space.resolution, 48)


def require_equal(supernet, arch, images):
    """Outputs and gradients of one path are those of the child."""
    supernet.zero_grad()
    child = supernet.extract(arch).train(supernet.training)
    got = supernet(images, one_hot(arch))
    want = child(resized(images, child.net.resolution) if supernet.resizes else images)
    torch.testing.assert_close(got, want, rtol=0, atol=0)
    upstream = torch.randn(want.shape)
    got.backward(upstream)
    want.backward(upstream)
    for name, expected in expected_gradients(supernet, child, arch).items():
        gradient = supernet.get_parameter(name).grad
        assert (gradient is None) == (expected is None), name
        if gradient is not None:
            torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-4 * float(expected.abs().max()), msg=name)


def partly_drawn(space, sharing, kernels, archs):
    """A supernet that has only the weights of the groups of `archs`, and nothing at rest. Drawing the others, which are
    not looked at, would take most of the time."""
    with torch.device("meta"):
        supernet = Supernet(space, 0, sharing, kernels)
    supernet.to_empty(device="cpu")
    for place, picks in zip(supernet.parts, space.picks(archs).T.tolist(), strict=True):
        for group in {place.group[pick] for pick in picks if pick in place.group}:
            for part in place[group].modules():
                if isinstance(part, nn.Conv2d | nn.Linear):
                    part.reset_parameters()
                elif isinstance(part, nn.BatchNorm2d):
                    nn.init.uniform_(part.weight, 0.5, 1.5)
                    nn.init.uniform_(part.bias, 0.5, 1.5)
                elif isinstance(part, nn.ParameterDict):  # the maps of kernels
                    for matrix in part.values():
                        nn.init.normal_(matrix, std=len(matrix) ** -0.5)
    return supernet


@pytest.mark.parametrize(("sharing", "kernels"), SHARINGS)
@pytest.mark.parametrize("name", SPACES)
def test_one_hot_gates_equal_the_extracted_network(name, sharing, kernels):
    space = space_of(name)
    archs = [space.sample(np.random.default_rng(0)), space.smallest]
    supernet = partly_drawn(space, sharing, kernels, archs)
    images = torch.randn(3, 3, pixels(space), pixels(space))
    require_equal(supernet.train(), archs[0], images)
    require_equal(supernet.eval(), archs[1], images)


@pytest.mark.parametrize(("sharing", "kernels"), SHARINGS)
def test_architectures_with_all_kinds_of_choices_equal_their_networks(sharing, kernels, awake):
    space = elastic_space()
    supernet = awake(Supernet(space, 0, sharing, kernels)).train()
    images = torch.randn(3, 3, 12, 12)
    for arch in list(product(*map(range, space.choices)))[::5]:
        require_equal(supernet, arch, images)


@pytest.mark.parametrize(("sharing", "kernels"), SHARINGS)
def test_extracted_weights_are_a_copy(sharing, kernels):
    supernet = Supernet(elastic_space(), 0, sharing, kernels)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    for arch in (supernet.space.largest, supernet.space.smallest):
        child = supernet.extract(arch)
        with torch.no_grad():
            for value in child.state_dict().values():
                value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_a_child_has_the_statistics_of_a_fresh_norm():
    supernet = Supernet(elastic_space(), seed=0).train()
    supernet(torch.randn(4, 3, 8, 8), one_hot(supernet.space.largest))
    norms = [
        part for part in supernet.extract(supernet.space.largest).modules() if isinstance(part, torch.nn.BatchNorm2d)
    ]
    assert all((norm.running_mean == 0).all() and (norm.running_var == 1).all() for norm in norms)
    assert all(norm.eps == 1e-3 and norm.num_batches_tracked == 0 for norm in norms)
    assert len(norms) == 7


def test_a_seed_decides_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    one, two = Supernet(small_space(), seed=3), Supernet(small_space(), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize(("sharing", "kernels"), SHARINGS)
def test_a_state_goes_on_where_it_was_taken(sharing, kernels):
    one, two = (Supernet(elastic_space(), seed, sharing, kernels) for seed in (0, 1))
    images = torch.randn(2, 3, 8, 8)
    gates = one_hot(one.space.smallest)
    assert not torch.equal(one(images, gates), two(images, gates))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(images, gates), two(images, gates))


@pytest.mark.parametrize("sharing", ["separate", "collapsed"])
def test_a_weight_step_leaves_idle_candidates_untouched(sharing, awake):
    """Neither a gradient, nor weight decay, nor the momentum of earlier steps."""
    supernet = awake(Supernet(small_space(), 0, sharing)).train()
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    for arch in ((0, 1, 2), (1, 1, 3)):
        before = {name: value.clone() for name, value in supernet.state_dict().items()}
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(supernet(images, one_hot(arch)), labels).backward()
        optimizer.step()
        moved = {name for name, value in supernet.state_dict().items() if not torch.equal(value, before[name])}
        groups = [place.group.get(index) for place, index in zip(supernet.parts, (0, *arch, 0), strict=True)]
        ran = {f"parts.{place}.{group}." for place, group in enumerate(groups) if group}
        assert all(any(name.startswith(prefix) for prefix in ran) for name in moved)
        assert all(any(name.startswith(prefix) for name in moved) for prefix in ran)


def test_images_are_resized_to_the_resolution_that_is_chosen():
    supernet = Supernet(elastic_space(), seed=0).eval()
    large = torch.randn(2, 3, 12, 12)
    assert resized(large, 12) is large
    at_8, at_12 = (0, 1, 2, 1, 1), (1, 1, 2, 1, 1)
    torch.testing.assert_close(supernet(large, one_hot(at_8)), supernet(resized(large, 8), one_hot(at_8)))
    assert resized(large, 8).shape == (2, 3, 8, 8)
    assert not torch.allclose(supernet(large, one_hot(at_8)), supernet(large, one_hot(at_12)))
    checkered = torch.arange(12)[:, None].add(torch.arange(12)).remainder(2).float().expand(1, 3, 12, 12)
    assert resized(checkered, 4).std() < 0.05, "smoothed, not sampled: a fine pattern is grey from afar"


def test_gates_that_are_not_of_the_space_are_refused():
    supernet, images = Supernet(small_space(), seed=0), torch.randn(1, 3, 8, 8)
    with refused("gates.count", gates=2, slots=3):
        supernet(images, one_hot((0, 1)))
    with refused("gates.index", indices=(4,), options=4):
        supernet(images, one_hot((0, 1, 4)))
    with refused("gates.weights", indices=(0, 1), shape=(1,)):
        Gate((0, 1))
    with refused("gates.weights", indices=(0, 1), shape=(3,)):
        Gate((0, 1), torch.ones(3))
