"""The shared weights of a finished search serve a training: its child begins with them, and its largest teaches."""

from dataclasses import replace

import pytest
import torch
from quick_search import latency_within, quick

from hwnas.nn.initial import with_classes
from hwnas.nn.state import load_state
from hwnas.pipeline.train import train
from hwnas.search.inherit import largest, read_child, read_largest, read_supernet
from hwnas.space import registry
from hwnas.testing import refused
from hwnas.training.recipe import Recipe


@pytest.fixture(scope="module", params=["proxyless", "spos"])
def searched(request, made_up_table, images, tmp_path_factory):
    """A finished search of two steps, by a strategy that learns beside the weights and by one that does so later."""
    folder = tmp_path_factory.mktemp("search")
    made_up_table().save(folder / "table.json")
    evaluations = {"evaluations": 2} if request.param == "spos" else {}
    return quick(folder / "table.json", latency_within(folder / "table.json"), images, folder / "out",
                 strategy=request.param, weights={"steps": 2}, measure=False, **evaluations)  # fmt: skip


def test_a_child_has_the_weights_of_the_search(searched):
    child = read_child(searched.path, searched.net())
    shared = load_state(searched.path / "search.state")["supernet"]
    stem = next(value for name, value in shared.items() if name.startswith("parts.0.") and value.ndim == 4)
    assert torch.equal(child[0].conv.weight, stem)
    assert child.net == searched.net()
    other = with_classes(searched.net(), 7)
    assert read_child(searched.path, other).net.classes == 3


def test_the_largest_child_is_that_of_most_macs(searched):
    space = registry.get("proxyless-32", 3)
    assert read_largest(searched.path).net == space.derive(largest(space))
    assert all(
        space.derive(other).macs <= space.derive(largest(space)).macs for other in space.neighbours(largest(space))
    )


def test_a_network_of_no_such_space_is_refused_naming_where_it_differs(searched):
    net = searched.net()
    with refused("initial.other-architecture", block=0):
        read_child(searched.path, replace(net, blocks=(replace(net.blocks[0], act="relu"), *net.blocks[1:])))


def test_a_search_without_shared_weights_is_refused(searched, tmp_path):
    (tmp_path / "search.json").write_bytes((searched.path / "search.json").read_bytes())
    with refused("search.no-weights"):
        read_supernet(tmp_path)


def test_training_begins_with_the_child_and_learns_of_the_largest(searched, images, tmp_path):
    out = tmp_path / "run"
    found = train(searched.path, images, out=out, recipe=Recipe(epochs=1, batch_size=32), init="supernet",
                  teacher="supernet", progress=None).record  # fmt: skip
    assert (found.init.kind, found.init.new, found.init.source) == ("search", (), "out")
    assert (found.teacher.kind, found.teacher.source) == ("search", "out")
    assert found.teacher.params >= searched.net().params
