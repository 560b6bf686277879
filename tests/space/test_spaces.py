"""The named spaces: their published sizes, and the published networks that are members of them."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from math import prod

import pytest

from hwnas.space import registry, zoo
from hwnas.space.layerwise import fbnet_imagenet
from hwnas.space.net import Block
from hwnas.space.once_for_all import Frame, Stage, once_for_all
from hwnas.space.recognise import find_arch
from hwnas.space.space import SearchSpace

SIZES = {
    "proxyless": 6**6 * 7**15,
    "proxyless-32": 6**3 * 7**6,
    "nas-bench-macro-16": 3**8,
    "fbnet": 9**22,  # 1812.03443, §3.1
    "fbnet-imagenet": 9**22,
    "nas-bench-macro": 3**8,
    "spos": 4**20,  # 1904.00420, §4
    "mnasnet": 432**5,  # 1807.11626, §4.1
    "efficientnet-b0": 24 * 72**2 * 36**3 * 24,
    "mobilenetv3": 10 * (9**2 + 9**3 + 9**4) ** 5,  # 1908.09791, §3.1, for each of 2 widths and 5 resolutions
    "mobilenetv3-32": 4 * (9 + 9**2 + 9**3) ** 3,
}


def test_every_space_has_its_size():
    assert {name: registry.get(name).size for name in registry.SPACES} == SIZES
    assert pytest.approx(2e19, rel=0.1) == (9**2 + 9**3 + 9**4) ** 5  # of 1908.09791, §3.1


def networks(space: SearchSpace) -> set[tuple[Block, ...]]:
    """Every network of a small space."""
    rows = space.picks(list(product(*map(range, space.choices)))).tolist()
    places = [position.candidates for position in space.positions]
    chosen = ([place[index] for place, index in zip(places, row, strict=True)] for row in rows)
    return {tuple(block for block in blocks if block.op != "skip") for blocks in chosen}


@pytest.mark.parametrize(
    ("stages", "depths", "widths", "resolutions"),
    [(1, (1, 2, 3), (0.5, 1.0), (8,)), (1, (2, 3), (1.0,), (8, 16)), (2, (1, 2), (1.0,), (8,))],
)
def test_once_for_all_counts_its_networks(stages, depths, widths, resolutions):
    stage = (Stage(16, 2, "relu", False), Stage(32, 1, "hswish", True))
    frame = Frame(16, 1, stage[:stages], 64, 64)
    space = once_for_all("tiny", frame, 5, depths, widths, resolutions)
    assert len(networks(space)) == space.size < prod(space.choices)


@pytest.mark.parametrize(
    ("name", "parts", "expected"),
    [("mnasnet", 2 + 3, 336), ("efficientnet-b0", 1 + 2 + 3, 24 * 72)],
)
def test_architectures_of_the_first_stages_differ(name, parts, expected):
    """Of MnasNet's 432 for block 2, those of one layer have nothing to add: 48 instead of 144 are left of them."""
    assert len(networks(SearchSpace(name, registry.get(name).parts[:parts]))) == expected


def named(space: SearchSpace, options: dict[str, object]) -> tuple[int, ...]:
    """The architecture that has these options of the choices, and the first of any other."""
    assert set(options) <= {slot.name for slot in space.slots}
    return tuple(slot.options.index(str(options.get(slot.name, slot.options[0]))) for slot in space.slots)


def by_stage(word: str, start: int, **options: Iterable[object]) -> dict[str, object]:
    """Options of each stage: by_stage("stage", 1, depth=(2, 3)) is of "stage 1 depth" and "stage 2 depth"."""
    return {f"{word} {i} {what}": value for what, values in options.items() for i, value in enumerate(values, start)}


def digits(arch: str) -> tuple[int, ...]:
    """An architecture written a digit a slot."""
    return tuple(map(int, arch.replace(" ", "")))


def test_fbnet_c_is_a_member_as_it_was_released():
    space, net = fbnet_imagenet(head=1984), zoo.get("fbnetc_100")
    assert space.derive(digits("0 3800 7673 7677 7776 7777 3")) == net


def test_fbnet_a_costs_what_the_paper_says():
    """Table 3 of 1812.03443."""
    net = registry.get("fbnet-imagenet").derive(digits("8 2088 7242 7657 3561 7767 7"))
    assert net.macs == pytest.approx(249e6, rel=0.01)
    assert net.params == pytest.approx(4.3e6, rel=0.02)


def test_proxyless_mobile_is_a_member_but_for_its_first_stage():
    """The paper's space has 24 channels there, and the released network 32."""
    space, net = registry.get("proxyless"), zoo.get("proxyless_mobile")
    narrow = {16: 16, 32: 24, 40: 40}
    stage = [replace(block, cin=narrow[block.cin], cout=narrow[block.cout]) for block in net.blocks[2:7]]
    blocks = (*net.blocks[:2], *stage, *net.blocks[7:])
    arch = find_arch(space, blocks)
    assert arch is not None
    assert space.derive(arch).blocks == blocks


def test_the_searched_spos_is_a_member_but_for_its_searched_channels():
    """The paper searches for the middle channels after the blocks (§4); before, they are half of the output's."""
    space = registry.get("spos")
    blocks = [replace(block, mid=block.cout // 2) if block.mid else block for block in zoo.get("spos").blocks]
    assert find_arch(space, blocks) == digits("0031 1100 20211020 2132")


def test_mnasnet_a1_is_a_member_but_for_112_channels():
    """A quarter more than MobileNetV2's 96 is 120, and A1 has 112."""
    space, net = registry.get("mnasnet"), zoo.get("semnasnet_100")
    options = by_stage(
        "block",
        2,
        op=("mbconv6", "mbconv3", "mbconv6", "mbconv6", "mbconv6"),
        kernel=(3, 5, 3, 3, 5),
        se=(0, 0.25, 0, 0.25, 0.25),
        skip=["identity"] * 5,
        width=(24, 40, 80, 120, 160),
        layers=(2, 3, 4, 2, 3),
    )
    made = space.derive(named(space, options))
    pairs = list(zip(made.blocks, net.blocks, strict=True))
    unlike = [(ours, theirs) for ours, theirs in pairs if ours != theirs]
    assert len(unlike) == 3  # into, inside and out of the 112 channels
    for ours, theirs in unlike:
        cin, cout = (120 if channels == 112 else channels for channels in (theirs.cin, theirs.cout))
        assert ours == replace(theirs, cin=cin, cout=cout, se=cin // 4)


def test_efficientnet_b0_is_a_member():
    space, net = registry.get("efficientnet-b0"), zoo.get("efficientnet_b0")
    options = by_stage(
        "stage",
        1,
        kernel=(3, 3, 5, 3, 5, 5, 3),
        width=(16, 24, 40, 80, 112, 192, 320),
        layers=(1, 2, 2, 3, 3, 4, 1),
        op=["mbconv"] * 3,
    ) | by_stage("stage", 2, expansion=[6] * 6)
    assert space.derive(named(space, options)) == net


def test_fused_convolutions_are_of_the_early_stages_of_efficientnet():
    space = registry.get("efficientnet-b0")
    stages = [slot.name for slot in space.slots if slot.name.endswith(" op")]
    assert stages == ["stage 1 op", "stage 2 op", "stage 3 op"]
    net = space.derive(named(space, dict.fromkeys(stages, "fused")))
    assert [block.op for block in net.blocks].count("fused") == 1 + 1 + 1  # the fewest layers
    assert all(block.se == block.cin // 4 for block in net.blocks if block.op in ("fused", "mbconv"))


def test_mobilenet_v3_large_is_a_member_but_for_expansions_that_are_no_whole_numbers():
    space, net = registry.get("mobilenetv3"), zoo.get("mobilenet_v3_large")
    kernels = ((3, 3), (5, 5, 5), (3, 3, 3, 3), (3, 3), (5, 5, 5))
    expansions = ((4, 3), (3, 3, 3), (6, 3, 3, 3), (6, 6), (6, 6, 6))
    options: dict[str, object] = {"width": 1, "resolution": 224, **by_stage("stage", 1, depth=map(len, kernels))}
    for stage, (of_kernel, of_expansion) in enumerate(zip(kernels, expansions, strict=True), start=1):
        options |= by_stage(f"stage {stage} layer", 1, kernel=of_kernel, expansion=of_expansion)
    made = space.derive(named(space, options))
    unlike = [(ours, theirs) for ours, theirs in zip(made.blocks, net.blocks, strict=True) if ours != theirs]
    assert [theirs.mid for _, theirs in unlike] == [200, 184, 184]
    assert all(ours == replace(theirs, mid=240) for ours, theirs in unlike)


def test_once_for_all_has_the_widths_of_its_second_supernet():
    space = registry.get("mobilenetv3")
    net = space.derive(named(space, {"width": 1.2, "resolution": 176}))
    assert net.resolution == 176
    widths = [block.cout for block in net.blocks]
    assert widths == [24, 24, *[32] * 2, *[48] * 2, *[96] * 2, *[136] * 2, *[192] * 2, 1152, 1000]
    assert net.blocks[-1].mid == 1536


def test_an_absent_layer_is_the_last_of_its_stage():
    space = registry.get("mobilenetv3-32")
    for depth in (1, 2, 3):
        kernels = by_stage("stage 2 layer", 1, kernel=(3, 5, 7))
        net = space.derive(named(space, {"stage 2 depth": depth, **kernels}))
        assert [b.kernel for b in net.blocks if b.cout == 40 and b.op == "mbconv"] == [3, 5, 7][:depth]
