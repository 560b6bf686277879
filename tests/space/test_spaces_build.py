"""200 random architectures of every space: they build, run, count, survive JSON, and give a valid ONNX model.

To take seconds, not minutes: the networks run on 16×16 pixels, a block that several of them hold is one module, which
takes all their features as one batch, and the ONNX models, which are of the true size, have their weights as inputs,
so that no one draws or copies their values.
"""

import json
from collections import defaultdict
from functools import cache
from math import prod

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import hwnas.latency.graph as graphs
from hwnas.nn.blocks import BlockModule
from hwnas.nn.build import Network
from hwnas.space import registry
from hwnas.space.chain import Chain
from hwnas.space.net import Net

COUNT, PIXELS = 200, 16


@cache
def networks(name):
    """200 random networks of a space, of 7 classes."""
    space, rng = registry.get(name, classes=7), np.random.default_rng(0)
    return [space.derive(space.sample(rng)) for _ in range(COUNT)]


def shrunk(net):
    """`net` for images of `PIXELS` × `PIXELS`."""
    chain = Chain(PIXELS)
    for block in net.blocks:
        chain.add_like(block)
    return chain.net(net.name, net.eps)


@pytest.fixture
def shared_modules(monkeypatch):
    """Networks in which equal blocks are one module. What torch draws for its weights is replaced, and so not drawn."""
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda weight, **options: weight)
    monkeypatch.setitem(Network.__init__.__globals__, "BlockModule", cache(BlockModule))


@pytest.fixture
def weights(monkeypatch):
    """The shapes of the weights of the graph that is being made, by name: the graph itself is left without them."""
    shapes = {}

    def random(self, name, *shape):
        assert name not in shapes
        shapes[name] = shape
        return name

    monkeypatch.setattr(graphs._Graph, "random", random)
    return shapes


def run(modules, images):
    """The output of each of `modules`, which are networks; all whose next block is the same run it together."""
    features, paths = [images] * len(modules), [list(module) for module in modules]
    for step in range(max(map(len, paths))):
        together = defaultdict(list)
        for index, path in enumerate(paths):
            if step < len(path):
                together[path[step]].append(index)
        for block, members in together.items():
            made = block(torch.cat([features[index] for index in members]))
            for index, feature in zip(members, made.split(len(images)), strict=True):
                features[index] = feature
    return features


@pytest.mark.parametrize("name", registry.SPACES)
def test_random_architectures_build_run_and_count(name, shared_modules):
    modules = [Network(shrunk(net)).eval() for net in networks(name)]
    for module, net in zip(modules, networks(name), strict=True):
        assert sum(value.numel() for block in module for value in block.parameters()) == net.params
    images = torch.randn(1, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = torch.cat(run(modules, images))
        torch.testing.assert_close(found[-1:], modules[-1](images))
    assert found.shape == (COUNT, 7)
    assert found.isfinite().all()
    assert found.any(dim=1).all()  # something of the image gets to the end


@pytest.mark.parametrize("name", registry.SPACES)
def test_random_architectures_survive_json(name):
    for net in networks(name):
        again = Net.from_json(json.loads(json.dumps(net.to_json())))
        assert (again, again.macs, again.params) == (net, net.macs, net.params)


@pytest.mark.parametrize("name", registry.SPACES)
def test_random_architectures_are_valid_onnx(name, weights):
    for net in networks(name):
        weights.clear()
        model = graphs.graph(net)
        model.graph.input.extend(helper.make_tensor_value_info(w, TensorProto.FLOAT, weights[w]) for w in weights)
        onnx.checker.check_model(model, full_check=True)
        norms = sum(layer.cout for block in net.blocks for layer in block.layers if layer.kind == "conv")
        assert sum(map(prod, weights.values())) == net.params - norms  # a folded BatchNorm leaves one bias of its two
