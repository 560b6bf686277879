"""Blocks against modules that others wrote, or that stand here in plain torch, with the same weights."""

from functools import partial

import pytest
import torch
from timm.models._efficientnet_blocks import (
    ConvBnAct,
    DepthwiseSeparableConv,
    EdgeResidual,
    InvertedResidual,
    SqueezeExcite,
)
from torch import nn
from torchvision.models import efficientnet, mobilenetv3, shufflenetv2

from hwnas.nn.blocks import Add, BlockModule
from hwnas.nn.build import build, set_dropout
from hwnas.space.net import Block, Net


@pytest.mark.parametrize("act", ["", "relu", "relu6", "hswish", "swish"])
@pytest.mark.parametrize("op", ["conv", "mbconv", "fbconv", "fused"])
def test_a_residual_block_starts_as_the_identity(op, act):
    block = BlockModule(Block(op, 8, 8, 4, 4, 3, act=act, residual=True)).eval()
    x = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(block(x), x)
    assert all(norm.weight.requires_grad for norm in block if isinstance(norm, nn.BatchNorm2d))


class Pooled(nn.Module):
    """An inverted bottleneck whose input is pooled before it is added, as MnasNet may choose."""

    def __init__(self):
        super().__init__()
        self.main = InvertedResidual(10, 10, exp_ratio=2.4, noskip=True)

    def forward(self, x):
        return self.main(x) + nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def convolved(cin, cout, kernel=1, stride=1, groups=1, act=True):
    """Convolution, norm and relu, which the authors of single-path one-shot write out each time."""
    return [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
        *([nn.ReLU()] * act),
    ]


class Dealt(nn.Module):
    """A unit of single-path one-shot (1904.00420): the even channels and what is made of the odd ones, or two paths."""

    def __init__(self, main, other=None):
        super().__init__()
        self.main = nn.Sequential(*main)
        self.other = other and nn.Sequential(*other)

    def forward(self, x):
        if self.other:
            return torch.cat([self.other(x), self.main(x)], dim=1)
        pairs = x.unflatten(1, (-1, 2))
        return torch.cat([pairs[:, :, 0], self.main(pairs[:, :, 1])], dim=1)


def shuffle(cin, cout, mid, kernel, stride):
    """The modules of a shuffle unit's main path."""
    wide = convolved(cin, mid) + convolved(mid, mid, kernel, stride, mid, act=False)
    return wide + convolved(mid, cout)


def xception(cin, cout, mid, kernel, stride):
    """The modules of a xception unit's main path."""
    first = convolved(cin, cin, kernel, stride, cin, act=False) + convolved(cin, mid)
    second = convolved(mid, mid, kernel, 1, mid, act=False) + convolved(mid, mid)
    return first + second + convolved(mid, mid, kernel, 1, mid, act=False) + convolved(mid, cout)


def projection(channels, kernel, stride):
    """The modules of the shortcut of both."""
    return convolved(channels, channels, kernel, stride, channels, act=False) + convolved(channels, channels)


def mobilenet_v3(*sizes):
    """A block of torchvision's MobileNetV3."""
    return mobilenetv3.InvertedResidual(mobilenetv3.InvertedResidualConfig(*sizes, 1, 1.0), nn.BatchNorm2d)


def fused(*sizes):
    """A block of torchvision's EfficientNetV2."""
    return efficientnet.FusedMBConv(efficientnet.FusedMBConvConfig(*sizes, 1), 0.0, nn.BatchNorm2d)


hard = partial(SqueezeExcite, force_act_layer=nn.ReLU, gate_layer=nn.Hardsigmoid)
THEIRS = {
    "separable": (Block("mbconv", 8, 12, 7, 9, 3, 2, act="relu"), lambda: DepthwiseSeparableConv(8, 12, 3, 2)),
    "middle": (
        Block("mbconv", 10, 12, 7, 9, 5, mid=24, act="relu"),
        lambda: InvertedResidual(10, 12, 5, exp_ratio=2.4),
    ),
    "pooled": (Block("mbconv", 10, 10, 7, 9, 3, mid=24, act="relu", residual=True, pooled=True), Pooled),
    "squeezed": (
        Block("mbconv", 8, 8, 7, 9, 3, expansion=2, se=4, act="swish", residual=True),
        lambda: InvertedResidual(8, 8, exp_ratio=2, se_layer=SqueezeExcite, act_layer=nn.SiLU),
    ),
    "hard": (
        Block("mbconv", 8, 8, 7, 9, 3, expansion=2, se=4, hard=True, act="hswish", residual=True),
        lambda: InvertedResidual(8, 8, exp_ratio=2, se_layer=hard, act_layer=nn.Hardswish),
    ),
    "mobilenet v3": (
        Block("mbconv", 16, 16, 7, 9, 5, expansion=4, se=16, hard=True, act="hswish", residual=True),
        lambda: mobilenet_v3(16, 5, 64, 16, True, "HS", 1),
    ),
    "fused": (
        Block("fused", 8, 8, 7, 9, 5, expansion=2, se=4, act="swish", residual=True),
        lambda: EdgeResidual(8, 8, 5, exp_ratio=2, se_layer=SqueezeExcite, act_layer=nn.SiLU),
    ),
    "fused of other channels": (
        Block("fused", 10, 12, 7, 9, 3, 2, mid=24, act="relu"),
        lambda: EdgeResidual(10, 12, stride=2, force_in_chs=6, exp_ratio=4),
    ),
    "efficientnet v2": (Block("fused", 8, 12, 7, 9, 3, 2, 4, act="swish"), lambda: fused(4, 3, 2, 8, 12)),
    "conv": (Block("conv", 8, 8, 7, 9, 3, act="relu", residual=True), lambda: ConvBnAct(8, 8, 3, skip=True)),
    "squeezed conv": (
        Block("conv", 8, 16, 7, 9, 3, 2, se=4, act="relu"),
        lambda: nn.Sequential(*convolved(8, 16, 3, 2), SqueezeExcite(16)),
    ),
    "shuffle": (Block("shuffle", 8, 8, 7, 9, 5, mid=6, act="relu"), lambda: Dealt(shuffle(4, 4, 6, 5, 1))),
    "shuffle to more": (Block("shuffle", 8, 10, 7, 9, 3, mid=5, act="relu"), lambda: Dealt(shuffle(4, 6, 5, 3, 1))),
    "shuffle strided": (
        Block("shuffle", 6, 16, 7, 9, 7, 2, mid=8, act="relu"),
        lambda: Dealt(shuffle(6, 10, 8, 7, 2), projection(6, 7, 2)),
    ),
    "xception": (Block("xception", 8, 8, 7, 9, 3, mid=6, act="relu"), lambda: Dealt(xception(4, 4, 6, 3, 1))),
    "xception strided": (
        Block("xception", 6, 16, 7, 9, 3, 2, mid=8, act="relu"),
        lambda: Dealt(xception(6, 10, 8, 3, 2), projection(6, 3, 2)),
    ),
    "avgpool": (
        Block("avgpool", 8, 8, 7, 9, 3, 2),
        lambda: nn.Sequential(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    ),
    "maxpool": (Block("maxpool", 8, 8, 7, 9, 5), lambda: nn.Sequential(nn.MaxPool2d(5, 1, 2))),
    "hidden": (
        Block("classifier", 8, 5, 7, 9, mid=12, act="hswish"),
        lambda: nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 12), nn.Hardswish(), nn.Linear(12, 5)
        ),
    ),
}


def multiplications(module, x):
    """Multiply-accumulates of the convolutions and linear layers of `module`, counted as it runs on `x` of batch 1."""
    counts = []

    def count(part, given, made):
        inputs = part.in_features if isinstance(part, nn.Linear) else part.weight[0].numel()
        counts.append(inputs * made.numel())

    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    hooks = [part.register_forward_hook(count) for part in parts]
    module(x)
    for hook in hooks:
        hook.remove()
    return sum(counts)


@pytest.mark.parametrize(("block", "make"), THEIRS.values(), ids=THEIRS)
def test_a_block_computes_and_costs_what_theirs_does(block, make, awake):
    torch.manual_seed(0)
    ours, theirs = BlockModule(block).eval(), awake(make()).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, block.cin, block.height, block.width)
    with torch.no_grad():
        expected, found = theirs(x), ours(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found.shape[1:] == ((block.cout,) if block.op == "classifier" else (block.cout, *block.out))
    assert block.params == sum(value.numel() for value in theirs.parameters())
    assert block.macs == multiplications(theirs, x[:1])


def test_a_shuffle_is_shufflenet_v2s_but_for_the_order_of_channels(awake):
    """Theirs halves the channels and deals them out at the end of a unit; ours deals them out at the start."""
    theirs = awake(shufflenetv2.InvertedResidual(8, 8, 1)).eval()
    ours = BlockModule(Block("shuffle", 8, 8, 6, 6, 3, mid=4, act="relu")).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 8, 6, 6)
    dealt = nn.functional.channel_shuffle(x, 2)  # the even channels are then the first half of x
    torch.testing.assert_close(nn.functional.channel_shuffle(ours(dealt), 2), theirs(x))


def test_a_zero_is_zeros_even_of_infinity_and_takes_no_gradient():
    x = torch.full((2, 4, 7, 9), torch.inf, dtype=torch.float16)
    made = BlockModule(Block("zero", 4, 4, 7, 9, stride=2))(x)
    torch.testing.assert_close(made, torch.zeros(2, 4, 4, 5, dtype=torch.float16))
    assert not made.requires_grad


def test_every_block_stays_channels_last():
    """The layout that convolutions are fastest in is lost at no joint."""
    for block, _ in THEIRS.values():
        x = torch.randn(2, block.cin, block.height, block.width).to(memory_format=torch.channels_last)
        y = BlockModule(block).to(memory_format=torch.channels_last)(x)
        assert block.op == "classifier" or y.is_contiguous(memory_format=torch.channels_last), block.key


def test_eps_of_a_net_is_that_of_its_norms():
    net = Net((Block("shuffle", 3, 8, 8, 8, 3, 2, mid=4, act="relu"), Block("conv", 8, 8, 4, 4)), eps=1e-3)
    assert {part.eps for part in build(net).modules() if isinstance(part, nn.BatchNorm2d)} == {1e-3}


def test_dropped_paths_and_features_keep_names_means_and_evaluation():
    residual = Block("mbconv", 8, 8, 8, 8, 3, expansion=2, act="relu6", residual=True)
    net = Net((Block("conv", 3, 8, 8, 8, 3), residual, residual, Block("classifier", 8, 3, 8, 8)))
    network, images = build(net, 0), torch.randn(2, 3, 8, 8)
    names, expected = list(network.state_dict()), network.eval()(images)
    masks = set_dropout(network, dropout=0.5, drop_path=0.6)
    assert list(network.state_dict()) == names
    assert torch.equal(network.eval()(images), expected)
    adds = [part for part in network.modules() if isinstance(part, Add)]
    assert [add.drop_path for add in adds] == [0, 0.3]  # 0.6 · i / 2
    masks.batch, masks.rows = 4000, torch.arange(4000)
    x = torch.ones(4000, 1, 1, 1)
    dropped = adds[1].train()(x, 7 * x)
    assert set(dropped.flatten().tolist()) == {1, 11}  # left out, or 1 / 0.7 as large
    assert dropped.mean().item() == pytest.approx(8, abs=0.3)
    linear = network[-1].linear.train()
    y = linear(torch.ones(4000, 8))
    torch.testing.assert_close(y.mean(0), linear.eval()(torch.ones(1, 8))[0], atol=0.01, rtol=0.1)
    assert y.std(0).min() > 0


def test_masks_are_of_the_row_wherever_it_is():
    network = build(Net((Block("conv", 3, 8, 8, 8, 3), Block("classifier", 8, 3, 8, 8))), 0).train()
    masks, images = set_dropout(network, dropout=0.5, drop_path=0.0), torch.ones(6, 8, 8, 8)
    masks.key, masks.batch, masks.rows = (1, 2), 6, torch.arange(6)
    whole = network[-1](images)
    for rows in ([1, 3, 5], [4]):
        masks.rows = torch.tensor(rows)
        torch.testing.assert_close(network[-1](images[rows]), whole[rows])
    masks.rows, masks.key = torch.arange(6), (1, 3)
    assert not torch.allclose(network[-1](images), whole)
