"""Shared weights that begin with a trained network: who may be named, and what the record says was filled."""

import json
from dataclasses import replace

import pytest
import timm
import torch
from quick_search import latency_within, quick

from hwnas.files import write_json
from hwnas.nn.build import build
from hwnas.nn.initial import with_classes
from hwnas.nn.supernet import Supernet
from hwnas.search import initial
from hwnas.search.record import read_record
from hwnas.space import registry, zoo
from hwnas.testing import refused

SPACE = registry.get("proxyless-32", 3)
ARCH = tuple(0 for _ in SPACE.choices)


@pytest.fixture
def named(tmp_path):
    """The file of a member of the space for ten classes, that of its weights, and both as one name."""
    net = replace(with_classes(SPACE.derive(ARCH), 10), name="member")
    write_json(tmp_path / "net.json", net.to_json())
    torch.save(build(net, 1).state_dict(), tmp_path / "w.pth")
    return f"{tmp_path / 'net.json'}={tmp_path / 'w.pth'}"


def test_a_member_fills_its_blocks_and_nothing_else(named):
    supernet = Supernet(SPACE, 0)
    begun = initial.begin(supernet, named, "separate")
    assert (begun.source, begun.network) == ("net.json=w.pth", "member")
    assert (begun.equal, begun.sliced, begun.new) == (tuple(range(len(SPACE.positions))), (), ())
    source, child = initial.read_network(named, 3, 32), supernet.extract(ARCH)
    assert torch.equal(child[1].depthwise.weight, source[1].depthwise.weight)


def test_a_search_begins_with_it_and_says_so(named, table, images, tmp_path):
    options = {"strategy": "spos", "evaluations": 2, "measure": False}
    weights = {"steps": 2, "init": named}
    ms = latency_within(table)
    found = quick(table, ms, images, tmp_path / "out", weights=weights, **options)
    assert read_record(tmp_path / "out").init == found.record.init
    assert len(found.record.init.equal) == len(SPACE.positions)
    assert str(tmp_path) not in json.dumps(json.loads((tmp_path / "out" / "search.json").read_text())["init"])
    drawn = quick(table, ms, images, tmp_path / "drawn", weights={"steps": 2}, **options)
    assert drawn.record.init is None
    with refused("search.other", names=["fingerprints.init"]):
        quick(table, ms, images, tmp_path / "out", weights={"steps": 2}, **options)


def test_timms_model_is_found_in_the_zoo(tmp_path):
    torch.manual_seed(0)
    torch.save(timm.create_model("mobilenetv3_small_100", num_classes=4).state_dict(), tmp_path / "w.pth")
    found = initial.read_network(f"timm:mobilenetv3_small_100={tmp_path / 'w.pth'}", 10, 32)
    assert found.net == replace(zoo.get("mobilenet_v3_small", 4, 32), eps=1e-5)
    torch.save(timm.create_model("mnasnet_small", num_classes=4).state_dict(), tmp_path / "w.pth")
    with refused("initial.not-in-zoo", name="mnasnet_small"):
        initial.read_network(f"timm:mnasnet_small={tmp_path / 'w.pth'}", 10, 32)


def test_a_file_of_no_named_network_and_nothing_are_refused(tmp_path):
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with refused("initial.no-network", path=tmp_path / "w.pth"):
        initial.read_network(str(tmp_path / "w.pth"), 3, 32)
    for call in (lambda: initial.read_network("nowhere", 3, 32), lambda: initial.fingerprint("nowhere")):
        with refused("initial.unknown", source="nowhere"):
            call()
