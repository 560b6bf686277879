"""The fbnet space against the same networks written directly in torch, as the paper and its benchmark describe them."""

import pytest
import torch
from torch import nn

from hwnas.nn.build import build
from hwnas.space import registry

ARCHS = ("7818488874147327324245", "0123456780123456780123", "8888888888888888888888", "1111155555111115555511")
STAGES = ((16, 1, 1), (24, 4, 1), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))
OPS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))
"""Kernel, expansion and groups of the digits 0 to 7; 8 is skip."""


class Shuffle(nn.Module):
    def forward(self, x):
        return torch.stack(x.chunk(2, 1), 2).flatten(1, 2)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def conv(cin, cout, kernel=1, stride=1, groups=1):
    return [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]


def layer(digit, cin, cout, stride):
    same = stride == 1 and cin == cout
    if digit == 8:
        return nn.Identity() if same else nn.Sequential(*conv(cin, cout, stride=stride), nn.ReLU())
    kernel, expansion, groups = OPS[digit]
    mid = cin * expansion
    return (Residual if same else nn.Sequential)(
        *conv(cin, mid, groups=groups),
        nn.ReLU(),
        Shuffle() if groups == 2 else nn.Identity(),
        *conv(mid, mid, kernel, stride, mid),
        nn.ReLU(),
        *conv(mid, cout, groups=groups),
    )


def reference(arch):
    digits, cin = iter(arch), 16
    layers = [*conv(3, 16, 3), nn.ReLU()]
    for cout, count, stride in STAGES:
        for index in range(count):
            layers.append(layer(next(digits), cin, cout, stride if index == 0 else 1))
            cin = cout
    head = [*conv(352, 1504), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1504, 100)]
    return nn.Sequential(*layers, *head)


def macs(module, images):
    """Multiply-accumulates of one image, counted as the module runs."""
    counts = []

    def count(part, _, output):
        pixels = output[0, 0].numel() if isinstance(part, nn.Conv2d) else 1
        counts.append(part.weight.numel() * pixels)

    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(count)
    module(images)
    return sum(counts)


@pytest.mark.parametrize("digits", ARCHS)
def test_a_network_of_the_space_is_the_one_written_by_hand(digits, awake):
    arch = tuple(map(int, digits))
    net = registry.get("fbnet").derive(arch)
    ours, theirs = build(net, seed=0).eval(), awake(reference(arch)).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(images)
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        assert net.macs == macs(theirs, images)
    assert net.params == sum(p.numel() for p in theirs.parameters())
