"""Blocks and networks as data: their keys, what is refused, and JSON."""

import json
from dataclasses import fields
from itertools import product

import pytest

from hwnas.errors import InputError
from hwnas.space.block import Block
from hwnas.space.net import Net

VALUES = {
    "cin": (4, 8),
    "cout": (8, 12),
    "kernel": (1, 3),
    "stride": (1, 2),
    "expansion": (1, 2),
    "groups": (1, 2),
    "se": (0, 2),
    "act": ("", "relu"),
    "residual": (False, True),
    "mid": (0, 6, 10),
    "hard": (False, True),
    "pooled": (False, True),
}
OPS = ("conv", "mbconv", "fbconv", "fused", "shuffle", "xception", "avgpool", "maxpool", "zero", "skip", "classifier")


@pytest.fixture(scope="module")
def every_block():
    """All that can be made of `VALUES`."""
    blocks = []
    for op, *values in product(OPS, *VALUES.values()):
        try:
            blocks.append(Block(op, height=6, width=6, **dict(zip(VALUES, values, strict=True))))
        except ValueError:
            continue
    return blocks


def test_keys_tell_all_blocks_apart(every_block):
    assert {block.op for block in every_block} == set(OPS)
    for name in VALUES:
        assert len({getattr(block, name) for block in every_block}) == len(VALUES[name]), name
    assert len({block.key for block in every_block}) == len(set(every_block)) == len(every_block)


def test_every_block_survives_json(every_block):
    for block in every_block:
        net = Net((block,), eps=1e-3)
        assert Net.from_json(json.loads(json.dumps(net.to_json()))) == net


def test_whatever_can_be_told_changes_the_walk_or_the_joints(every_block):
    """No field is taken and ignored."""

    def made(block):
        joints = (block.residual, block.joined, block.split)
        return block.op == "skip", block.cin, block.cout, block.main, block.shortcut, joints

    alike = {}
    for block in every_block:
        alike.setdefault(made(block), []).append(block)
    named = [[block.key for block in blocks] for blocks in alike.values() if len(blocks) > 1]
    assert all(len(keys) == 2 and keys[1].startswith("fbconv") for keys in named), named


def test_keys_of_published_tables_stay():
    block = Block("mbconv", 8, 8, 6, 6, 5, 1, 3, se=4, act="hswish", residual=True)
    assert block.key == "mbconv_8-8_6x6_k5_e3_se4_hswish_res"
    assert Block("fbconv", 8, 12, 7, 9, 3, 2, groups=2, act="relu").key == "fbconv_8-12_7x9_k3_s2_e1_g2_relu"
    assert Block("classifier", 8, 5, 4, 4).key == "classifier_8-5_4x4"


def test_keys_of_new_fields():
    block = Block("mbconv", 16, 16, 6, 6, 5, mid=72, se=24, hard=True, act="relu", residual=True, pooled=True)
    assert block.key == "mbconv_16-16_6x6_k5_m72_se24_hard_relu_res_pooled"
    assert Block("fused", 8, 12, 6, 6, 3, 2, expansion=4, act="swish").key == "fused_8-12_6x6_k3_s2_e4_swish"
    assert Block("shuffle", 8, 8, 6, 6, 7, mid=4, act="relu").key == "shuffle_8-8_6x6_k7_m4_relu"
    assert Block("zero", 8, 8, 6, 6, stride=2).key == "zero_8-8_6x6_s2"
    assert Block("classifier", 8, 5, 4, 4, mid=12, act="hswish").key == "classifier_8-5_4x4_m12_hswish"


def test_middle_channels_that_are_a_multiple_are_an_expansion():
    """One block has one key, however it is told."""
    for op in ("mbconv", "fbconv", "fused"):
        told = Block(op, 8, 12, 6, 6, 3, mid=24, act="relu")
        assert told == Block(op, 8, 12, 6, 6, 3, expansion=3, act="relu")
        assert (told.mid, told.expansion, told.expanded) == (0, 3, 24)
    assert Block("mbconv", 8, 12, 6, 6, 3, mid=20).expanded == 20
    assert [layer.name for layer in Block("mbconv", 8, 12, 6, 6, 3, mid=8).layers] == ["depthwise", "project"]
    assert [layer.name for layer in Block("fbconv", 8, 12, 6, 6, 3, mid=8).layers] == ["expand", "depthwise", "project"]
    assert Block("shuffle", 8, 8, 6, 6, 3, mid=8, act="relu").mid == 8


def test_paths_and_how_they_join():
    strided = Block("shuffle", 8, 20, 6, 6, 5, 2, mid=10, act="relu")
    assert [(layer.name, layer.cin, layer.cout) for layer in strided.main] == [
        ("expand", 8, 10),
        ("depthwise", 10, 10),
        ("project", 10, 12),
    ]
    assert [(layer.name, layer.cin, layer.cout) for layer in strided.shortcut] == [
        ("depthwise", 8, 8),
        ("project", 8, 8),
    ]
    assert strided.layers == strided.main + strided.shortcut
    assert (strided.joined, strided.split, strided.passed) == (True, False, 8)
    same = Block("xception", 20, 20, 3, 3, 3, mid=10, act="relu")
    assert (same.joined, same.split, same.passed, same.shortcut) == (True, True, 10, ())
    pooled = Block("conv", 8, 8, 6, 6, 3, residual=True, pooled=True)
    assert [(layer.kind, layer.kernel, layer.stride) for layer in pooled.shortcut] == [("avgpool", 3, 1)]
    assert (pooled.joined, pooled.split) == (False, False)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"op": "conv", "cin": 0}, "a size of this block is under 1"),
        ({"op": "mbconv", "mid": -8}, "a size of this block is under 1"),
        ({"op": "mbconv", "se": -1, "act": "relu"}, "a size of this block is under 1"),
        ({"op": "fbconv", "groups": 0}, "a size of this block is under 1"),
        ({"op": "maxpool", "kernel": 2}, "an even kernel has no centre"),
        ({"op": "conv", "expansion": 2}, "conv has no expansion"),
        ({"op": "conv", "mid": 4}, "conv has no mid"),
        ({"op": "shuffle", "mid": 4, "act": "relu", "residual": True}, "shuffle has no residual"),
        ({"op": "xception", "mid": 4, "act": "relu", "se": 4}, "xception has no se"),
        ({"op": "zero", "kernel": 3}, "zero has no kernel"),
        ({"op": "avgpool", "act": "relu"}, "avgpool has no act"),
        ({"op": "skip", "stride": 2}, "skip has no stride"),
        ({"op": "classifier", "stride": 2}, "classifier has no stride"),
        ({"op": "mbconv", "groups": 2}, "mbconv has no groups"),
        ({"op": "fbconv", "groups": 3}, "groups divide the channels"),
        ({"op": "fbconv", "groups": 4, "mid": 18}, "groups divide the channels"),
        ({"op": "mbconv", "stride": 2, "residual": True}, "an identity needs stride 1 and equal channels"),
        ({"op": "skip", "cout": 12}, "an identity needs stride 1 and equal channels"),
        ({"op": "maxpool", "cout": 12}, "maxpool does not change the channels"),
        ({"op": "zero", "cout": 12}, "zero does not change the channels"),
        ({"op": "fused", "mid": 20, "expansion": 3}, "mid takes the place of expansion"),
        ({"op": "mbconv", "hard": True}, "give se"),
        ({"op": "mbconv", "se": 4}, "give act"),
        ({"op": "mbconv", "pooled": True}, "give residual"),
        ({"op": "classifier", "mid": 4}, "give both, or neither"),
        ({"op": "classifier", "act": "relu"}, "give both, or neither"),
        ({"op": "shuffle", "act": "relu"}, "shuffle has mid channels and an activation: give both"),
        ({"op": "xception", "mid": 4}, "xception has mid channels and an activation: give both"),
        ({"op": "shuffle", "cin": 7, "mid": 4, "act": "relu"}, "halves the channels, which are odd"),
        ({"op": "shuffle", "stride": 2, "mid": 4, "act": "relu"}, "passes 8 channels on, which leaves none"),
        ({"op": "xception", "cout": 4, "mid": 4, "act": "relu"}, "passes 4 channels on, which leaves none"),
    ],
)
def test_a_block_that_cannot_be_is_refused(told, message):
    sizes = {"cin": 8, "cout": 8, "height": 6, "width": 6}
    with pytest.raises(ValueError, match=f"{message}.*: Block"):
        Block(**(sizes | told))


def test_a_net_written_before_these_fields_reads_as_it_was():
    old = {"op": "conv", "cin": 3, "cout": 8, "height": 8, "width": 8}
    net = Net.from_json({"schema": 1, "name": "old", "blocks": [old]})
    assert net == Net((Block(**old),))
    assert net.eps == 1e-5


def test_eps_is_part_of_a_net_and_of_no_key():
    blocks = (Block("conv", 3, 8, 8, 8, 3),)
    assert Net(blocks, eps=1e-3) != Net(blocks)
    assert Net.from_json(Net(blocks, eps=1e-3).to_json()).eps == 1e-3
    assert "eps" not in {field.name for field in fields(Block)}
    for eps in (0, -1e-5, 1, float("nan")):
        with pytest.raises(InputError, match=r"eps is .*, not between 0 and 1"):
            Net.from_json(Net(blocks).to_json() | {"eps": eps})
