"""What networks and their weights do at their edges."""

import json
from types import SimpleNamespace

import pytest
import torch
from small_spaces import small_space
from torch import nn

from hwnas.nn import initial, initial_supernet, timm_weights
from hwnas.nn.blocks import Linear, attach, modules
from hwnas.nn.build import build, set_dropout
from hwnas.nn.shared import shared_layer
from hwnas.nn.supernet import Supernet
from hwnas.space.layer import Layer
from hwnas.space.net import Block, Net
from hwnas.testing import refused

NAME = "mobilenetv3_small_100"


def test_two_layers_of_one_name_are_refused():
    parent = nn.Module()
    attach(parent, "shortcut.conv", nn.Identity())
    attach(parent, "shortcut.norm", nn.Identity())
    assert [name for name, _ in parent.shortcut.named_children()] == ["conv", "norm"]
    with pytest.raises(TypeError, match="two layers of one block are named conv"):
        attach(parent, "shortcut.conv", nn.Identity())


def test_a_kind_without_modules_is_an_error_and_no_empty_block():
    with pytest.raises(AssertionError, match="dance"):
        list(modules(Layer("dance", "a", 2, 2)))
    with pytest.raises(AssertionError, match="dance"):
        shared_layer("dance", [], 1e-5, "crop")


@pytest.mark.parametrize("weights", [{"sharing": "some"}, {"kernels": "some"}])
def test_weights_that_a_supernet_has_not_are_refused(weights):
    with refused("supernet.weights", given="some"):
        Supernet(small_space(), **weights)


def test_a_supernet_without_a_seed_goes_by_torchs_own():
    def drawn():
        return next(Supernet(small_space(1)).parameters())

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second = drawn(), drawn()
        torch.manual_seed(3)
        assert torch.equal(drawn(), first)
    assert not torch.equal(first, second)


def test_a_skip_has_no_weights_to_name():
    part = Supernet(small_space(1), seed=0).parts[1]
    skip = next(index for index, block in enumerate(part.candidates) if block.op == "skip")
    assert list(part.named(skip)) == []
    assert list(part.named(0))


def test_dropout_is_nowhere_in_a_network_without_a_linear_layer():
    network = build(Net((Block("conv", 3, 8, 8, 8, 3), Block("conv", 8, 8, 8, 8, 3, residual=True))), seed=0)
    set_dropout(network, 0.5, 0.2)
    assert not any(isinstance(part, Linear) for part in network.modules())
    assert network[1].get_submodule("add").drop_path == 0.0


def test_what_is_not_given_stays_in_a_supernet():
    part = Supernet(small_space(1), seed=0).parts[1]
    shared, candidate = part[part.group[0]], part.candidates[0]
    names = [name for name, _ in part.named(0)]
    before = {name: value.clone() for name, value in part.named(0)}
    given = {names[0]: torch.full_like(before[names[0]], 0.25)}
    with torch.no_grad():
        initial_supernet._fill(shared, candidate, given, None)
    after = dict(part.named(0))
    assert torch.equal(after[names[0]], given[names[0]])
    assert all(torch.equal(after[name], before[name]) for name in names[1:])


def test_a_block_that_takes_others_is_another_architecture():
    conv = Block("conv", 3, 3, 8, 8, 3)
    blocks = (conv, conv, Block("add", 3, 3, 8, 8, fan_in=2), Block("classifier", 3, 5, 8, 8))
    ours = Net(blocks, sources=((-1,), (0,), (0, 1), (2,)))
    theirs = Net(blocks, sources=((-1,), (0,), (-1, 1), (2,)))
    initial.require_same_architecture(ours, ours)
    with refused("initial.other-architecture", block=2) as refusal:
        initial.require_same_architecture(ours, theirs)
    assert "block 2 takes blocks (-1, 1) there, and (0, 1) here" in refusal.message


def test_classes_are_the_rows_of_the_last_weight():
    state = {"body.weight": torch.zeros(3, 2), "head.weight": torch.zeros(7, 3), "head.bias": torch.zeros(7)}
    assert initial._classes_in(state) == 7
    assert initial._classes_in({"norm.weight": torch.zeros(3)}) is None
    own = build(Net((Block("conv", 3, 8, 8, 8, 3), Block("classifier", 8, 5, 8, 8))), seed=0).state_dict()
    assert initial._classes_in(dict(reversed(own.items()))) == 5


def test_images_of_a_model_are_as_the_file_beside_its_weights_says(tmp_path):
    said = {"mean": [0.5, 0.4, 0.3], "std": [1, 1, 1], "input_size": [3, 64, 64]}
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    assert timm_weights.settings_beside(weights) is None
    config.write_text(json.dumps({"pretrained_cfg": said}))
    wanted = timm_weights.ImageSettings((0.5, 0.4, 0.3), (1.0, 1.0, 1.0), 64)
    assert timm_weights.settings_beside(weights) == wanted
    assert timm_weights.image_settings(SimpleNamespace(pretrained_cfg=said)) == wanted
    config.write_text(json.dumps({"pretrained_cfg": {**said, "input_size": "large"}}))
    assert timm_weights.settings_beside(weights) is None


def test_weights_without_the_classifier_of_timms_model_are_refused():
    with refused("weights.timm-model", name=NAME):
        timm_weights.classes_in(NAME, {"body.weight": torch.zeros(3, 2)})
    assert timm_weights.classes_in(NAME, {"classifier.weight": torch.zeros(9, 2)}) == 9


def test_norms_of_several_epsilons_are_refused():
    theirs = nn.Sequential(nn.BatchNorm2d(2, 1e-5), nn.BatchNorm2d(2, 1e-3))
    net = Net((Block("conv", 3, 8, 8, 8, 3), Block("classifier", 8, 5, 8, 8)))
    with refused("weights.epsilons", name=NAME):
        timm_weights.build_like(net, theirs, NAME)
    assert timm_weights.build_like(net, theirs[1:], NAME).net.eps == 1e-3
