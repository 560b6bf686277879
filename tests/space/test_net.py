"""Blocks and networks as data: their keys, what is refused, and JSON."""

import json
from dataclasses import fields, replace
from itertools import product
from typing import get_args

import pytest

from hwnas.space.block import KEY_WORDS, Block, Op
from hwnas.space.fold import dead_ends
from hwnas.space.net import Net
from hwnas.testing import refused

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
    "fan_in": (1, 2),
}
OPS = get_args(Op)


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
        net = Net((block,), eps=1e-3, sources=((-1,) * block.fan_in,))
        assert Net.from_json(json.loads(json.dumps(net.to_json()))) == net


def test_every_field_changes_the_walk(every_block):
    """No field is taken and ignored."""
    alike = {}
    for block in every_block:
        alike.setdefault((block.cin, block.cout, block.layers), []).append(block)
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


def walk(block):
    return [(layer.kind, layer.name, layer.cin, layer.cout, *sources)
            for layer, sources in zip(block.layers, block.wiring, strict=True)]  # fmt: skip


def test_walks_of_two_paths():
    assert walk(Block("shuffle", 8, 20, 6, 6, 5, 2, mid=10, act="relu")) == [
        ("conv", "expand", 8, 10, -1),
        ("conv", "depthwise", 10, 10, 0),
        ("conv", "project", 10, 12, 1),
        ("conv", "shortcut.depthwise", 8, 8, -1),
        ("conv", "shortcut.project", 8, 8, 3),
        ("concat", "concat", 20, 20, 4, 2),
    ]
    same = Block("shuffle", 20, 24, 3, 3, 3, mid=9, act="relu")
    assert walk(same) == [
        ("split", "even", 20, 10, -1),
        ("split", "odd", 20, 10, -1),
        ("conv", "expand", 10, 9, 1),
        ("conv", "depthwise", 9, 9, 2),
        ("conv", "project", 9, 14, 3),
        ("concat", "concat", 24, 24, 0, 4),
    ]
    assert [layer.offset for layer in same.layers[:2]] == [0, 1]


def test_walks_of_residual_blocks():
    block = Block("conv", 8, 8, 6, 6, 3, act="relu", residual=True)
    assert walk(block) == [("conv", "conv", 8, 8, -1), ("add", "add", 8, 8, -1, 0)]
    assert walk(replace(block, pooled=True)) == [
        ("conv", "conv", 8, 8, -1),
        ("avgpool", "shortcut.avgpool", 8, 8, -1),
        ("add", "add", 8, 8, 1, 0),
    ]


def test_walks_of_joins():
    assert walk(Block("add", 8, 8, 6, 6, fan_in=3)) == [("add", "add", 8, 8, -1, -2, -3)]
    assert walk(Block("concat", 8, 16, 6, 6, fan_in=2)) == [("concat", "concat", 16, 16, -1, -2)]
    assert Block("add", 8, 8, 6, 6, fan_in=3).key == "add_8-8_6x6_n3"
    assert Block("concat", 8, 16, 6, 6, fan_in=2).key == "concat_8-16_6x6_n2"


def test_every_layer_is_used_and_has_a_name_of_its_own(every_block):
    for block in every_block:
        assert not list(dead_ends(block.wiring)), block.key
        assert len({layer.name for layer in block.layers}) == len(block.layers), block.key


def test_every_field_is_told_by_the_key():
    assert {"op", "cin", "cout", "height", "width", *KEY_WORDS} == {field.name for field in fields(Block)}


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
        ({"op": "conv", "fan_in": 2}, "conv has no fan_in"),
        ({"op": "add"}, "add joins several blocks: give a fan_in of 2 or more"),
        ({"op": "add", "cout": 16, "fan_in": 2}, "add of 2 times 8 channels does not give 16"),
        ({"op": "concat", "fan_in": 2}, "concat of 2 times 8 channels does not give 8"),
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
    with refused("block.impossible", op=told["op"]) as refusal:
        Block(**(sizes | told))
    assert message in refusal.error.fields["fault"]


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
        with refused("net.eps"):
            Net.from_json(Net(blocks).to_json() | {"eps": eps})
