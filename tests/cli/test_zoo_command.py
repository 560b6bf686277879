"""`hwnas zoo`: listed, shown and written; and `hwnas measure` of its names and of published configurations."""

import json
import subprocess
import sys

import pytest

from hwnas.space import published, strings, zoo


def test_the_list_has_every_network(hwnas):
    code, out, _ = hwnas("zoo", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert tuple(rows) == zoo.names()
    assert rows["efficientnet_b4"] == {"name": "efficientnet_b4", "macs": 4393771024, "params": 19341616,
                                       "resolution": 380, "source": "EfficientNet, arXiv 1905.11946"}  # fmt: skip
    _, out, _ = hwnas("zoo")
    (row,) = [line for line in out.splitlines() if "efficientnet_b4" in line]
    assert [word for word in row.split() if word != "│"][:4] == ["efficientnet_b4", "4,394", "19.34", "380"]


def test_a_network_is_told_as_timm_is(hwnas):
    code, out, _ = hwnas("zoo", "show", "mnasnet1_0")
    assert (code, out.splitlines()[3]) == (0, "ds_r1_k3_s1_c16")
    assert out.splitlines()[-1] == "ir_r1_k3_s1_e6_c320"
    _, out, _ = hwnas("zoo", "show", "mnasnet1_0", "--classes", 10, "--resolution", 96, "--json")
    found = json.loads(out)
    definition = strings.Definition(**{**found["timm"], "stages": tuple(found["timm"]["stages"])})
    net = strings.read(definition, 10, 96)
    assert net == zoo.get("mnasnet1_0", 10, 96)
    assert (found["macs"], found["classes"], found["no_timm"]) == (net.macs, 10, "")


def test_a_network_that_timm_cannot_be_told_is_told_block_by_block(hwnas):
    _, out, _ = hwnas("zoo", "show", "spos")
    keys = [block.key for block in zoo.get("spos").blocks]
    assert out.splitlines()[2:] == [f"block by block, as timm has no string for {keys[1]}:", *keys]


def test_a_network_is_written_to_be_trained(hwnas, tmp_path):
    code, _, _ = hwnas("zoo", "show", "spos", "--classes", 3, "--resolution", 32, "--out", "net.json")
    assert code == 0
    assert published.read(tmp_path / "net.json") == zoo.get("spos", 3, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("zoo", "show", "resnet50"), "no network 'resnet50' in the zoo: there are mobilenet_v2"),
        (("zoo", "show", "spos", "--classes", "0"), "no network has 0 classes"),
        (("zoo", "--json", "show", "spos"), "--json goes after show"),
        (
            ("measure", "resnet50"),
            "resnet50 is not a file: give an ONNX file, the folder of a bundle",
        ),
    ],
)
def test_what_there_is_not_is_refused(refused, words, message):
    assert message in refused(*words)


def test_networks_are_measured_by_name_and_from_published_files(hwnas, tmp_path):
    code, out, _ = hwnas("measure", "mobilenet_v3_small", "--time-limit", 1, "--json")
    found = json.loads(out)
    assert (code, found["target"]) == (0, "mobilenet_v3_small")
    assert sum(operator["type"] == "Conv" for operator in found["breakdown"]["operators"]) >= 52
    config = {
        "name": "ProxylessNASNets",
        "bn": {"eps": 1e-3},
        "first_conv": {"name": "ConvLayer", "in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2},
        "blocks": [],
        "feature_mix_layer": None,
        "classifier": {"name": "LinearLayer", "in_features": 8, "out_features": 4},
    }
    (tmp_path / "net.config").write_text(json.dumps(config))
    code, out, _ = hwnas("measure", "net.config", "--time-limit", 1, "--json")
    types = {operator["type"] for operator in json.loads(out)["breakdown"]["operators"]}
    assert (code, "Conv" in types, "Gemm" in types) == (0, True, True)


def test_the_zoo_is_shown_without_torch():
    code = "import sys; from hwnas.cli import main; main(); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "zoo", "show", "efficientnet_b0"]
    assert subprocess.run(command, capture_output=True).returncode == 0
