from math import inf, nan

import pytest

from hwnas.space import zoo
from hwnas.space.chain import Chain
from hwnas.space.net import Net
from hwnas.space.scaling import RELEASED, compound, scale, sections, stages
from hwnas.testing import refused


def chain(*blocks, resolution=32):
    """A network of those blocks between a stem of 16 channels and a classifier."""
    made = Chain(resolution)
    made.add("conv", 16, kernel=3, act="relu")
    for op, cout, fields in blocks:
        made.add(op, cout, **fields)
    made.add("classifier", 10)
    return made.net("chain")


def bottleneck(cout, **fields):
    return "mbconv", cout, {"kernel": 3, "expansion": 4, "act": "relu", **fields}


def test_what_changes_nothing_is_the_same_network():
    for name in zoo.names():
        assert scale(zoo.get(name)) == zoo.get(name)
        assert scale(zoo.get(name), resolution=64) == zoo.get(name, resolution=64)


def test_stages_are_told_by_the_shape():
    stem, body, tail = sections(zoo.get("mobilenet_v2"))
    assert [len(stage) for stage in stages(body)] == [1, 2, 3, 4, 3, 3, 1]
    assert [block.op for block in (*stem, *tail)] == ["conv", "conv", "classifier"]
    found = stages(sections(zoo.get("spos"))[1])
    assert [len(stage) for stage in found] == [4, 4, 8, 4]
    with refused("net.no-classifier"):
        scale(Net(chain().blocks[:1]))


def test_layers_round_up_and_the_last_is_repeated():
    net = chain(bottleneck(24, stride=2), bottleneck(24, kernel=5, expansion=3, residual=True))
    deeper = scale(net, depth=1.1)
    assert [(block.kernel, block.expansion, block.stride, block.residual) for block in deeper.blocks[1:-1]] == [
        (3, 4, 2, False),
        (5, 3, 1, True),
        (5, 3, 1, True),
    ]
    assert [block.kernel for block in scale(net, depth=0.5).blocks[1:-1]] == [3]


def test_a_first_layer_that_is_repeated_keeps_its_shape_and_is_residual():
    first, again = scale(chain(bottleneck(24, stride=2)), depth=2).blocks[1:3]
    assert (first.stride, first.residual, again.stride, again.residual, again.cin) == (2, False, 1, True, 24)
    assert not scale(chain(bottleneck(16)), depth=2).blocks[2].residual  # it fits one, and has none


def test_channels_round_to_eights_and_never_under_nine_tenths():
    net = chain(bottleneck(24, stride=2), bottleneck(12))
    assert [block.cout for block in scale(net, 1.1).blocks] == [16, 24, 16, 10]
    assert [block.cout for block in scale(net, 0.5).blocks] == [8, 16, 8, 10]  # 8 of 12 is under 90 %
    assert [block.cout for block in scale(net, 1, 1, 64).blocks] == [16, 24, 12, 10]  # of width 1 nothing is rounded


def test_ratios_inside_a_block_are_kept():
    quarter = scale(chain(bottleneck(24, se=4)), 2).blocks[1]
    assert (quarter.cin, quarter.expanded, quarter.se) == (32, 128, 8)
    odd = scale(chain(bottleneck(24, expansion=1, mid=40)), 2).blocks[1]
    assert odd.expanded == 80
    hard = chain(bottleneck(24, expansion=1, mid=72, se=24, hard=True))  # 24 is a quarter of 72, rounded to eights
    assert scale(hard, 4).blocks[1].se == 72
    third = chain(bottleneck(24, expansion=6, se=32, hard=True))
    assert scale(third, 2).blocks[1].se == 64
    conv = chain(("conv", 64, {"kernel": 3, "act": "relu", "se": 16, "hard": True}), bottleneck(24))
    assert scale(conv, 2).blocks[1].se == 32


def test_blocks_of_every_kind_can_be_scaled():
    unit = {"kernel": 3, "act": "relu"}
    net = chain(
        ("shuffle", 32, {**unit, "stride": 2, "mid": 20}),
        ("xception", 32, {**unit, "mid": 20}),
        ("maxpool", 32, {"kernel": 3, "stride": 2}),
        ("fused", 48, {**unit, "expansion": 2}),
        ("fbconv", 48, {**unit, "groups": 2, "residual": True}),
        ("conv", 64, {"act": "relu"}),
    )
    wider = scale(net, 1.5, 2, 48)
    ops = ["conv", "shuffle", *["xception"] * 3, *["maxpool"] * 2, "fused", *["fbconv"] * 3, "conv", "classifier"]
    assert [block.op for block in wider.blocks] == ops
    assert {block.mid for block in wider.blocks if block.op in ("shuffle", "xception")} == {32}  # 30, rounded


def test_released_and_compound_coefficients():
    assert RELEASED[4] == (1.4, 1.8, 380)
    assert compound(0) == (1, 1, 224)
    assert compound(2) == pytest.approx((1.21, 1.44, 296))
    assert compound(1, 32, 1.1, 1.2, 1.5) == pytest.approx((1.2, 1.1, 48))
    b0 = zoo.get("efficientnet_b0")
    assert scale(b0, *RELEASED[3]) == zoo.get("efficientnet_b3")
    growth = [scale(b0, *compound(phi)).macs / b0.macs for phi in (1, 3)]
    assert growth == pytest.approx([2, 8], rel=0.3)  # channels and layers are rounded


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": -1.0}, {"resolution": 0}, {"width": nan}, {"depth": inf}])
def test_a_scale_that_makes_no_network_is_refused(wrong):
    with refused("scale.factors", **wrong):
        scale(zoo.get("mobilenet_v2"), **wrong)


def test_a_block_that_cannot_be_so_narrow_is_named():
    with refused("scale.block", block="shuffle_16-64_112x112_k3_s2_m44_relu", width=0.1):
        scale(zoo.get("spos"), 0.1)
