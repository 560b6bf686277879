"""NAS-Bench-Macro: a sample of its published parameters and MACs; `benchmarks/nas_bench_macro.py` checks all 6561."""

import pytest

from hwnas.space import registry

PUBLISHED = {
    "00000000": (387882, 7713280),
    "00011000": (594986, 20738560),
    "00100221": (1938666, 40837632),
    "00200020": (1296042, 30437888),
    "01120111": (1592490, 49617408),
    "02102101": (1221994, 51522048),
    "02111101": (1209962, 50735616),
    "02202121": (2098986, 69941760),
    "11111111": (1588874, 53246464),
    "11112020": (1608842, 56689152),
    "11120212": (2193418, 65798656),
    "11220001": (1123018, 48603648),
    "12001000": (560266, 33681920),
    "12110020": (1422922, 51184128),
    "12200112": (1888266, 60545536),
    "12201100": (756618, 47458816),
    "12211120": (1691658, 67168768),
    "20120010": (1063850, 42373632),
    "21022021": (2110506, 71811584),
    "21122001": (1310186, 62919168),
    "22012111": (1720042, 70273536),
    "22102012": (1955754, 70611456),
    "22201200": (934890, 58155520),
    "22222222": (2932586, 105660928),
}
"""Parameters and MACs by architecture, one digit a layer: the plainest three, and 21 drawn at random."""


@pytest.mark.parametrize("arch", PUBLISHED)
def test_parameters_and_macs_are_the_published_ones(arch):
    net = registry.get("nas-bench-macro").derive(tuple(map(int, arch)))
    assert (net.params, net.macs) == PUBLISHED[arch]


def test_a_digit_is_one_of_three_blocks():
    """Neither the order nor an activation shows in every count. The convolution in place of an identity has none."""
    changing, same = ([block.key for block in slot.candidates] for slot in registry.get("nas-bench-macro").slots[:2])
    assert changing == [
        "conv_32-64_32x32_s2",
        "mbconv_32-64_32x32_k3_s2_e3_relu",
        "mbconv_32-64_32x32_k5_s2_e6_relu",
    ]
    assert same == ["skip_64-64_16x16", "mbconv_64-64_16x16_k3_e3_relu_res", "mbconv_64-64_16x16_k5_e6_relu_res"]


def test_a_thinner_and_smaller_form_has_as_many_networks():
    thin, full = registry.nas_bench_macro(width=0.25, resolution=16), registry.get("nas-bench-macro")
    assert thin.choices == full.choices
    assert thin.resolution == 16
    assert [block.cout for block in thin.blocks_of((1,) * 8)] == [8, 16, 16, *[32] * 3, *[64] * 3, 320, 10]
    assert thin.derive((1,) * 8).macs < full.derive((1,) * 8).macs / 30
