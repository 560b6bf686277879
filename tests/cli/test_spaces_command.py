"""`hwnas spaces`: listed, and one shown with its size and the range of its costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hwnas.latency.table import load
from hwnas.latency.tables import PACKAGED
from hwnas.pipeline.spaces import describe
from hwnas.space import registry
from hwnas.space.space import SearchSpace


def test_the_list_has_every_space(hwnas):
    code, out, _ = hwnas("spaces", "--json")
    assert code == 0
    found = json.loads(out)
    slots = {space["name"]: space["slots"] for space in found}
    assert list(slots) == list(registry.SPACES)
    assert (slots["proxyless"], slots["fbnet"], slots["mobilenetv3"]) == (21, 22, 2 + 5 * 9)
    assert {space["name"]: space["networks"] for space in found}["nas-bench-macro"] == 6561
    _, out, _ = hwnas("spaces")
    assert "MnasNet, arXiv 1807.11626" in out


def test_show_tells_what_a_space_decides(hwnas):
    code, out, _ = hwnas("spaces", "show", "mobilenetv3-32", "--classes", "3", "--json")
    assert code == 0
    found = json.loads(out)
    space = registry.get("mobilenetv3-32", 3)
    assert (found["resolutions"], found["classes"], found["latency"]) == ([24, 32], 3, None)
    assert [len(slot["options"]) for slot in found["slots"]] == list(space.choices)
    assert found["slots"][1] == {"slot": 1, "decides": "resolution", "options": ["24", "32"]}
    assert found["networks"] == space.size == 4 * 819**3 < found["architectures"]
    assert found["networks_log10"] == 9.34
    assert found["macs"] == [space.derive(arch).macs for arch in (space.smallest, space.largest)]


def test_show_tells_a_person_the_same(hwnas):
    code, out, _ = hwnas("spaces", "show", "nas-bench-macro")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "nas-bench-macro: NAS-Bench-Macro, arXiv 2103.11922"
    assert lines[1] == "6,561 networks (10^3.82)"
    assert lines[2] == "7.713 to 105.7 M MACs, 0.3879 to 2.933 M parameters"
    assert lines[3] == "images of 32 px, 10 classes; 18 distinct blocks"
    assert "64 to 64 channels at 16 px" in out
    assert "skip, mbconv k3 e3, mbconv k5 e6" in out
    _, out, _ = hwnas("spaces", "show", "mobilenetv3-32")
    assert "2,197,413,036 networks (10^9.34), by 41,841,412,812 architectures" in out


def test_the_range_of_costs_is_exact(monkeypatch):
    """Fewest parameters and fewest MACs are of different networks here."""
    full = registry.get("mobilenetv3-32")
    small = SearchSpace("small", full.parts[:4])
    monkeypatch.setitem(registry.SPACES, "small", lambda classes=10: small)
    archs = [(w, r, k, e, d, k2, e2)
             for w in (0, 1) for r in (0, 1) for k in range(3) for e in range(3)
             for d in range(3) for k2 in range(3) for e2 in range(3)]  # fmt: skip
    nets = [small.derive(arch) for arch in archs]
    found = describe("small")
    assert found["architectures"] == len(archs)
    assert found["macs"] == (min(net.macs for net in nets), max(net.macs for net in nets))
    assert found["params"] == (min(net.params for net in nets), max(net.params for net in nets))


def test_a_table_adds_the_range_of_latencies(hwnas):
    code, out, _ = hwnas("spaces", "show", "fbnet", "--table", "pixel3.fbnet", "--json")
    assert code == 0
    told = json.loads(out)["latency"]
    path = PACKAGED / "pixel3.fbnet.json"
    low, high = load(path).predictor(registry.get("fbnet")).range()
    assert told["predicted_ms"] == [low, high]
    assert (told["table"], told["device"]) == (str(path), "Google Pixel 3")
    _, out, _ = hwnas("spaces", "show", "fbnet", "--table", "pixel3.fbnet")
    assert f"{low:.4g} to {high:.4g} ms predicted for Google Pixel 3 from {path}" in out


def test_the_classes_are_those_of_the_table(hwnas, made_up_table, tmp_path):
    made_up_table(classes=3).save(tmp_path / "a.json")
    code, out, _ = hwnas("spaces", "show", "proxyless-32", "--table", "a.json", "--json")
    assert code == 0
    assert json.loads(out)["classes"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("show imagenet", "no search space 'imagenet' "),
        ("show fbnet --classes 1", "at least 2 classes, not 1"),
        ("show fbnet --table none", "no latency table 'none': there are "),
        ("show proxyless --table pixel3.fbnet", "is a table of fbnet with 100 classes, not of proxyless"),
        ("show fbnet --classes 10 --table pixel3.fbnet", "with 100 classes, not of fbnet with 10 classes"),
        ("show", "Missing argument"),
        ("--json show fbnet", "--json goes after show"),
    ],
)
def test_a_mistake_is_one_line(refused, words, message):
    assert message in refused("spaces", *words.split())


FILES = Path(__file__).parents[1] / "space" / "files"


def test_a_space_as_yaml_is_checked(hwnas):
    code, out, _ = hwnas("spaces", "check", FILES / "proxyless-32.yaml", "--networks", 3, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["networks"] == registry.get("proxyless-32").size
    assert told["fingerprint"] == registry.get("proxyless-32").fingerprint
    assert len(told["checked"]) == 3
    assert all(told["macs"][0] <= macs <= told["macs"][1] for macs in told["checked_macs"])
    code, out, _ = hwnas("spaces", "check", FILES / "mobilenetv3-32.yaml")
    assert code == 0
    assert "20 random networks" in out
    assert "stage 3 depth" in out


def test_a_space_that_cannot_be_is_one_line(refused, tmp_path):
    (tmp_path / "wrong.yaml").write_text((FILES / "proxyless-32.yaml").read_text().replace("kernels", "kernals"))
    assert "wrong.yaml: each.kernals: no such key: did you mean kernels?" in refused("spaces", "check", "wrong.yaml")
    (tmp_path / "my.py").write_text(UNFIT)
    assert "network 0 of my.py:space cannot be: " in refused("spaces", "check", "my.py:space")
    assert "cannot read the space my.yaml" in refused("spaces", "check", "my.yaml")


UNFIT = """
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
one, other = (Block("conv", 3, width, 8, 8) for width in (8, 8))
space = SearchSpace("x", (Slot((one,)), Block("classifier", 9, 2, 8, 8)))
"""


def test_torch_is_not_loaded():
    code = """
import sys
from hwnas.pipeline.spaces import describe
assert describe("fbnet", table="pixel3.fbnet")["latency"]
assert describe("mobilenetv3-32")["slots"]
from hwnas.pipeline.check_space import check_space
check_space("nas-bench-macro-16", networks=2)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
