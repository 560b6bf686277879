"""The networks of the zoo are those of torchvision and timm: in parameters, MACs as fvcore counts them, and outputs."""

from dataclasses import replace
from functools import partial

import pytest
import timm
import torch
import torchvision
from fvcore.nn import FlopCountAnalysis
from timm.models._efficientnet_builder import decode_arch_def
from timm.models.efficientnet import EfficientNet
from torch import nn

import hwnas.nn
from hwnas.nn.build import Network
from hwnas.nn.weights import adopt
from hwnas.space import strings, zoo
from hwnas.space.scaling import scale

OURS_ALONE = ("proxyless_cpu", "proxyless_gpu", "proxyless_mobile", "spos")
ELSEWHERE = sorted(set(zoo.names()) - set(OURS_ALONE))


def empty(make, *args, **options):
    """A module whose weights are yet to be set: drawing them only to replace them would take most of the time."""
    with torch.device("meta"):
        module = make(*args, **options)
    return module.to_empty(device="cpu")


def awakened(module, size):
    """`module` with random weights and norms far from the identity, whose statistics are of what comes through: so the
    outputs stay in proportion, and depend on the images."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            bound = (3 / part.weight[0].numel()) ** 0.5
            nn.init.uniform_(part.weight, -bound, bound)
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.3)
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
            part.momentum = 1
    with torch.no_grad():
        module.train()(torch.randn(4, 3, size, size))
    return module.eval()


def require_same(net, other):
    """Raise unless `other` has the parameters of `net`, and `net` gives its outputs with its weights."""
    assert net.params == sum(part.numel() for part in other.parameters())
    awakened(other, net.resolution)
    ours = empty(Network, net).eval()
    adopt(ours, other.state_dict())
    images = torch.randn(2, 3, net.resolution, net.resolution)
    with torch.no_grad():
        expected, found = other(images), ours(images)
    assert (expected[0] - expected[1]).abs().max() > 0.1  # else a network that ignores its images would do
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def macs(module, size):
    """The multiply-accumulates of convolutions and linear layers, as fvcore counts them."""
    found = FlopCountAnalysis(module, torch.zeros(1, 3, size, size)).unsupported_ops_warnings(False).by_operator()
    return found["conv"] + found["linear"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_networks_are_torchvisions_or_timms(name):
    torch.manual_seed(0)
    torchvisions = getattr(torchvision.models, name, None)
    other = empty(torchvisions) if torchvisions else empty(timm.create_model, name)
    size = zoo.get(name).resolution // 6  # what is compared holds at any size; these are odd ones too
    net = zoo.get(name, resolution=size)
    require_same(net, other)
    assert net.eps == next(part.eps for part in other.modules() if isinstance(part, nn.BatchNorm2d))
    assert net.macs == macs(other, size)


@pytest.mark.parametrize("name", OURS_ALONE)
def test_macs_are_those_of_the_module(name):
    net = zoo.get(name, resolution=37)
    assert net.macs == macs(empty(Network, net).eval(), 37)


def test_strings_of_any_network_make_timms_module():
    torch.manual_seed(0)
    net = replace(scale(zoo.get("proxyless_mobile"), 0.5, 1.4, 64), eps=1e-4)
    written = strings.write(net)
    other = empty(
        EfficientNet,
        decode_arch_def([line.split() for line in written.stages]),
        stem_size=written.stem,
        num_features=written.head,
        act_layer={"relu6": nn.ReLU6}[written.act],
        norm_layer=partial(nn.BatchNorm2d, eps=written.eps),
    )
    require_same(net, other)


def test_other_widths_are_timms():
    torch.manual_seed(0)
    require_same(scale(zoo.get("mobilenet_v2"), 1.4, resolution=64), empty(timm.create_model, "mobilenetv2_140"))
    net = scale(zoo.get("mobilenet_v3_large"), 0.75, resolution=64)
    net = replace(net, blocks=(*net.blocks[:-1], replace(net.blocks[-1], mid=1280)))  # which timm does not scale
    require_same(replace(net, eps=1e-5), empty(timm.create_model, "mobilenetv3_large_075"))


def test_the_package_builds():
    net = zoo.get("mobilenet_v3_small", classes=7, resolution=32)
    assert hwnas.nn.build(net, seed=0).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
