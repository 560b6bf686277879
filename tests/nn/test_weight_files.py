"""Weight files as ProxylessNAS and Once-for-All publish them, with modules written as theirs are."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from hwnas.nn import weights
from hwnas.nn.build import build
from hwnas.space import zoo
from hwnas.space.scaling import scale
from hwnas.testing import refused

ACTS = {"relu6": nn.ReLU6, "hswish": nn.Hardswish, "relu": nn.ReLU}


class TheirConv(nn.Module):
    """A convolution that registers its norm first, as ProxylessNAS's code does."""

    def __init__(self, cin, cout, kernel, stride, act, norm=True):
        super().__init__()
        if norm:
            self.bn = nn.BatchNorm2d(cout, 1e-3)
        self.activation = ACTS[act]()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)

    def forward(self, x):
        x = self.conv(x)
        return self.activation(self.bn(x) if hasattr(self, "bn") else x)


def unit(cin, cout, kernel, stride, groups, act=None):
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    parts = [("conv", conv), ("bn", nn.BatchNorm2d(cout, 1e-3))]
    return nn.Sequential(OrderedDict([*parts, ("act", ACTS[act]())] if act else parts))


class Excite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        parts = {
            "reduce": nn.Conv2d(channels, squeezed, 1),
            "relu": nn.ReLU(),
            "expand": nn.Conv2d(squeezed, channels, 1),
        }
        self.fc = nn.Sequential(OrderedDict(parts, gate=nn.Hardsigmoid()))

    def forward(self, x):
        return x * self.fc(x.mean((2, 3), keepdim=True))


class TheirBlock(nn.Module):
    def __init__(self, block):
        super().__init__()
        inner, mid = nn.Module(), block.expanded
        self.residual = block.residual
        self.mobile_inverted_conv = inner
        if mid != block.cin:
            inner.inverted_bottleneck = unit(block.cin, mid, 1, 1, 1, block.act)
        inner.depth_conv = unit(mid, mid, block.kernel, block.stride, mid, block.act)
        if block.se:
            inner.depth_conv.add_module("se", Excite(mid, block.se))
        inner.point_linear = unit(mid, block.cout, 1, 1, 1)

    def forward(self, x):
        y = x
        for part in self.mobile_inverted_conv.children():
            y = part(y)
        return x + y if self.residual else y


class TheirNet(nn.Module):
    """`net` as ProxylessNAS's module, or where it has a hidden layer, as Once-for-All's."""

    def __init__(self, net):
        super().__init__()
        stem, *body, head, classifier = net.blocks
        self.first_conv = TheirConv(3, stem.cout, 3, 2, stem.act)
        self.blocks = nn.ModuleList(map(TheirBlock, body))
        last = TheirConv(head.cin, head.cout, 1, 1, head.act)
        if classifier.mid:
            self.final_expand_layer = last
            last = TheirConv(classifier.cin, classifier.mid, 1, 1, classifier.act, norm=False)
        self.feature_mix_layer = last
        self.classifier = nn.ModuleDict({"linear": nn.Linear(last.conv.out_channels, classifier.cout)})
        self.hidden = classifier.mid > 0

    def forward(self, x):
        x = self.first_conv(x)
        for block in self.blocks:
            x = block(x)
        if self.hidden:
            x = self.final_expand_layer(x)
        pooled = self.feature_mix_layer(x.mean((2, 3), keepdim=True)) if self.hidden else self.feature_mix_layer(x)
        return self.classifier["linear"](pooled.mean((2, 3)))


@pytest.mark.parametrize("name", ["proxyless_mobile", "mobilenet_v3_small"])
def test_a_published_network_computes_the_same_here(name, tmp_path):
    torch.manual_seed(0)
    net = scale(zoo.get(name, classes=10), 0.25, resolution=64)
    theirs = TheirNet(net)
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.3)
            part.momentum = 1  # statistics of what comes through, so that the outputs depend on the images
    with torch.no_grad():
        theirs.train()(torch.randn(8, 3, 64, 64))
    file = tmp_path / "init"
    torch.save({"state_dict": theirs.eval().state_dict(), "epoch": 150}, file)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected, found = theirs(images), weights.load(net, file)(images)
    assert (expected[0] - expected[1]).abs().max() > 0.02
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_nothing_but_weights_is_read(tmp_path):
    file, net = tmp_path / "weights.pth", zoo.get("mobilenet_v3_small", resolution=32)
    for value in (build(net, 0), {"state_dict": {"weight": print}}):
        torch.save(value, file)
        with refused("weights.pickle", path=file):
            weights.read(file)
    for value in ([1, 2], {}, {"weight": 3}, {"state_dict": [torch.zeros(1)]}):
        torch.save(value, file)
        with refused("weights.no-state-dict", path=file):
            weights.read(file)
    for content in (b"", b"no weights", bytes(range(256)), b"\x80", b"\x80\x02."):
        file.write_bytes(content)
        with refused("weights.pickle", path=file):
            weights.read(file)
    torch.save({0: torch.zeros(1)}, file)
    with refused("weights.no-state-dict", path=file):
        weights.read(file)
    with refused("weights.unreadable", path=tmp_path / "absent"):
        weights.read(tmp_path / "absent")
    with refused("weights.unreadable", path=tmp_path):
        weights.read(tmp_path)


def test_code_in_a_file_is_not_run(tmp_path):
    class Code:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    for archive in (True, False):
        torch.save({"state_dict": Code()}, tmp_path / "weights.pth", _use_new_zipfile_serialization=archive)
        with refused("weights.pickle", path=tmp_path / "weights.pth"):
            weights.read(tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_weight_is_noticed(tmp_path):
    file, marks = tmp_path / "weights.pth", torch.arange(64.0)
    torch.save({"a.weight": marks}, file)
    content = file.read_bytes()
    start = content.index(marks.numpy().tobytes())
    file.write_bytes(content[:start] + b"\1" + content[start + 1 :])
    with refused("weights.damaged", path=file):
        weights.read(file)
    torch.save({"a.weight": marks}, file, _use_new_zipfile_serialization=False)  # an old file, without checksums
    assert torch.equal(weights.read(file)["a.weight"], marks)


@pytest.fixture(scope="module")
def small():
    """A state dict of torchvision's MobileNetV3 small."""
    return torchvision.models.mobilenet_v3_small(num_classes=10).state_dict()


def renamed(state, old, new):
    return {new if name == old else name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        (lambda s: dict(sorted(s.items())), "weights.sorted", None),
        (
            lambda s: {**s, "classifier.3.weight": torch.zeros(9, 1024)},
            "weights.shape",
            "classifier.3.weight",
        ),
        (lambda s: {**s, "classifier.3.bias": torch.zeros(9)}, "weights.shape", "classifier.3.bias"),
        (
            lambda s: {**s, "features.0.0.bias": torch.zeros(16)},
            "weights.shape",
            "features.0.0.bias",
        ),
        (lambda s: {**s, "more.weight": torch.zeros(3, 3)}, "weights.unmatched", "more"),
        (lambda s: {**s, "classifier.3.bias": s["classifier.3.bias"].long()}, "weights.type", "classifier.3.bias"),
        (lambda s: {**s, "classifier.3.bias": s["classifier.3.bias"].to_sparse()}, "weights.type", "classifier.3.bias"),
        (lambda s: {**s, "classifier.3.bias": s["classifier.3.bias"].to("meta")}, "weights.type", "classifier.3.bias"),
        (lambda s: renamed(s, "features.0.1.weight", "features.0.1.gamma"), "weights.shape", "features.0.1.gamma"),
        (lambda s: {n: t for n, t in s.items() if "classifier.3" not in n}, "weights.unmatched", "13.linear"),
        (lambda s: {n: t for n, t in s.items() if "features.12.1" not in n}, "weights.unmatched", "12.conv_norm"),
        (lambda s: {**s, "a.weight": torch.ones(2), "a.running_mean": torch.ones(2)}, "weights.unmatched", "a"),
        (lambda s: {n: t for n, t in s.items() if n != "classifier.0.weight"}, "weights.shape", "classifier.0.weight"),
        (
            lambda s: {n: t for n, t in s.items() if n != "features.1.block.1.fc1.bias"},
            "weights.shape",
            "features.1.block.1.fc1.bias",
        ),
    ],
)
def test_weights_of_another_network_are_refused_naming_the_first(small, change, code, name):
    module = build(zoo.get("mobilenet_v3_small", 10, 32), seed=0)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with refused(code, name=name):
        weights.adopt(module, change(small))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_a_file_of_another_network_is_named(small, tmp_path):
    file = tmp_path / "init"
    torch.save(small, file)
    net = zoo.get("mobilenet_v3_small", 11, 32)
    with refused("weights.shape", name="classifier.3.bias", path=file):
        weights.load(net, file)
    loaded = weights.load(replace(zoo.get("mobilenet_v3_small", 10, 32)), file)
    assert not loaded.training
    assert torch.equal(loaded[-1].linear.weight, small["classifier.3.weight"])
