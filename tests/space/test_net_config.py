"""Configurations in the form of the files that come with ProxylessNAS and Once-for-All."""

import json
from copy import deepcopy
from math import inf

import pytest

from hwnas.space import published, zoo
from hwnas.space.net import Block
from hwnas.testing import refused
from hwnas.training.run import read_net


def conv(cin, cout, kernel=3, stride=2, act="relu6", **others):
    usual = {"dilation": 1, "groups": 1, "bias": False, "has_shuffle": False, "use_bn": True, "dropout_rate": 0}
    sizes = {"in_channels": cin, "out_channels": cout, "kernel_size": kernel, "stride": stride}
    return {"name": "ConvLayer", **sizes, **usual, "act_func": act, "ops_order": "weight_bn_act", **others}


def bottleneck(cin, cout, kernel, stride, expand, **others):
    sizes = {"in_channels": cin, "out_channels": cout, "kernel_size": kernel, "stride": stride, "expand_ratio": expand}
    return {"name": "MBInvertedConvLayer", **sizes, **others}


def block(layer, residual):
    shortcut = {"name": "IdentityLayer", "in_channels": [24], "out_channels": [24], "use_bn": False, "act_func": None}
    return {
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": layer,
        "shortcut": shortcut if residual else None,
    }


def linear(cin, cout):
    return {"name": "LinearLayer", "in_features": cin, "out_features": cout, "bias": True, "use_bn": False,
            "act_func": None, "dropout_rate": 0, "ops_order": "weight_bn_act"}  # fmt: skip


def proxyless_config(net):
    """`net` in ProxylessNAS's form, with a block that its search left out."""
    stem, *body, head, classifier = net.blocks
    blocks = [block(bottleneck(b.cin, b.cout, b.kernel, b.stride, b.expansion), b.residual) for b in body]
    blocks.insert(3, block({"name": "ZeroLayer", "stride": 1}, True))
    return {
        "name": "ProxylessNASNets",
        "bn": {"momentum": 0.1, "eps": net.eps},
        "first_conv": conv(3, stem.cout),
        "feature_mix_layer": conv(head.cin, head.cout, 1, 1),
        "classifier": linear(classifier.cin, classifier.cout),
        "blocks": blocks,
    }


OFA = {
    "name": "MobileNetV3",
    "bn": {"momentum": 0.1, "eps": 1e-5},
    "first_conv": conv(3, 16, act="h_swish"),
    "blocks": [
        block(bottleneck(16, 16, 3, 1, 1, mid_channels=None, act_func="relu", use_se=False, groups=None), True),
        block(bottleneck(16, 24, [5, 5], 2, 3, mid_channels=None, act_func="relu", use_se=True, groups=None), False),
        {"name": "ResidualBlock", "shortcut": {"name": "IdentityLayer"},
         "conv": {**bottleneck(24, 24, 3, 1, None, mid_channels=88, act_func="h_swish"), "name": "MBConvLayer"}},
    ],
    "final_expand_layer": conv(24, 144, 1, 1, "h_swish"),
    "feature_mix_layer": conv(144, 64, 1, 1, "h_swish", use_bn=False),
    "classifier": linear(64, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", ["proxyless_cpu", "proxyless_gpu", "proxyless_mobile", "mobilenet_v2"])
def test_a_published_proxyless_network_is_read(name):
    net = zoo.get(name)
    assert published.from_config(proxyless_config(net)) == net


def test_a_published_once_for_all_network_is_read():
    net = published.from_config(OFA, resolution=32)
    assert net.blocks == (
        Block("conv", 3, 16, 32, 32, 3, 2, act="hswish"),
        Block("mbconv", 16, 16, 16, 16, 3, act="relu", residual=True),
        Block("mbconv", 16, 24, 16, 16, 5, 2, 3, se=16, act="relu", hard=True),
        Block("mbconv", 24, 24, 8, 8, 3, mid=88, act="hswish", residual=True),
        Block("conv", 24, 144, 8, 8, act="hswish"),
        Block("classifier", 144, 10, 8, 8, mid=64, act="hswish"),
    )


def test_a_first_convolution_that_widens_nothing_is_kept():
    config = deepcopy(OFA)
    config["blocks"][0] = block(bottleneck(16, 16, 3, 1, None, mid_channels=16, act_func="relu"), True)
    assert published.from_config(config).blocks[1].op == "fbconv"


def test_a_shortcut_that_is_zero_adds_nothing():
    config = deepcopy(OFA)
    config["blocks"][0]["shortcut"] = {"name": "ZeroLayer", "stride": 1}
    assert not published.from_config(config).blocks[1].residual


def test_files_are_told_apart_by_what_is_in_them(tmp_path):
    ours, theirs = tmp_path / "net.json", tmp_path / "flops-595M" / "net.config"
    net = zoo.get("mobilenet_v2", resolution=96)
    ours.write_text(json.dumps(net.to_json()))
    theirs.parent.mkdir()
    theirs.write_text(json.dumps(proxyless_config(net)))
    assert published.read(ours) == net
    assert (published.read(theirs).resolution, published.read(theirs).name) == (224, "flops-595M")
    theirs.with_name("run.config").write_text('{"image_size": 96, "n_epochs": 150}')
    assert published.read(theirs) == read_net(theirs) == net
    alone = tmp_path / "proxyless_gpu.config"
    alone.write_text(json.dumps(OFA))
    assert published.read(alone).name == "proxyless_gpu"
    theirs.with_name("run.config").write_text('{"image_size": [96, 128]}')
    with refused("config.image-size", path=theirs.with_name("run.config")):
        published.read(theirs)
    alone.write_text('{"name": "ResNets", "first_conv": {}}')
    with refused("file.field"):
        published.read(alone)
    alone.write_text('{"wid": null, "ks": [3, 5], "e": [3, 4], "d": [2], "r": [192]}')
    with refused("net.supernet-choices", path=alone):
        published.read(alone)
    alone.write_text('["a list"]')
    with refused("net.schema"):
        published.read(alone)


CONV = ("blocks", 1, "mobile_inverted_conv")


@pytest.mark.parametrize(
    ("place", "value", "code", "named"),
    [
        (("bn",), {"momentum": 0.1}, "file.field", "bn.eps"),
        (("first_conv", "groups"), 3, "file.field", "first_conv.groups"),
        (("first_conv", "kernel_size"), [3, 5], "file.field", "first_conv.kernel_size"),
        (("first_conv", "use_bn"), False, "file.field", "first_conv.use_bn"),
        (("first_conv", "use_se"), True, "file.field", "first_conv.use_se"),
        (("feature_mix_layer", "has_shuffle"), True, "file.field", "feature_mix_layer.has_shuffle"),
        (("classifier", "bias"), False, "file.field", "classifier.bias"),
        (("first_conv", "act_func"), "tanh", "file.field", "first_conv.act_func"),
        (("feature_mix_layer", "use_bn"), True, "file.field", "feature_mix_layer.use_bn"),
        ((*CONV, "name"), "DynamicConvLayer", "file.field", "blocks.1.mobile_inverted_conv.name"),
        ((*CONV, "groups"), 4, "file.field", "blocks.1.mobile_inverted_conv.groups"),
        ((*CONV, "in_channels"), 24, "config.channels", "file: blocks.1"),
        ((*CONV, "expand_ratio"), inf, "file.field", "blocks.1.mobile_inverted_conv.expand_ratio"),
        ((*CONV, "expand_ratio"), 0.01, "config.expansion", "file: blocks.1"),
        (CONV, {"name": "IdentityLayer"}, "file.field", "blocks.1.mobile_inverted_conv.name"),
        ((*CONV, "kernel_size"), 4, "block.impossible", "file: blocks.1"),
        (("blocks", 1, "shortcut"), {"name": "IdentityLayer"}, "block.impossible", "file: blocks.1"),
        (("blocks", 0, "mobile_inverted_conv", "mid_channels"), 32, "config.expansion", "file: blocks.0"),
        (("final_expand_layer", "in_channels"), 40, "config.channels", "file: final_expand_layer"),
        (("feature_mix_layer", "in_channels"), 40, "config.channels", "file: feature_mix_layer"),
        (("classifier", "in_features"), 40, "config.channels", "file: classifier"),
    ],
)
def test_a_wrong_configuration_is_refused_naming_the_layer(place, value, code, named):
    config = deepcopy(OFA)
    *outer, last = place
    inner = config
    for key in outer:
        inner = inner[key]
    inner[last] = value
    with refused(code) as refusal:
        published.from_config(config, "file")
    fields = refusal.error.fields
    assert (fields["field"] if code == "file.field" else fields["where"]) == named or named in fields["where"]
    assert "\n" not in refusal.message
    if value in (True, False):
        assert "hwnas has no such layer" in refusal.message


SAID = [
    (("first_conv", "use_se", True), "first_conv.use_se is true, and only false can be read: hwnas has no such layer"),
    (("classifier", "bias", False), "classifier.bias is false, and only true can be read: hwnas has no such layer"),
    (("first_conv", "kernel_size", [3, 5]), "first_conv.kernel_size is [3, 5], and has to be a whole number"),
    (("bn", "eps", 2), "bn.eps is 2, and has to be below 1"),
    (("bn", "eps", None), "bn.eps is null, and has to be a number"),
    ((*CONV, "groups", 4), "blocks.1.mobile_inverted_conv.groups is 4, and only null can be read"),
    ((*CONV, "use_se", "often"), 'blocks.1.mobile_inverted_conv.use_se is "often", and has to be true or false'),
    (("name", "ResNets"), "name is \"ResNets\", and only 'ProxylessNASNets', 'MobileNetV3' can be read"),
    (("blocks", {}), "blocks is {}, and has to be a list"),
    (("blocks", 1, 7), "blocks.1 is 7, and has to be a mapping of names to values"),
    ((*CONV, {"x": 1}), "blocks.1.mobile_inverted_conv.name is missing"),
]


@pytest.mark.parametrize(("place", "said"), SAID)
def test_a_wrong_value_is_told_with_its_file_and_key_in_our_words(place, said):
    config = deepcopy(OFA)
    *outer, last, value = place
    inner = config
    for key in outer:
        inner = inner[key]
    inner[last] = value
    with refused("file.field", where="net.config") as refusal:
        published.from_config(config, "net.config")
    assert refusal.message == f"net.config: {said}"


def test_what_is_missing_is_told_with_its_key():
    config = deepcopy(OFA)
    del config["blocks"][1]["mobile_inverted_conv"]["stride"]
    with refused("file.field", field="blocks.1.mobile_inverted_conv.stride") as refusal:
        published.from_config(config, "net.config")
    assert refusal.message == "net.config: blocks.1.mobile_inverted_conv.stride is missing"
