"""Plain data: the published sizes, counts that others agree with, and JSON both ways."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from scipy.stats import chisquare

from hwnas.nn.build import build
from hwnas.space import registry, zoo
from hwnas.space.net import Block, Net
from hwnas.space.space import SearchSpace, Slot
from hwnas.testing import refused


def test_proxyless_is_the_published_space():
    space = registry.get("proxyless")
    assert space.size == 6**6 * 7**15  # 21 choices; identity where the shape allows it
    net = space.derive(tuple(n - 1 if n == 6 else n - 2 for n in space.choices))  # all 7×7, expansion 6
    assert [block.cout for block in net.blocks[:2]] == [32, 16]
    widths = [(24, 56)] * 4 + [(40, 28)] * 4 + [(80, 14)] * 4 + [(96, 14)] * 4 + [(192, 7)] * 4 + [(320, 7)]
    assert [(block.cout, block.out[0]) for block in net.blocks[2:-2]] == widths
    assert (net.blocks[-1].cin, net.classes, net.resolution) == (1280, 1000, 224)


def test_fbnet_has_the_candidates_of_its_benchmark_in_order():
    space = registry.get("fbnet")
    assert (len(space.slots), set(space.choices), space.classes, space.resolution) == (22, {9}, 100, 32)
    assert len(space.blocks()) == 12 * 8 + 6 + 3  # 12 shapes of slots, 6 of which change it; stem, head and classifier
    convs = [f"k{kernel}_{wide}" for kernel in (3, 5) for wide in ("e1", "e1_g2", "e3", "e6")]
    first, changing, same = (slot.candidates for slot in space.slots[:3])
    assert [block.key for block in first[:-1]] == [f"fbconv_16-16_32x32_{conv}_relu_res" for conv in convs]
    assert [block.key for block in changing[:-1]] == [f"fbconv_16-24_32x32_{conv}_relu" for conv in convs]
    assert [slot[-1].key for slot in (first, changing, same)] == [
        "skip_16-16_32x32",
        "conv_16-24_32x32_relu",
        "skip_24-24_32x32",
    ]


def test_mobilenet_v2_counts_are_torchvisions_and_the_papers():
    net = zoo.mobilenet_v2()
    theirs = torchvision.models.mobilenet_v2()
    assert net.params == sum(p.numel() for p in theirs.parameters()) == 3504872
    assert net.macs == pytest.approx(300e6, rel=0.005)  # table 4 of 1801.04381


def test_mobilenet_v2_computes_what_torchvisions_does(awake):
    for width in (1.0, 0.35):
        ours, theirs = build(zoo.mobilenet_v2(width), 0).eval(), torchvision.models.mobilenet_v2(width_mult=width)
        awake(theirs).eval()
        ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
        images = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_keys_tell_every_block_of_all_spaces_apart():
    blocks = {block for name in registry.SPACES for block in registry.get(name).blocks()}
    assert len({block.key for block in blocks}) == len(blocks)


def test_slots_are_sampled_independently():
    """Every one of the 6561 architectures of NAS-Bench-Macro is as likely."""
    space, rng = registry.get("nas-bench-macro"), np.random.default_rng(0)
    archs = np.array([space.sample(rng) for _ in range(5 * space.size)])
    counts = np.bincount(np.ravel_multi_index(tuple(archs.T), space.choices), minlength=space.size)
    assert chisquare(counts).pvalue > 1e-4


def test_the_fingerprint_is_of_the_blocks():
    space = registry.get("proxyless-32")
    assert space.fingerprint == registry.get("proxyless-32").fingerprint
    assert space.fingerprint != registry.get("proxyless-32", classes=11).fingerprint
    slot = Slot(space.slots[0].candidates[:-1])
    other = replace(space, parts=tuple(slot if part == space.slots[0] else part for part in space.parts))
    assert other.fingerprint != space.fingerprint


BLOCK = {"op": "conv", "cin": 3, "cout": 8, "height": 8, "width": 8}


@pytest.mark.parametrize(
    ("change", "code", "fields"),
    [
        ({"schema": 3}, "net.schema", {"schema": 3}),
        ({"blocks": []}, "net.empty", {}),
        ({"blocks": [{**BLOCK, "op": "teleport"}]}, "file.field", {"field": "blocks.0.op"}),
        ({"blocks": [{**BLOCK, "cin": "three"}]}, "file.field", {"field": "blocks.0.cin"}),
        ({"blocks": [{**BLOCK, "colour": "red"}]}, "file.field", {"field": "blocks.0.colour"}),
        ({"blocks": [{**BLOCK, "stride": 0}]}, "block.impossible", {"fault": "a size of this block is under 1"}),
        ({"blocks": [BLOCK, BLOCK]}, "net.misfit", {"block": 1, "source": 0}),
        ({"extra": 1}, "file.field", {"field": "extra"}),
    ],
)
def test_a_wrong_network_file_is_refused_naming_the_field(change, code, fields):
    good = {"schema": 1, "name": "n", "blocks": [BLOCK]}
    assert Net.from_json(good).blocks[0].cout == 8
    with refused(code, **fields):
        Net.from_json(good | change, "file")


def test_impossible_things_are_refused():
    with refused("block.impossible", fault="an identity needs stride 1 and equal channels"):
        Block("mbconv", 8, 16, 8, 8, 3, residual=True)
    with refused("block.impossible", fault="skip has no residual"):
        Block("skip", 8, 8, 8, 8, residual=True)
    for op, cin, groups in (("mbconv", 8, 2), ("conv", 8, 2), ("fbconv", 8, 3), ("fbconv", 9, 2)):
        with refused("block.impossible", op=op):
            Block(op, cin, 8, 8, 8, 3, groups=groups)
    with refused("block.impossible", fault="a size of this block is under 1"):
        Block("fbconv", 8, 8, 8, 8, 3, groups=0)
    with refused("block.impossible", fault="an even kernel has no centre"):
        Block("conv", 8, 8, 8, 8, 2)
    with refused("space.slot-shapes"):
        Slot((Block("conv", 8, 8, 8, 8), Block("conv", 8, 16, 8, 8)))
    with refused("reference.unknown", group="spaces", reference="x"):
        registry.get("x")
    with refused("space.join", space="s", block="add_8-8_8x8_n2"):
        SearchSpace("s", (Block("conv", 3, 8, 8, 8), Block("add", 8, 8, 8, 8, fan_in=2)))
    space = SearchSpace("s", (Slot((Block("conv", 3, 8, 8, 8), Block("conv", 3, 8, 8, 8, 3))),))
    for arch in ((), (0, 0), (2,), (-1,)):
        with refused("space.not-an-architecture", space="s", arch=arch):
            space.derive(arch)
