from dataclasses import replace

import pytest

from hwnas.space import zoo
from hwnas.space.net import Block, Net
from hwnas.space.strings import Definition, read, write
from hwnas.space.unit import Unit
from hwnas.testing import refused


def body(*stages, **others):
    """The blocks of those stages, for images of 32 pixels."""
    return read(Definition(stages, head=0, **others), resolution=32).blocks[1:-1]


@pytest.mark.parametrize("name", sorted(set(zoo.names()) - {"spos"}))
def test_what_is_written_reads_back_equal(name):
    net = zoo.get(name)
    assert read(write(net), 1000, net.resolution) == net


def test_written_strings_are_timms():
    assert write(zoo.get("mobilenet_v2")) == Definition(
        (
            "ds_r1_k3_s1_c16",
            "ir_r2_k3_s2_e6_c24",
            "ir_r3_k3_s2_e6_c32",
            "ir_r4_k3_s2_e6_c64",
            "ir_r3_k3_s1_e6_c96",
            "ir_r3_k3_s2_e6_c160",
            "ir_r1_k3_s1_e6_c320",
        ),
        act="relu6",
    )
    large = write(zoo.get("mobilenet_v3_large"))
    assert (large.model, large.stem, large.head, large.act, large.eps) == ("mobilenetv3", 16, 1280, "hswish", 1e-3)
    assert large.stages[2:4] == (
        "ir_r3_k5_s2_e3_c40_se0.25_nre",
        "ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80",
    )


def test_every_kind_and_option_is_read():
    first, second, third = body("er_r2_k3_s2_e2_c16_se0.5_nhs", "cn_r1_k5_s1_c8")
    assert first == Block("fused", 32, 16, 16, 16, 3, 2, 2, se=16, act="hswish")
    assert second == Block("fused", 16, 16, 8, 8, 3, 1, 2, se=8, act="hswish", residual=True)
    assert third == Block("conv", 16, 8, 8, 8, 5, act="relu")
    assert body("ir_r1_k3_s1_e1_c32")[0] == Block("fbconv", 32, 32, 16, 16, 3, act="relu", residual=True)
    assert body("ds_r1_k3_s1_c32_noskip")[0] == Block("mbconv", 32, 32, 16, 16, 3, act="relu")
    assert body("cn_r2_k3_s1_c32_skip")[1].residual
    assert body("ir_r1_k3_s1_e2.3_c16")[0].expanded == 72  # 73.6, rounded
    hidden = Definition(("ds_r1_k3_s1_c8_se0.25",), "mobilenetv3", head=64, act="hswish")
    assert read(hidden, 10, 32).blocks[1:] == (
        Block("mbconv", 32, 8, 16, 16, 3, se=8, act="hswish", hard=True),
        Block("classifier", 8, 10, 16, 16, mid=64, act="hswish"),
    )


def test_skips_are_written_where_they_are_not_as_usual():
    lines = (
        "ds_r2_k3_s2_c16_noskip",
        "cn_r3_k3_s1_c24_skip cn_r1_k3_s1_c24",
        "ir_r1_k3_s1_e4_c40 ir_r1_k3_s1_e2_c40_noskip",
    )
    assert write(read(Definition(lines))).stages == lines


def test_a_network_without_a_last_convolution():
    definition = Definition(("cn_r1_k3_s2_c16", "er_r1_k3_s1_e4_c24"), head=0)
    assert write(read(definition)) == definition


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ("uir_r1_k3_s1_e4_c16", "strings.kind", {"word": "uir"}),
        ("ir_r1_k3_s1_c16", "strings.missing", {"option": "e"}),
        ("ir_k3_s1_e6_c16", "strings.missing", {"option": "r"}),
        ("ir_r1_k3_s1_e6_c16_gs8", "strings.option", {"option": "gs8"}),
        ("ir_r1_k3_s1_e6_c16_nmi", "strings.option", {"option": "nmi"}),
        ("ir_r0_k3_s1_e6_c16", "strings.option", {"option": "r0"}),
        ("ir_r1_k3_s1_e0.0_c16", "strings.option", {"option": "e0.0"}),
        ("ir_r1_k3_k5_s1_e6_c16", "strings.twice", {"option": "k"}),
        ("ds_r1_k3_s1_e2_c16", "strings.no-effect", {"option": "e"}),
        ("cn_r1_k3_s1_c16_se0.25", "strings.no-effect", {"option": "se"}),
        ("ir_r1_k4_s1_e6_c16", "strings.block", {}),
        ("cn_r1_k3_s1_c16 ir_r1_k3_s2_e6_c16", "strings.stride", {}),
    ],
)
def test_what_cannot_be_read_is_refused_naming_it(text, code, fields):
    with refused(code, text=text.split()[-1], **fields):
        body(text)


def test_strides_that_timm_would_not_take_are_refused():
    with refused("strings.too-small"):
        body(*["cn_r1_k3_s2_c8"] * 5)


def without_strings():
    """Networks that timm cannot be told, each with the code of why not."""
    net = zoo.get("semnasnet_100")
    stem, first, *_, classifier = net.blocks
    strided = zoo.mobilenet_v2(strides=(1, 1, 2, 2, 2, 1, 2, 1))
    yield strided, "strings.stem"
    yield zoo.mobilenet_v2(strides=(2, 2, 2, 2, 2, 1, 2, 1)), "strings.too-small"
    yield zoo.get("spos"), "strings.no-string"
    odd = replace(first, expansion=1, mid=50)
    yield replace(net, blocks=(stem, odd, *net.blocks[2:])), "strings.no-string"
    hard = replace(first, se=8, hard=True)
    yield replace(net, blocks=(stem, hard, *net.blocks[2:])), "strings.no-string"
    hidden = replace(classifier, mid=64, act="swish")
    yield replace(net, blocks=(*net.blocks[:-1], hidden)), "strings.act"
    both = Block("fbconv", 24, 24, 56, 56, 3, expansion=3, act="relu", residual=True)
    yield replace(net, blocks=(*net.blocks[:4], both, *net.blocks[4:])), "strings.bottlenecks"
    grouped = Block("fbconv", 24, 24, 56, 56, 3, groups=2, act="relu", residual=True)
    yield replace(net, blocks=(*net.blocks[:4], grouped, *net.blocks[4:])), "strings.no-string"
    pooled = Block("mbconv", 24, 24, 56, 56, 3, act="relu", residual=True, pooled=True)
    yield replace(net, blocks=(*net.blocks[:4], pooled, *net.blocks[4:])), "strings.no-string"
    excited = Block("conv", 24, 24, 56, 56, 3, act="relu", se=8)
    yield replace(net, blocks=(*net.blocks[:4], excited, *net.blocks[4:])), "strings.no-string"
    plain = Block("conv", 24, 24, 56, 56, 3)
    yield replace(net, blocks=(*net.blocks[:4], plain, *net.blocks[4:])), "strings.no-string"
    yield Net(net.blocks[:-1]), "net.no-classifier"


def test_what_timm_cannot_be_told_is_refused_naming_it():
    for net, code in without_strings():
        with refused(code):
            write(net)


def test_units_join_only_where_nothing_differs_but_the_first_stride():
    first, again = Unit.read("ir_r1_k3_s2_e6_c24"), Unit.read("ir_r1_k3_s1_e6_c24")
    assert first.repeated(again).text == "ir_r2_k3_s2_e6_c24"
    for text in ("ir_r1_k3_s2_e6_c24", "ir_r1_k5_s1_e6_c24", "ir_r1_k3_s1_e6_c24_nre", "ir_r1_k3_s1_e3_c24"):
        assert again.repeated(Unit.read(text)) is None
    noskip = Unit.read("ir_r1_k3_s1_e6_c24_noskip")
    assert first.repeated(noskip).text == "ir_r2_k3_s2_e6_c24_noskip"
    assert noskip.repeated(replace(noskip, skip=True)) is None
