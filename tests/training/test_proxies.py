"""Training-free scores against their definitions, written out independently."""

from itertools import product
from math import log, log1p

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from hwnas.accuracy.proxies import PROXIES, build_with_unit_gains, grad_norm, naswot, synflow
from hwnas.nn.build import build
from hwnas.space.net import Block, Net
from hwnas.testing import refused


@pytest.fixture
def batch(dataset):
    return dataset.normalise(dataset.train.images[:6]), dataset.train.labels[:6]


def test_naswot_is_the_log_determinant_of_how_many_bits_agree(net, batch):
    images, _ = batch
    module = build_with_unit_gains(net, 0)
    stem, layer = module[0], module[1]
    module.train()
    first = stem[1](stem[0](images))
    second = layer[1](layer[0](first.clamp(0, 6)))
    third = layer[4](layer[3](second.clamp(0, 6)))
    codes = torch.cat([(part > 0).flatten(1) for part in (first, second, third)], 1).numpy()
    alike = np.array([[np.sum(a == b) for b in codes] for a in codes], float)
    assert naswot(build_with_unit_gains(net, 0), images) == pytest.approx(
        np.log(np.abs(np.linalg.det(alike / 100))) + 6 * log(100)
    )


@pytest.mark.parametrize("act", ["relu", "relu6", "hswish", "swish"])
def test_every_activation_has_bits_also_that_of_an_excitation(act):
    net = Net((Block("mbconv", 3, 8, 8, 8, act=act, se=4), Block("classifier", 8, 3, 8, 8)))
    plain = Net((Block("mbconv", 3, 8, 8, 8, act=act), Block("classifier", 8, 3, 8, 8)))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels, bits = (3 * 8 * 8, 4)
    for one, most in ((plain, pixels), (net, pixels + bits)):
        found = naswot(build(one, 0), images)
        assert 0 < found < 4 * log(most), "Hadamard's bound: no determinant exceeds the product of its diagonal"


@pytest.mark.parametrize("count", [3, 40])
def test_images_that_nothing_tells_apart_are_refused(count, net):
    """Of 40 images, LU with rounding finds a determinant that is not 0."""
    images = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert naswot(build(net, 0), images) > 0
    images[-1] = images[count // 2]
    with refused("accuracy.images-alike"):
        naswot(build(net, 0), images)


def test_synflow_of_two_linear_layers_by_hand():
    """R = Σ over pixels of |W₂| |W₁| 1, averaged by the pool; each layer's Σ θ·∂R/∂θ is R."""
    net = Net((Block("conv", 3, 4, 2, 2, 1), Block("classifier", 4, 2, 2, 2)))
    module = build(net, 0)
    norm = module[0][1]
    nn.init.constant_(norm.weight, 7)  # not part of it
    first, last = (part.weight.detach().double().abs().flatten(1) for part in (module[0][0], module[1][-1]))
    r = (last @ first @ torch.ones(3, dtype=torch.float64)).sum()
    assert synflow(module, 2) == pytest.approx(2 * r.item())


@pytest.mark.parametrize("act", ["relu", "relu6", "hswish", "swish"])
def test_what_flows_through_is_conserved_whatever_the_activation(act):
    """Each of five layers has all of R (2006.05467, theorem 2), so with the bias of the last, which is 0, Σ is 5 R."""
    body = Block("mbconv", 4, 8, 8, 8, 3, expansion=3, act=act)
    net = Net((Block("conv", 3, 4, 8, 8, 1, act=act), body, Block("classifier", 8, 2, 8, 8)))
    module = build(net, 0)
    x = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            x = nn.functional.conv2d(x, part.weight.double().abs(), None, 1, part.padding, 1, part.groups)
    flow = nn.functional.linear(x.mean((2, 3)), module[2][-1].weight.double().abs()).sum().item()
    assert synflow(module, 8) == pytest.approx(5 * flow)


def test_a_residual_branch_counts_in_full(net, batch):
    """As `build` starts it, its last gain is 0, and no gradient reaches what is in it."""
    found = {}
    for name, module in (("build", build(net, 0)), ("fresh", build_with_unit_gains(net, 0))):
        cross_entropy(module(batch[0]), batch[1]).backward()
        found[name] = [bool(part.weight.grad.any()) for part in module.modules() if isinstance(part, nn.Conv2d)]
    assert found == {"build": [True, False, False, False], "fresh": [True] * 4}


def test_grad_norm_is_the_sum_over_layers(net, batch):
    images, labels = batch
    module = build_with_unit_gains(net, 0).train()
    cross_entropy(module(images), labels).backward()
    weights = [p for p in module.parameters() if p.ndim > 1]
    assert len(weights) == 5
    expected = sum(p.grad.square().sum().sqrt().item() for p in weights)
    assert grad_norm(build_with_unit_gains(net, 0), images, labels) == pytest.approx(expected)


def test_counts_are_the_nets_own(net, batch):
    assert [PROXIES[name](net, *batch, 0) for name in ("params", "macs")] == [net.params, net.macs]


@pytest.mark.parametrize("name", PROXIES)
def test_scores_depend_on_the_seed_alone_and_touch_nothing(name, net, batch):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    scores = [PROXIES[name](net, *batch, seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert scores[0] == scores[1]
    assert (scores[0] != scores[2]) == (name not in ("params", "macs"))
    assert min(scores) > 0


def test_the_module_is_left_as_it_was(net, batch, awake):
    images, labels = batch
    module = awake(build(net, 0)).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    naswot(module, images), synflow(module, 8), grad_norm(module, images, labels)
    assert not module.training
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [type(part) for part in module.modules()] == [type(part) for part in build(net, 0).modules()]


def test_images_are_shown_at_the_networks_resolution(batch):
    bodies = [Block("conv", 3, 4, size, size, 3, act="relu") for size in (4, 8)]
    nets = [Net((body, Block("classifier", 4, 3, *body.out))) for body in bodies]
    for name, size in product(("naswot", "grad-norm"), (0, 1)):
        small = torch.nn.functional.interpolate(batch[0], (4, 4), mode="bilinear", antialias=True)
        same = PROXIES[name](nets[size], small if size == 0 else batch[0], batch[1], 0)
        assert PROXIES[name](nets[size], *batch, 0) == pytest.approx(same)


def test_nothing_flows_to_what_comes_before_zeros(batch):
    net = Net((Block("conv", 3, 4, 8, 8, 1), Block("zero", 4, 4, 8, 8), Block("classifier", 4, 3, 8, 8)))
    assert synflow(build(net, 0), 8) == 0
    assert grad_norm(build(net, 0), *batch) == 0
    assert PROXIES["synflow"](net, *batch, 0) == log1p(0)
